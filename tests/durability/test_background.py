"""Background runs and proactive deliveries: followed by a token, delivered, remembered, and there after a restart."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable

import pytest
from agent_framework import (
    Agent,
    AgentResponse,
    BaseChatClient,
    ChatResponse,
    Message,
    WorkflowBuilder,
    WorkflowContext,
    executor,
)

from agent_framework_hosting import (
    AgentFrameworkHost,
    AllowlistDecision,
    AuthorizationError,
    CallableAllowlist,
    Channel,
    ChannelIdentity,
    ChannelRequest,
    ContinuationToken,
    ResponseTarget,
    TaskStatus,
    result_text,
)
from agent_framework_hosting.testing import EchoAgent, InboxChannel

pytestmark = pytest.mark.anyio
INTERRUPTED = "Sorry, I was interrupted while I worked on your last message. Please send it again."


class Gate:
    def __init__(self) -> None:
        self.begun, self.open = asyncio.Event(), asyncio.Event()

    async def __call__(self, text: str) -> None:
        self.begun.set()
        await self.open.wait()


class Wireless(Channel):
    """A channel that cannot push: its background runs are asked after."""

    name, path = "wireless", "/wireless"


def ask(text: str, channel: str = "wireless", **fields: object) -> ChannelRequest:
    return ChannelRequest(channel, "message.create", text, identity=ChannelIdentity(channel, "alice"), **fields)


async def ended(world, token: ContinuationToken) -> ContinuationToken:
    await world.settled()
    found = await world.host.get_continuation(token)
    assert found is not None
    return found


@pytest.mark.requirement("background.states")
async def test_a_run_is_queued_then_running_then_completed(make_world) -> None:
    gates = {"ahead": Gate(), "one": Gate()}

    async def hold(text: str) -> None:
        await gates[text](text)

    async with make_world(EchoAgent(hold), channels=[Wireless()]) as world, asyncio.timeout(20):
        await world.host.run_in_background(ask("ahead"))
        await gates["ahead"].begun.wait()
        token = await world.host.run_in_background(ask("one"))  # the lane is taken, so it must wait
        queued = await world.host.get_continuation(token)
        gates["ahead"].open.set()
        await gates["one"].begun.wait()
        running = await world.host.get_continuation(token)
        gates["one"].open.set()
        done = await ended(world, token)
        assert await world.host.get_continuation("no-such-token") is None
        assert await world.host.get_continuation(token.token) == done
    assert re.fullmatch(r"[A-Za-z0-9_-]{20,}", token.token)
    assert token == queued
    assert [each.status for each in (queued, running, done)] == ["queued", "running", "completed"]
    assert done.error is None
    assert done.completed_at >= done.created_at == token.created_at
    assert AgentResponse.from_dict(done.result).text == "2: one"


@pytest.mark.requirement("background.states")
async def test_a_failed_run_says_so_without_the_exceptions_text(make_world) -> None:
    async def fail(_: str) -> None:
        raise RuntimeError("the secret reason")

    async with make_world(EchoAgent(fail), channels=[Wireless()]) as world:
        failed = await ended(world, await world.host.run_in_background(ask("one")))
    assert (failed.status, failed.result) == ("failed", None)
    assert failed.error
    assert "secret" not in failed.error


@pytest.mark.requirement("background.states")
async def test_a_refused_speaker_gets_no_token(make_world) -> None:
    nobody = CallableAllowlist(lambda _: AllowlistDecision.DENY)
    async with make_world(channels=[Wireless()], default_allowlist=nobody) as world:
        with pytest.raises(AuthorizationError):
            await world.host.run_in_background(ask("one"))


@pytest.mark.requirement("background.delivery")
async def test_the_result_also_goes_where_the_request_says(make_world) -> None:
    inbox = InboxChannel()
    async with make_world(channels=[inbox]) as world:
        to_bob = ResponseTarget.identity(ChannelIdentity("inbox", "bob"))
        outcome = await inbox.context.dispatch(ask("home", "inbox", background=True))
        token = await world.host.run_in_background(ask("away", "inbox", response_target=to_bob))
        done = await ended(world, token)
        first = await world.host.get_continuation(outcome.token)
    assert outcome.to_public_dict().keys() == {"outcome", "id", "token"}
    assert sorted(inbox.inbox) == [("alice", "1: home"), ("bob", "2: away")]
    assert (first.status, done.status) == ("completed", "completed")


@pytest.mark.requirement("background.restart")
@pytest.mark.parametrize(("choice", "statuses"), [("apologise", ["failed", "completed"]), ("rerun", ["completed"] * 2)])
async def test_runs_survive_a_restart(make_world, choice: str, statuses: list[str]) -> None:
    gate, agent = Gate(), EchoAgent()
    settings = {"on_interrupted": choice}
    async with make_world(EchoAgent(gate), channels=[Wireless()], settings=settings) as world:
        done = [await world.host.run_in_background(ask(text)) for text in ("one", "two")]
        await gate.begun.wait()
        left = world.as_a_crash_would_leave_it()
        gate.open.set()
        await world.settled()
    async with make_world(agent, channels=[Wireless()], settings=settings, root=left) as world:
        found = [await ended(world, token) for token in done]
    async with make_world(agent, channels=[Wireless()], root=left) as world:
        again = [await world.host.get_continuation(token) for token in done]
    assert [each.status for each in found] == statuses
    assert found[0].error == (INTERRUPTED if choice == "apologise" else None)
    assert agent.texts == ["one", "two"][-len([s for s in statuses if s == "completed"]) :]
    assert again == found


@pytest.mark.requirement("background.states")
async def test_a_workflows_result_carries_outputs_and_state(make_world) -> None:
    @executor(id="shout")
    async def shout(text: str, context: WorkflowContext[None, str]) -> None:
        await context.yield_output(text.upper())

    async with make_world(lambda: WorkflowBuilder(start_executor=shout).build(), channels=[Wireless()]) as world:
        done = await ended(world, await world.host.run_in_background(ask("hello")))
    assert done.result["state"] == "IDLE"
    assert [output["value"] for output in done.result["outputs"]] == [{"json": "HELLO"}]


# Proactive deliveries


class Recall(BaseChatClient):
    """A model that answers with everything it is shown."""

    def _inner_get_response(self, *, messages, stream, options, **_: object) -> Awaitable[ChatResponse] | AsyncIterator:
        async def answer() -> ChatResponse:
            return ChatResponse(messages=[Message("assistant", [" | ".join(each.text for each in messages)])])

        return answer()


async def person(_: ChannelIdentity) -> str:
    return "alice"


@pytest.mark.requirement("proactive.deliver")
async def test_application_code_reaches_a_person_where_they_are(make_world, platform) -> None:
    async with make_world(identity_resolver=person) as world:
        await world.say("hello")
        await world.say("hello", channel="second")
        active = await world.host.deliver("to the active one", ResponseTarget.active, isolation_key="alice")
        named = await world.host.deliver("by name", ResponseTarget.channel("echo"), isolation_key="alice")
        both = await world.host.deliver("everywhere", ResponseTarget.all_linked, isolation_key="alice")
        await world.settled()
        statuses = [await world.host.durable_task_runner.get(handle) for handle in (*active, *named, *both)]
    assert platform.texts("second/alice") == ["to the active one", "everywhere"]
    assert platform.texts("echo/alice") == ["by name", "everywhere"]
    assert statuses == [TaskStatus.SUCCEEDED] * 4


@pytest.mark.requirement("proactive.deliver")
async def test_whoever_cannot_be_reached_is_an_error_that_says_why(make_world) -> None:
    async with make_world() as world:
        with pytest.raises(ValueError, match="isolation_key"):
            await world.host.deliver("x", ResponseTarget.active)
        with pytest.raises(ValueError, match="nowhere: unknown_channel"):
            await world.host.deliver("x", ResponseTarget.channel("nowhere"), isolation_key="alice")
        with pytest.raises(ValueError, match="echo: unknown_address"):
            await world.host.deliver("x", ResponseTarget.channel("echo"), isolation_key="alice")


@pytest.mark.requirement("proactive.remember")
@pytest.mark.parametrize("remember", [True, False])
async def test_what_is_sent_is_part_of_the_conversation_when_asked(make_world, remember: bool) -> None:
    agent = Agent(client=Recall(), name="recall")
    async with make_world(agent, identity_resolver=person) as world:
        await world.say("one")
        await world.host.deliver(
            "your parcel is here", ResponseTarget.channel("echo"), isolation_key="alice", remember=remember
        )
        answer = await world.say("two")
    parts = ["one", "one", "your parcel is here", "two"] if remember else ["one", "one", "two"]
    assert answer["text"] == " | ".join(parts)


@pytest.mark.requirement("proactive.outside")
@pytest.mark.parametrize("durable", [True, False])
async def test_a_host_that_was_never_started_delivers_too(make_world, tmp_path, platform, durable: bool) -> None:
    inbox = InboxChannel()
    state = tmp_path / "own" if durable else None
    host = AgentFrameworkHost(EchoAgent(), channels=[inbox], config={}, state_dir=state)
    await host.deliver("hello", ResponseTarget.identity(ChannelIdentity("inbox", "bob")))
    assert await inbox.wait_for(1) == [("bob", "hello")]
    await host.close()
    with pytest.raises(RuntimeError, match="closed"):
        await host.deliver("again", ResponseTarget.identity(ChannelIdentity("inbox", "bob")))
    async with host:
        await host.deliver("again", ResponseTarget.identity(ChannelIdentity("inbox", "bob")))
        assert await inbox.wait_for(2) == [("bob", "hello"), ("bob", "again")]


@pytest.mark.requirement("targets.kinds")
async def test_the_parts_deliver_as_a_turn_does(make_world) -> None:
    inbox = InboxChannel()
    async with make_world(channels=[inbox]):
        here = ask("hi", "inbox")
        away = ask("hi", "inbox", response_target=ResponseTarget.identity(ChannelIdentity("inbox", "bob")))
        answer = await inbox.context.run(here)
        shown = [await inbox.context.deliver_response(request, answer) for request in (here, away)]
        assert await inbox.wait_for(1) == [("bob", result_text(answer))]
    assert shown == [True, False]
