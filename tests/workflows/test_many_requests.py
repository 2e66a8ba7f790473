"""Several questions at once, and questions of agents inside a workflow."""

from __future__ import annotations

import pytest
from agent_framework import (
    Agent,
    BaseChatClient,
    ChatResponse,
    ChatResponseUpdate,
    Content,
    FunctionInvocationLayer,
    Message,
    WorkflowBuilder,
    WorkflowContext,
    executor,
    tool,
)

pytestmark = pytest.mark.anyio

both_ways = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
kept_or_not = pytest.mark.parametrize("kept", [False, True], ids=["unkept", "kept"])


def two_clerks(workflows, answer):
    def build():
        @executor(id="start")
        async def start(text: str, ctx: WorkflowContext[str]) -> None:
            await ctx.send_message(text)

        first, second = workflows.Clerk(answer), workflows.Clerk(answer)
        first.id, second.id = "first", "second"
        return WorkflowBuilder(start_executor=start, name="two").add_fan_out_edges(start, [first, second]).build()

    return build


def approval(question, yes: bool) -> dict[str, object]:
    return {"type": "mcp_approval_response", "approval_request_id": question.id, "approve": yes}


@both_ways
@kept_or_not
@pytest.mark.requirement("workflows.requests")
async def test_two_questions_are_answered_at_once(hosted, workflows, tmp_path, kept, stream) -> None:
    async with hosted(two_clerks(workflows, bool), **({"state_dir": tmp_path} if kept else {})) as wires:
        asked = await wires.respond("tea", stream=stream)
        assert [item.type for item in asked.output] == ["mcp_approval_request"] * 2
        answers = [approval(asked.output[0], True), approval(asked.output[1], False)]
        done = await wires.respond(answers, stream=stream, previous_response_id=asked.id)
        assert sorted(item.content[0].text for item in done.output) == ["tea: False", "tea: True"]


@both_ways
@kept_or_not
@pytest.mark.requirement("workflows.requests")
async def test_two_questions_are_answered_one_after_the_other(hosted, workflows, tmp_path, kept, stream) -> None:
    async with hosted(two_clerks(workflows, bool), **({"state_dir": tmp_path} if kept else {})) as wires:
        asked = await wires.respond("tea", stream=stream)
        half = await wires.respond([approval(asked.output[0], True)], stream=stream, previous_response_id=asked.id)
        assert half.output_text == "tea: True"
        [left] = [item for item in half.output if item.type == "mcp_approval_request"]
        done = await wires.respond([approval(left, False)], stream=stream, previous_response_id=half.id)
        assert done.output_text == "tea: False"
        assert await wires.say("tea", user="grace", stream=stream) == "Do tea?\nDo tea?"
        assert await wires.say("yes", user="grace", stream=stream) == "tea: True\nDo tea?"
        assert await wires.say("no", user="grace", stream=stream) == "tea: False"


class Calling(FunctionInvocationLayer, BaseChatClient):
    """Call the tool pay, then say what came of it."""

    def _inner_get_response(self, *, messages, stream, options, **_):
        results = [one for message in messages for one in message.contents if one.type == "function_result"]
        call = Content.from_function_call("c1", "pay", arguments='{"amount": 3}')
        content = Content.from_text(f"Result: {results[-1].result}") if results else call

        async def whole() -> ChatResponse:
            return ChatResponse(messages=[Message("assistant", [content])])

        async def pieces():
            yield ChatResponseUpdate(contents=[content], role="assistant", message_id="m1")

        return self._build_response_stream(pieces()) if stream else whole()


@both_ways
@kept_or_not
@pytest.mark.parametrize("yes", [True, False])
@pytest.mark.requirement("workflows.requests")
async def test_an_approval_of_an_agent_inside_is_given_outside(hosted, tmp_path, kept, yes, stream) -> None:
    paid: list[int] = []

    @tool(approval_mode="always_require")
    def pay(amount: int) -> str:
        """Pay."""
        paid.append(amount)
        return "paid"

    def build():
        agent = Agent(client=Calling(), name="shop", tools=[pay])
        return WorkflowBuilder(start_executor=agent, name="shop").build()

    options = {"state_dir": tmp_path} if kept else {}
    async with hosted(build, **options) as wires:
        asked = await wires.respond("buy", stream=stream)
        [question] = [item for item in asked.output if item.type == "mcp_approval_request"]
        assert (question.name, paid) == ("pay", [])
        if not kept:
            await wires.respond([approval(question, yes)], stream=stream, previous_response_id=asked.id)
        assert await wires.say("buy", user="grace", stream=stream) == 'Approve pay({"amount": 3})?'
        if not kept:
            await wires.say("yes" if yes else "no", user="grace", stream=stream)
    if kept:
        async with hosted(build, **options) as wires:
            done = await wires.respond([approval(question, yes)], stream=stream, previous_response_id=asked.id)
            assert done.output_text.startswith("Result: ")
            await wires.say("yes" if yes else "no", user="grace", stream=stream)
    assert paid == ([3, 3] if yes else [])


@pytest.mark.requirement("workflows.requests")
async def test_a_background_response_asks_and_is_answered(hosted, workflows, tmp_path, settled) -> None:
    async with hosted(workflows.clerk(bool), state_dir=tmp_path) as wires:
        asked = await settled(wires, await wires.respond("tea", background=True))
        [question] = asked.output
        answer = [approval(question, True)]
        done = await wires.respond(answer, background=True, previous_response_id=asked.id)
        assert (await settled(wires, done)).output_text == "tea: True"
