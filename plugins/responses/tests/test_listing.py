from __future__ import annotations

import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from host_channel_responses.errors import WireError
from host_channel_responses.listing import page_of


@given(st.integers(0, 30), st.integers(1, 100), st.sampled_from(["asc", "desc"]))
def test_pages_cover_a_list_once_and_in_order(count: int, limit: int, order: str) -> None:
    items = [{"id": f"i{number}"} for number in range(count)]
    seen: list[dict] = []
    query = {"limit": [str(limit)], "order": [order]}
    while True:
        page = page_of(items, query)
        seen += page["data"]
        if not page["has_more"]:
            break
        query = {**query, "after": [page["last_id"]]}
    assert seen == (items if order == "asc" else items[::-1])


@pytest.mark.parametrize(
    ("query", "param"),
    [({"limit": ["0"]}, "limit"), ({"limit": ["101"]}, "limit"), ({"limit": ["x"]}, "limit"),
     ({"order": ["up"]}, "order"), ({"after": ["nobody"]}, "after")],
)  # fmt: skip
def test_a_wrong_query_is_named(query: dict, param: str) -> None:
    with pytest.raises(WireError) as refused:
        page_of([{"id": "a"}], query)
    assert (refused.value.status, refused.value.param) == (400, param)


@pytest.mark.anyio
async def test_input_items_hold_the_inherited_history(talking, chat_agent) -> None:
    async with talking(chat_agent()) as made:
        client = made()
        first = await client.responses.create(model="m", input="one")
        second = await client.responses.create(
            model="m", input=[{"role": "user", "content": "two"}], previous_response_id=first.id
        )
        newest_first = [item async for item in client.responses.input_items.list(second.id, limit=1)]
        assert [item.content[0].text for item in newest_first] == ["two", "You said: one", "one"]
        oldest_first = [item async for item in client.responses.input_items.list(second.id, order="asc")]
        assert [item.id for item in oldest_first] == [item.id for item in newest_first][::-1]
        with pytest.raises(openai.NotFoundError):
            await client.responses.input_items.list("resp_nothing")


@pytest.mark.anyio
async def test_an_item_reference_stands_for_the_stored_item(talking, scripted) -> None:
    agent = scripted(["Hello"])
    async with talking(agent) as made:
        client = made()
        first = await client.responses.create(model="m", input=[{"id": "mine_1", "role": "user", "content": "one"}])
        references = [{"id": "mine_1"}, {"type": "item_reference", "id": first.output[0].id}]
        await client.responses.create(model="m", input=[*references, {"role": "user", "content": "two"}])
        assert [(message.role, message.text) for message in agent.runs[1]] == [
            ("user", "one"),
            ("assistant", "Hello"),
            ("user", "two"),
        ]
        chained = [*references, {"role": "user", "content": "three"}]
        await client.responses.create(model="m", input=chained, previous_response_id=first.id)
        assert [message.text for message in agent.runs[2]] == ["three"]
