"""agent-framework's own OpenAI client against the host: an agent here whose model is an agent there."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from agent_framework import (
    Agent,
    AgentResponse,
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
from agent_framework.openai import OpenAIChatClient
from pydantic import BaseModel

pytestmark = pytest.mark.anyio

both_ways = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])


class _Model(BaseChatClient):
    def __init__(self, *, turns: Sequence[Sequence[Content]] = (), **options: Any) -> None:
        super().__init__(**options)
        self.turns = list(turns)
        self.calls: list[list[Message]] = []
        self.options: list[Any] = []

    def _inner_get_response(self, *, messages: Sequence[Message], stream: bool, options: Any, **_: Any):
        self.calls.append(list(messages))
        self.options.append(options)
        heard = " | ".join(message.text for message in messages if message.role == "user")
        contents = self.turns.pop(0) if self.turns else [Content.from_text(heard)]
        name = f"m{len(self.calls)}"

        async def whole() -> ChatResponse:
            return ChatResponse(messages=[Message("assistant", list(contents), message_id=name)])

        async def pieces():
            for content in contents:
                for piece in _pieces(content):
                    yield ChatResponseUpdate(contents=[piece], role="assistant", message_id=name)

        return self._build_response_stream(pieces()) if stream else whole()


class Model(FunctionInvocationLayer, _Model):
    """Answer each call with the next turn, then with what was heard; runs the host's own tools as any model's."""


def _pieces(content: Content) -> list[Content]:
    if content.type == "text" and content.text:
        return [Content.from_text(content.text[start : start + 3]) for start in range(0, len(content.text), 3)]
    return [content]


def call(name: str, call_id: str, **arguments: object) -> Content:
    return Content.from_function_call(call_id, name, arguments=json.dumps(arguments))


def there(*turns: Sequence[Content], **options: object) -> Agent:
    """Return the hosted agent."""
    return Agent(client=Model(turns=turns), name="there", **options)


async def here(wires, **options: object) -> Agent:
    """Return the agent whose model is the host."""
    client = OpenAIChatClient(model="there", async_client=await wires.client())
    return Agent(client=client, name="here", **options)


async def run(agent: Agent, said: object, *, stream: bool, **options: object) -> AgentResponse:
    if not stream:
        return await agent.run(said, **options)
    updates = agent.run(said, stream=True, **options)
    async for _ in updates:
        pass
    return await updates.get_final_response()


def seen_by(agent: Agent, turn: int) -> list[tuple[str, list[str]]]:
    """Return roles and content types of what the hosted model was asked in one of its calls."""
    return [(message.role, [one.type for one in message.contents]) for message in agent.client.calls[turn]]


@pytest.fixture
def weather() -> tuple[Callable[..., str], list[str]]:
    asked: list[str] = []

    def get_weather(city: str) -> str:
        """Tell the weather of a city."""
        asked.append(city)
        return f"{city}: sunny"

    return get_weather, asked


@both_ways
@pytest.mark.requirement("clients.agent-framework")
async def test_a_session_here_is_a_conversation_there(hosted, stream) -> None:
    async with hosted(there()) as wires:
        agent = await here(wires)
        session = agent.create_session()
        answers = [await run(agent, said, stream=stream, session=session) for said in ("one", "two", "three")]
        assert [answer.text for answer in answers] == ["one", "one | two", "one | two | three"]
        assert (await run(agent, "four", stream=stream)).text == "four"


@both_ways
@pytest.mark.requirement("clients.agent-framework")
async def test_a_tool_of_the_client_is_run_here(hosted, weather, stream) -> None:
    get_weather, asked = weather
    model = there([call("get_weather", "c1", city="Oslo")], [Content.from_text("It is sunny.")])
    async with hosted(model) as wires:
        answer = await run(await here(wires, tools=[get_weather]), "How is Oslo?", stream=stream)
    assert (answer.text, asked) == ("It is sunny.", ["Oslo"])
    assert seen_by(model, 1) == [
        ("user", ["text"]),
        ("assistant", ["function_call"]),
        ("tool", ["function_result"]),
    ]
    assert model.client.calls[1][2].contents[0].result == "Oslo: sunny"


@both_ways
@pytest.mark.requirement("clients.agent-framework")
async def test_parallel_calls_and_several_rounds(hosted, weather, stream) -> None:
    get_weather, asked = weather
    model = there(
        [call("get_weather", "c1", city="Oslo"), call("get_weather", "c2", city="Rome")],
        [Content.from_text("Let me see."), call("get_weather", "c3", city="Bonn")],
        [Content.from_text("All sunny.")],
    )
    async with hosted(model) as wires:
        agent = await here(wires, tools=[get_weather])
        session = agent.create_session()
        answer = await run(agent, "How are they?", stream=stream, session=session)
        assert sorted(asked) == ["Bonn", "Oslo", "Rome"]
        assert answer.text.endswith("All sunny.")
        again = await run(agent, "Thanks.", stream=stream, session=session)
    assert again.text == "How are they? | Thanks."


@both_ways
@pytest.mark.requirement("clients.agent-framework")
async def test_the_hosts_own_tools_stay_there(hosted, weather, stream) -> None:
    get_weather, asked = weather
    ran: list[str] = []

    def secret_lookup(what: str) -> str:
        """Look it up inside."""
        ran.append(what)
        return "inside"

    model = there(
        [call("secret_lookup", "h1", what="a"), call("get_weather", "c1", city="Oslo")],
        [Content.from_text("Done.")],
        tools=[secret_lookup],
    )
    async with hosted(model) as wires:
        answer = await run(await here(wires, tools=[get_weather]), "go", stream=stream)
    assert (answer.text, asked, ran) == ("Done.", ["Oslo"], ["a"])
    calls = [one.name for message in answer.messages for one in message.contents if one.type == "function_call"]
    assert calls == ["get_weather"]


@both_ways
@pytest.mark.requirement("clients.agent-framework")
async def test_a_client_that_stores_nothing_there(hosted, weather, stream) -> None:
    get_weather, asked = weather
    model = there([call("get_weather", "c1", city="Oslo")], [Content.from_text("Sunny.")])
    async with hosted(model) as wires:
        agent = await here(wires, tools=[get_weather], default_options={"store": False})
        session = agent.create_session()
        answer = await run(agent, "How is Oslo?", stream=stream, session=session)
        assert (answer.text, asked) == ("Sunny.", ["Oslo"])
        assert (await run(agent, "Thanks.", stream=stream, session=session)).text == "How is Oslo? | Thanks."


class Verdict(BaseModel):
    good: bool
    why: str


@both_ways
@pytest.mark.requirement("clients.agent-framework")
async def test_an_answer_in_a_shape_of_the_client(hosted, stream) -> None:
    model = there([Content.from_text('{"good": true, "why": "sun"}')])
    async with hosted(model) as wires:
        answer = await run(await here(wires), "Is it?", stream=stream, options={"response_format": Verdict})
    assert answer.value == Verdict(good=True, why="sun")


@both_ways
@pytest.mark.requirement("clients.agent-framework")
@pytest.mark.parametrize("approved", [True, False])
async def test_an_approval_asked_there_is_given_here(hosted, approved, stream) -> None:
    paid: list[int] = []

    @tool(approval_mode="always_require")
    def pay(amount: int) -> str:
        """Pay."""
        paid.append(amount)
        return "paid"

    model = there([call("pay", "p1", amount=3)], [Content.from_text("Settled.")], tools=[pay])
    async with hosted(model) as wires:
        agent = await here(wires)
        session = agent.create_session()
        asked = await run(agent, "Pay 3.", stream=stream, session=session)
        [request] = asked.user_input_requests
        assert (request.type, paid) == ("function_approval_request", [])
        answer = Message("user", [request.to_function_approval_response(approved)])
        done = await run(agent, answer, stream=stream, session=session)
    assert (done.text, paid) == ("Settled.", [3] if approved else [])


@both_ways
@pytest.mark.requirement("clients.agent-framework")
async def test_a_workflow_there_asks_an_agent_here(hosted, workflows_clerk, stream) -> None:
    async with hosted(workflows_clerk) as wires:
        agent = await here(wires)
        session = agent.create_session()
        asked = await run(agent, "the cake", stream=stream, session=session)
        [request] = asked.user_input_requests
        answer = Message("user", [request.to_function_approval_response(True)])
        assert (await run(agent, answer, stream=stream, session=session)).text == "the cake: True"


@both_ways
async def test_pictures_arrive_as_pictures(hosted, stream) -> None:
    picture = Content.from_uri("data:image/png;base64,iVBORw0KGgo=", media_type="image/png")

    @executor(id="start")
    async def start(text: str, ctx: WorkflowContext[None, Content]) -> None:
        await ctx.yield_output(picture)

    async with hosted(lambda: WorkflowBuilder(start_executor=start).build()) as wires:
        answer = await run(await here(wires), "draw", stream=stream)
    shown = [one for message in answer.messages for one in message.contents]
    assert [one.type for one in shown][-1] == "image_generation_tool_result"
    assert shown[-1].outputs.uri == picture.uri


@both_ways
async def test_instructions_of_a_client_are_the_hosts_to_take(hosted, stream) -> None:
    for allowed in (False, True):
        model = there()
        options = {"allow_instructions": allowed, "allow_system_messages": allowed}
        async with hosted(model, responses=options) as wires:
            await run(await here(wires, instructions="Be rude."), "Hi.", stream=stream)
        told = "Be rude." in repr([[one.text for one in model.client.calls[0]], model.client.options[0]])
        assert told is allowed


@both_ways
async def test_an_error_there_is_an_error_here(hosted, stream) -> None:
    def broken(**_: object):
        raise LookupError("the-secret-reason")

    class Broken(Model):
        def _inner_get_response(self, **options: Any):
            return broken(**options)

    async with hosted(Agent(client=Broken(), name="there")) as wires:
        with pytest.raises(Exception, match="agent failed") as told:
            await run(await here(wires), "go", stream=stream)
    assert "the-secret-reason" not in str(told.value)
