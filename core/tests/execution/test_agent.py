from __future__ import annotations

import pytest
from agent_framework import AgentResponse, AgentResponseUpdate, AgentSession, Content, Message, ResponseStream, tool

from agent_framework_hosting.errors import TargetInputError
from agent_framework_hosting.execution.agent import AgentExecution

pytestmark = pytest.mark.anyio


class Minimal:
    """The least an agent can be; ``answer`` decides what streaming returns."""

    def __init__(self, answer: str = "generator") -> None:
        self.answer = answer
        self.called: dict[str, object] = {}

    async def run(self, messages=None, *, stream=False, session=None, **kwargs):
        self.called = {"messages": messages, "session": session, **kwargs}
        if not stream:
            return AgentResponse(messages=[Message("assistant", ["whole"])], response_id="r1")
        if self.answer == "generator":
            return self._pieces()
        if self.answer == "stream":
            return ResponseStream(self._pieces(), finalizer=AgentResponse.from_updates)
        if self.answer == "unfinished stream":
            return ResponseStream(self._pieces())
        if self.answer == "response":
            return AgentResponse(messages=[Message("assistant", ["one two"])])
        return 42

    async def _pieces(self):
        for text in ("one ", "two"):
            yield AgentResponseUpdate(contents=[Content.from_text(text)], role="assistant")


class Narrow:
    """An agent whose run takes nothing but messages and stream."""

    def __init__(self) -> None:
        self.heard: list[object] = []

    def run(self, messages, stream=False):
        self.heard.append(messages)
        return self._answer()

    async def _answer(self):
        return AgentResponse(messages=[Message("assistant", ["ok"])])


class Tooled(Narrow):
    def run(self, messages, *, tools=None):
        self.heard.append(tools)
        return self._answer()


@pytest.mark.requirement("turn.fidelity")
async def test_a_whole_turn_returns_the_response_and_the_session(doubles, turn):
    agent = doubles.agent()
    execution = AgentExecution(agent)
    session = execution.new_session("s1")
    result = await execution.run(turn("hello", session=session))
    assert result.result.text == "1: hello"
    assert result.result.response_id == "resp_parrot"
    assert result.session is session
    assert session.session_id == "s1"


async def test_a_session_remembers(doubles, turn):
    execution = AgentExecution(doubles.agent())
    session = execution.new_session("s1")
    await execution.run(turn("one", session=session))
    stream = execution.stream(turn("two", session=session))
    assert "".join([update.text async for update in stream]) == "3: two "
    result = await execution.run(turn("three", session=session))
    assert result.result.text == "5: three"


@pytest.mark.requirement("turn.options")
async def test_options_reach_the_client(doubles, turn):
    agent = doubles.agent()

    @tool
    def dice() -> int:
        """Throw."""
        return 4

    await AgentExecution(agent).run(turn("hello", options={"temperature": 0.5, "tools": [dice]}))
    assert agent.client.options[0]["temperature"] == 0.5
    assert [one.name for one in agent.client.options[0]["tools"]] == ["dice"]


@pytest.mark.parametrize("answer", ["generator", "stream", "unfinished stream", "response"])
async def test_a_minimal_agent_streams(answer, turn):
    agent = Minimal(answer)
    execution = AgentExecution(agent)
    stream = execution.stream(turn("hello", session=AgentSession(), options={"seed": 1}))
    assert "".join([update.text async for update in stream]) == "one two"
    result = await stream.get_final_response()
    assert result.result.text == "one two"
    assert agent.called["options"] == {"seed": 1}
    assert agent.called["session"] is result.session


async def test_a_minimal_agent_answers_whole(turn):
    result = await AgentExecution(Minimal()).run(turn("hello"))
    assert (result.result.text, result.result.response_id) == ("whole", "r1")
    assert result.result.messages[0].additional_properties["hosting"]["originating_channel"] == "inbox"


async def test_what_the_signature_has_no_place_for_is_left_out(turn):
    agent = Narrow()
    execution = AgentExecution(agent)
    result = await execution.run(turn("hello", session=AgentSession(), options={"seed": 1}))
    assert result.result.text == "ok"
    assert execution.new_session("s1") is None


async def test_tools_go_where_an_agent_without_options_takes_them(turn):
    agent = Tooled()
    await AgentExecution(agent).run(turn("hello", options={"tools": ["hammer"], "seed": 1}))
    assert agent.heard == [["hammer"]]


@pytest.mark.parametrize("streaming", [False, True])
async def test_input_of_a_wrong_kind_is_refused(doubles, turn, streaming):
    execution = AgentExecution(doubles.agent())
    with pytest.raises(TargetInputError, match="run hook"):
        await (execution.stream(turn({"a": 1})).get_final_response() if streaming else execution.run(turn({"a": 1})))


async def test_an_answer_of_a_wrong_kind_names_what_came(turn):
    with pytest.raises(TypeError, match="returned int; it must return a stream"):
        await AgentExecution(Minimal("number")).stream(turn("hello")).get_final_response()


def test_an_object_that_cannot_run_is_refused():
    with pytest.raises(TypeError, match="object has no run method"):
        AgentExecution(object())
