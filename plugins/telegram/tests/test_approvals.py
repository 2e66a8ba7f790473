"""Questions for approval: buttons, answered once, by the right person, also after a restart."""

from __future__ import annotations

import json

import pytest
from agent_framework import (
    Agent,
    BaseChatClient,
    ChatResponse,
    ChatResponseUpdate,
    Content,
    FunctionInvocationLayer,
    Message,
    ResponseStream,
    tool,
)

pytestmark = pytest.mark.anyio


class Caller(FunctionInvocationLayer, BaseChatClient):
    """Calls ``pay`` when asked to, else repeats what the tool returned."""

    def _inner_get_response(self, *, messages, stream, options, **_):
        last = messages[-1]
        results = [content for content in last.contents if content.type == "function_result"]
        if results:
            contents = [Content.from_text("paid: " + ", ".join(str(result.result) for result in results))]
        elif "pay" in last.text:
            sums = last.text.split()[1:]
            contents = [
                Content.from_function_call(f"call{n}", "pay", arguments=json.dumps({"amount": n}))
                for n in map(int, sums)
            ]
        else:
            contents = [Content.from_text(f"said: {last.text}")]
        if not stream:

            async def whole():
                return ChatResponse(messages=[Message("assistant", contents)])

            return whole()

        async def pieces():
            yield ChatResponseUpdate(contents=contents, role="assistant")

        return ResponseStream(pieces(), finalizer=ChatResponse.from_updates)


def agent(paid: list[int]) -> Agent:
    @tool(approval_mode="always_require")
    def pay(amount: int) -> str:
        """Pay."""
        paid.append(amount)
        return f"{amount} euro"

    return Agent(client=Caller(), name="cashier", tools=[pay])


def asked(api, chat: int = 42) -> list:
    return [each for each in api.shown(chat) if each.keyboard]


@pytest.mark.requirement("telegram.approvals")
@pytest.mark.parametrize("transport", ["polling", "webhook"])
async def test_an_approval_is_asked_once_and_acted_upon(api, serving, soon, transport) -> None:
    paid: list[int] = []
    async with serving(api, agent(paid), transport=transport):
        await api.people.say("pay 7")
        await soon(api.until(lambda: len(asked(api)) == 1))
        question = asked(api)[0]
        assert "pay" in question.text
        assert '"amount": 7' in question.text
        foreign = await api.people.press(question, "Approve", user=66)
        await soon(api.until(lambda: api.world.queries[foreign] is not None))
        assert paid == []
        first = await api.people.press(question, "Approve")
        await soon(api.until(lambda: "paid: 7 euro" in api.texts(42)))
        await soon(api.until(lambda: asked(api) == []))
        again = await api.people.press_data(question, first_data(api))
        await soon(api.until(lambda: api.world.queries[again] is not None))
    assert api.world.queries[first] == "Approved"
    assert "somebody else" in api.world.queries[foreign]
    assert "already" in api.world.queries[again]
    assert paid == [7]
    assert "Approved." in api.shown(42)[0].text


def first_data(api) -> str:
    sent = next(call for call in api.calls("sendMessage") if "reply_markup" in call)
    return sent["reply_markup"]["inline_keyboard"][0][0]["callback_data"]


@pytest.mark.requirement("telegram.approvals")
async def test_a_denial_reaches_the_agent(api, serving, soon) -> None:
    paid: list[int] = []
    async with serving(api, agent(paid)):
        await api.people.say("pay 7")
        await soon(api.until(lambda: len(asked(api)) == 1))
        await api.people.press(asked(api)[0], "Deny")
        await soon(api.until(lambda: "Denied." in api.texts(42)[0]))
        await soon(api.until(lambda: any(text.startswith("paid") for text in api.texts(42))))
    assert paid == []


@pytest.mark.requirement("telegram.approvals")
async def test_several_questions_are_answered_together(api, serving, soon) -> None:
    paid: list[int] = []
    async with serving(api, agent(paid)):
        await api.people.say("pay 7 8")
        await soon(api.until(lambda: len(asked(api)) == 2))
        first, second = asked(api)
        await api.people.press(first, "Approve")
        await soon(api.until(lambda: len(asked(api)) == 1))
        assert paid == []
        await api.people.press(second, "Deny")
        await soon(api.until(lambda: any(text.startswith("paid") for text in api.texts(42))))
    assert paid == [7]


@pytest.mark.requirement("telegram.approvals")
async def test_a_question_outlives_a_restart(api, serving, soon, tmp_path) -> None:
    paid: list[int] = []
    kept = {"host_options": {"state_dir": tmp_path / "state"}}
    async with serving(api, agent(paid), **kept):
        await api.people.say("pay 7")
        await soon(api.until(lambda: len(asked(api)) == 1))
    async with serving(api, agent(paid), **kept):
        await api.people.press(asked(api)[0], "Approve")
        await soon(api.until(lambda: "paid: 7 euro" in api.texts(42)))
    assert paid == [7]


@pytest.mark.requirement("telegram.approvals")
async def test_an_expired_question_is_refused(api, serving, soon) -> None:
    paid: list[int] = []
    async with serving(api, agent(paid), approval_seconds=0.001):
        await api.people.say("pay 7")
        await soon(api.until(lambda: len(asked(api)) == 1))
        late = await api.people.press(asked(api)[0], "Approve")
        await soon(api.until(lambda: api.world.queries[late] is not None))
        await soon(api.until(lambda: asked(api) == []))
    assert "expired" in api.world.queries[late]
    assert paid == []


@pytest.mark.requirement("telegram.approvals")
async def test_an_unknown_button_gets_an_answer(api, serving, soon, talker) -> None:
    async with serving(api, talker()):
        await api.people.say("hello")
        await soon(api.until(lambda: len(api.texts(42)) == 1))
        for data in ("a:nothing:0:1", "what", ""):
            query = await api.people.press_data(api.shown(42)[0], data)
            await soon(api.until(lambda query=query: api.world.queries[query] is not None))
