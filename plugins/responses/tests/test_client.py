"""The official client, strict, against a real port."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx2
import openai
import pytest
from agent_framework import AgentResponseUpdate, Content

from agent_framework_hosting import AgentFrameworkHost
from host_channel_responses import ResponsesChannel

pytestmark = pytest.mark.anyio


async def drained(stream) -> None:
    async for _ in stream:
        pass


PIXEL = "data:image/png;base64,iVBORw0KGgo="
KEYS = {"ann": "key-of-ann", "bob": "key-of-bob"}


@pytest.mark.requirement("responses.whole")
@pytest.mark.requirement("responses.stream")
@pytest.mark.parametrize("path", ["", "/v1"])
async def test_create_whole_and_streaming(talking, chat_agent, raw_stream, check_stream, path: str) -> None:
    async with talking(chat_agent()) as client:
        response = await client(path=path).responses.create(model="gpt", input="hello", metadata={"a": "b"})
        assert (response.output_text, response.status, response.model) == ("You said: hello", "completed", "gpt")
        assert response.metadata == {"a": "b"}
        stream = await client(path=path).responses.create(model="gpt", input="hello", stream=True)
        names = [event.type async for event in stream]
        assert (names[0], names[-1]) == ("response.created", "response.completed")
        events = check_stream(await raw_stream(client(path=path), input="hello"), usage=False)
        assert events[-1]["response"]["output"][0]["content"] == [
            part.model_dump(exclude_none=True) for part in response.output[0].content
        ]


async def test_the_stream_manager_accumulates(talking, chat_agent) -> None:
    async with talking(chat_agent()) as client, client().responses.stream(model="m", input="hi") as stream:
        text = "".join([event.delta async for event in stream if event.type == "response.output_text.delta"])
        final = await stream.get_final_response()
        assert final.output_text == text == "You said: hi"


@pytest.mark.requirement("responses.chain")
@pytest.mark.requirement("responses.fork")
async def test_three_turns_remember_and_the_first_can_be_forked(talking, chat_agent) -> None:
    async with talking(chat_agent()) as made:
        client = made()
        first = await client.responses.create(model="m", input="one")
        second = await client.responses.create(model="m", input="two", previous_response_id=first.id)
        third = await client.responses.create(model="m", input="three", previous_response_id=second.id)
        fork = await client.responses.create(model="m", input="other", previous_response_id=first.id, stream=True)
        final = [event async for event in fork][-1].response
        beyond = await client.responses.create(model="m", input="end", previous_response_id=final.id)
        assert third.output_text == "You said: one | two | three"
        assert final.output_text == "You said: one | other"
        assert beyond.output_text == "You said: one | other | end"
        assert third.previous_response_id == second.id


async def test_two_answers_to_one_parent_run_at_the_same_time_and_never_mix(talking, chat_agent) -> None:
    async with talking(chat_agent()) as made:
        client = made()
        first = await client.responses.create(model="m", input="one")
        answers = await asyncio.gather(
            *(client.responses.create(model="m", input=str(n), previous_response_id=first.id) for n in range(8))
        )
        assert [each.output_text for each in answers] == [f"You said: one | {n}" for n in range(8)]


@pytest.mark.requirement("responses.retrieve")
async def test_retrieve_delete_and_continue_without_the_parent(talking, chat_agent) -> None:
    async with talking(chat_agent()) as made:
        client = made()
        first = await client.responses.create(model="m", input="one")
        second = await client.responses.create(model="m", input="two", previous_response_id=first.id)
        again = await client.responses.retrieve(first.id)
        assert again.model_dump() == first.model_dump()
        await client.responses.delete(first.id)
        with pytest.raises(openai.NotFoundError):
            await client.responses.retrieve(first.id)
        with pytest.raises(openai.BadRequestError) as gone:
            await client.responses.create(model="m", input="x", previous_response_id=first.id)
        assert gone.value.code == "previous_response_not_found"
        third = await client.responses.create(model="m", input="three", previous_response_id=second.id)
        assert third.output_text == "You said: one | two | three"


async def test_what_is_not_stored_is_gone(talking, chat_agent) -> None:
    async with talking(chat_agent()) as made:
        client = made()
        alone = await client.responses.create(model="m", input="one", store=False)
        kept = await client.responses.create(model="m", input="two")
        child = await client.responses.create(model="m", input="three", previous_response_id=kept.id, store=False)
        assert child.output_text == "You said: two | three"
        for each in (alone, child):
            with pytest.raises(openai.NotFoundError):
                await client.responses.retrieve(each.id)
            with pytest.raises(openai.BadRequestError):
                await client.responses.create(model="m", input="x", previous_response_id=each.id)


@pytest.mark.requirement("responses.bound")
async def test_a_foreign_id_is_an_unknown_id_byte_for_byte(talking, chat_agent) -> None:
    async with talking(chat_agent(), api_keys=KEYS) as made:
        ann, bob = made("key-of-ann"), made("key-of-bob")
        secret = await ann.responses.create(model="m", input="my secret")
        unknown = "resp_" + "0" * len(secret.id.removeprefix("resp_"))

        async def answers(response_id: str) -> list[tuple[int, bytes]]:
            async with httpx2.AsyncClient(base_url=str(bob.base_url)) as http:
                http.headers["authorization"] = "Bearer key-of-bob"
                made = [
                    await http.get(f"responses/{response_id}"),
                    await http.get(f"responses/{response_id}?stream=true"),
                    await http.delete(f"responses/{response_id}"),
                    await http.post(f"responses/{response_id}/cancel"),
                    await http.post("responses", json={"input": "x", "previous_response_id": response_id}),
                ]
                return [(each.status_code, each.content) for each in made]

        foreign, missing = await answers(secret.id), await answers(unknown)
        assert foreign == missing
        assert [status for status, _ in foreign] == [404, 404, 404, 404, 400]
        assert (await ann.responses.retrieve(secret.id)).output_text == "You said: my secret"


async def test_items_of_one_principal_are_unknown_to_another(talking, chat_agent) -> None:
    async with talking(chat_agent(), api_keys=KEYS) as made:
        ann, bob = made("key-of-ann"), made("key-of-bob")
        answer = await ann.responses.create(model="m", input="my secret")
        reference = [{"type": "item_reference", "id": answer.output[0].id}, {"role": "user", "content": "and?"}]
        again = await ann.responses.create(model="m", input=reference)
        assert again.output_text == "You said: and?"
        with pytest.raises(openai.NotFoundError):
            await bob.responses.create(model="m", input=reference)


@pytest.mark.requirement("responses.keys")
async def test_wrong_and_missing_keys(talking, chat_agent) -> None:
    async with talking(chat_agent(), api_keys=["k1", "k2"]) as made:
        for key in ("k1", "k2"):
            assert (await made(key).responses.create(model="m", input="x")).status == "completed"
        with pytest.raises(openai.AuthenticationError) as wrong:
            await made("k3").responses.create(model="m", input="x")
        assert wrong.value.code == "invalid_api_key"
        assert wrong.value.request_id
        async with httpx2.AsyncClient() as http:
            bare = await http.post(f"{made('k1').base_url}responses", json={"input": "x"})
        assert (bare.status_code, bare.json()["error"]["code"]) == (401, "invalid_api_key")


@pytest.mark.requirement("responses.errors")
async def test_errors_have_the_shape_of_the_api_everywhere(talking, chat_agent) -> None:
    async with talking(chat_agent(), max_body_bytes=2_000_000) as made:
        base = str(made().base_url)
        async with httpx2.AsyncClient(base_url=base) as http:
            for answer, status in (
                (await http.post("responses", content=b"[]"), 400),
                (await http.post("responses", content=b""), 400),
                (await http.post("responses", content=b"[" * 100_000), 400),
                (await http.post("responses", content=b'{"input":NaN}'), 400),
                (await http.post("responses", json={"input": "x" * 3_000_000}), 413),
                (await http.put("responses", json={}), 405),
                (await http.get("responses/a/b/c"), 404),
                (await http.get("responses/nothing"), 404),
                (await http.patch("responses/nothing"), 405),
                (await http.get("models/none/such"), 404),
                (await http.get("responses/nothing?stream=true&starting_after=x"), 400),
            ):
                assert answer.status_code == status, answer.text
                assert answer.json()["error"].keys() == {"message", "type", "param", "code"}
                assert answer.headers["x-request-id"]


async def test_a_body_that_lies_about_its_length_is_cut_off(talking, chat_agent) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b" " * 1000

    async with talking(chat_agent(), max_body_bytes=60_000) as made, httpx2.AsyncClient() as http:
        answer = await http.post(f"{made().base_url}responses", content=endless())
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, "request_too_large")


@pytest.mark.requirement("responses.errors")
async def test_a_body_too_large_for_the_host_reads_like_one_too_large_for_the_channel(serving, chat_agent) -> None:
    config = {"max_body_bytes": 1000}
    host = AgentFrameworkHost(chat_agent(), channels=[ResponsesChannel()], config=config)
    async with serving(host.app) as url, httpx2.AsyncClient(base_url=url) as http:
        answer = await http.post("/v1/responses", json={"input": "x" * 2000})
        assert answer.status_code == 413
        assert answer.json()["error"] == {
            "message": "The request body is too large.",
            "type": "invalid_request_error",
            "param": None,
            "code": "request_too_large",
        }


@pytest.mark.requirement("responses.input")
async def test_images_and_files_reach_the_agent(talking, scripted) -> None:
    agent = scripted()
    content = [
        {"type": "input_text", "text": "What is this?"},
        {"type": "input_image", "image_url": PIXEL, "detail": "low"},
        {"type": "input_image", "image_url": "https://a.example/b.jpg"},
        {"type": "input_file", "filename": "n.txt", "file_data": "data:text/plain;base64,YWJj"},
        {"type": "input_file", "file_id": "file_1"},
    ]
    async with talking(agent) as made:
        await made().responses.create(model="m", input=[{"role": "user", "content": content}])
    seen = agent.runs[0][0].contents
    assert [(each.type, each.media_type) for each in seen] == [
        ("text", None),
        ("data", "image/png"),
        ("uri", "image/jpeg"),
        ("data", "text/plain"),
        ("hosted_file", None),
    ]
    assert seen[1].additional_properties["detail"] == "low"


@pytest.mark.requirement("responses.usage")
async def test_usage_over_two_model_calls_is_counted_once(talking, chat_agent, raw_stream, check_stream) -> None:
    def tick() -> str:
        """Tick."""
        return "tock"

    def turns() -> list[list[Content]]:
        return [
            [
                Content.from_function_call("c1", "tick", arguments="{}"),
                Content.from_usage({"input_token_count": 10, "output_token_count": 1}),
            ],
            [Content.from_text("done"), Content.from_usage({"input_token_count": 20, "output_token_count": 2})],
        ]

    async with talking(chat_agent(turns(), tools=[tick])) as made:
        usage = (await made().responses.create(model="m", input="x")).usage
        assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (30, 3, 33)
    async with talking(chat_agent(turns(), tools=[tick])) as made:
        events = check_stream(await raw_stream(made(), input="x"), usage=True)
        assert events[-1]["response"]["usage"]["total_tokens"] == 33
        assert [item["type"] for item in events[-1]["response"]["output"]] == ["message"]


SECRET = "hunter2-secret"


@pytest.mark.requirement("responses.errors")
async def test_a_failing_agent_runs_once_and_says_nothing(talking, scripted, raw_stream, check_stream, caplog) -> None:
    agent = scripted(["partial", RuntimeError(SECRET)])
    async with talking(agent) as made:
        with pytest.raises(openai.InternalServerError) as failed:
            await made(retries=2).responses.create(model="m", input="x")
        assert len(agent.runs) == 1
        assert SECRET not in str(failed.value.body)
        raw = await raw_stream(made(), input="x")
        assert SECRET.encode() not in raw
        events = check_stream(raw)
        last = events[-1]["response"]
        assert (last["status"], last["error"]["code"]) == ("failed", "server_error")
        assert last["output"][0]["status"] == "incomplete"
        with pytest.raises(openai.APIError):
            await drained(await made().responses.create(model="m", input="x", stream=True))
        stored = await made().responses.retrieve(last["id"])
        assert stored.status == "failed"


async def test_a_failed_response_is_continued_from_the_state_before_it(talking, chat_agent) -> None:
    agent = chat_agent()
    async with talking(agent) as made:
        client = made()
        first = await client.responses.create(model="m", input="one")
        agent.client.turns = [[Content.from_error(message="x")]]
        failing = await client.responses.create(model="m", input="two", previous_response_id=first.id, stream=True)
        created = await anext(aiter(failing))
        failed_id = created.response.id
        with pytest.raises(openai.APIError):
            await drained(failing)
        assert (await client.responses.retrieve(failed_id)).status == "failed"
        third = await client.responses.create(model="m", input="three", previous_response_id=failed_id)
        assert third.output_text == "You said: one | three"


@pytest.mark.parametrize(("reason", "told"), [("length", "max_output_tokens"), ("content_filter", "content_filter")])
async def test_an_answer_that_was_cut_off_is_incomplete(
    talking, scripted, raw_stream, check_stream, reason, told
) -> None:
    cut = AgentResponseUpdate(
        contents=[Content.from_text("Hal")], role="assistant", message_id="m", finish_reason=reason
    )

    class Cut(scripted):
        async def _whole(self, updates):
            response = await super()._whole(updates)
            response.finish_reason = reason
            return response

    async with talking(Cut([cut])) as made:
        whole = await made().responses.create(model="m", input="x")
        assert (whole.status, whole.incomplete_details.reason) == ("incomplete", told)
        assert whole.output[0].status == "incomplete"
        events = check_stream(await raw_stream(made(), input="x"))
        assert events[-1]["type"] == "response.incomplete"


@pytest.mark.requirement("responses.models")
async def test_models(talking, chat_agent) -> None:
    async with talking(chat_agent(), model="org/agent", known_models_only=True) as made:
        client = made()
        assert [each.id async for each in await client.models.list()] == ["org/agent"]
        assert (await client.models.retrieve("org/agent")).owned_by == "host"
        with pytest.raises(openai.NotFoundError) as unknown:
            await client.responses.create(model="gpt", input="x")
        assert unknown.value.code == "model_not_found"
        assert (await client.responses.create(model="org/agent", input="x")).model == "org/agent"


async def test_a_turn_can_join_the_shared_session(talking, chat_agent) -> None:
    async with talking(chat_agent(), shared_session=True) as made:
        client = made()
        await client.responses.create(model="m", input="one")
        second = await client.responses.create(model="m", input="two")
        third = await client.responses.create(model="m", input="three", previous_response_id=second.id)
        assert third.output_text == "You said: one | two | three"
