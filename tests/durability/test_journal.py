"""What is accepted comes to a visible end: events once, recovery after a crash, previews, counters."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import pytest
from agent_framework import AgentResponse, AgentResponseUpdate, Content, Message, ResponseStream

from agent_framework_hosting import (
    Accepted,
    AllowlistDecision,
    CallableAllowlist,
    Channel,
    ChannelContribution,
    ChannelIdentity,
    ChannelRequest,
    Duplicate,
    HostedRunResult,
    IsolationKeys,
    LiveReply,
    ResponseTarget,
    get_current_isolation_keys,
    hookimpl,
    reset_current_isolation_keys,
    result_text,
    set_current_isolation_keys,
)
from agent_framework_hosting.testing import EchoAgent, InboxChannel

pytestmark = pytest.mark.anyio

INTERRUPTED = "Sorry, I was interrupted while I worked on your last message. Please send it again."


class Gate:
    """Hold turns whose text begins with ``hold``."""

    def __init__(self) -> None:
        self.begun, self.open = asyncio.Event(), asyncio.Event()

    async def __call__(self, text: str) -> None:
        if text.startswith("hold"):
            self.begun.set()
            await self.open.wait()


# Events


@pytest.mark.requirement("journal.once")
async def test_an_event_runs_once_whoever_repeats_it_and_however_often(make_world) -> None:
    agent = EchoAgent()
    async with make_world(agent) as world:
        first = await asyncio.gather(*(world.say("hello", event_id="e1") for _ in range(8)))
        again = await world.say("hello", event_id="e1", later=True)
        other = await world.say("hello", event_id="e1", channel="second")
    async with make_world(agent) as world:
        after = await world.say("hello", event_id="e1")
        counts = await world.settled()
    assert sorted(answer["outcome"] for answer in first) == ["duplicate"] * 7 + ["reply"]
    assert (again["outcome"], after["outcome"], other["outcome"]) == ("duplicate", "duplicate", "reply")
    assert agent.texts == ["hello", "hello"]
    assert counts["accepted"] == 0


@pytest.mark.requirement("journal.once")
async def test_a_refused_or_busy_event_may_come_again(make_world) -> None:
    allowed: set[str] = set()

    def judge(context) -> AllowlistDecision:
        return AllowlistDecision.ALLOW if context.identity.native_id in allowed else AllowlistDecision.DENY

    async with make_world(default_allowlist=CallableAllowlist(judge)) as world:
        refused = await world.say("hello", event_id="e1")
        allowed.add("alice")
        answered = await world.say("hello", event_id="e1")
    assert (refused["outcome"], answered["outcome"]) == ("denied", "reply")


# After a crash


@pytest.mark.requirement("journal.recovery")
async def test_what_had_not_started_runs_after_a_crash_in_order_and_what_was_cut_off_is_apologised_for(
    make_world, platform
) -> None:
    gate, agent = Gate(), EchoAgent()
    async with make_world(EchoAgent(gate)) as world:
        for number in range(3):
            await world.say(f"hold {number}", later=True, event_id=str(number))
        await gate.begun.wait()
        left = world.as_a_crash_would_leave_it()
        gate.open.set()
        await world.settled()
    platform.posts.clear()
    async with make_world(agent, root=left) as world:
        counts = await world.settled()
        again = await world.say("hold 1", later=True, event_id="1")
    assert agent.texts == ["hold 1", "hold 2"]
    assert platform.texts("echo/alice") == [INTERRUPTED, *finals(platform)]
    assert [text[-6:] for text in finals(platform)] == ["hold 1", "hold 2"]
    assert (counts["accepted"], counts["answered"], counts["failed"]) == (3, 2, 1)
    assert again["outcome"] == "duplicate"


def finals(platform) -> list[str]:
    return [post.text for post in platform.posts if post.body["state"] == "final" and post.text != INTERRUPTED]


@pytest.mark.requirement("journal.recovery")
async def test_rerun_runs_it_again_and_gives_up_after_three(make_world, platform) -> None:
    left, settings = None, {"on_interrupted": "rerun"}
    for round_ in range(3):
        gate = Gate()
        async with make_world(EchoAgent(gate), settings=settings, root=left) as world:
            if round_ == 0:
                await world.say("hold", later=True)
            await gate.begun.wait()
            left = world.as_a_crash_would_leave_it()
            gate.open.set()
            await world.settled()
    platform.posts.clear()
    agent = EchoAgent()
    async with make_world(agent, settings=settings, root=left) as world:
        counts = await world.settled()
    assert (agent.texts, platform.texts("echo/alice")) == ([], [INTERRUPTED])
    assert (counts["accepted"], counts["failed"]) == (1, 1)


@pytest.mark.requirement("journal.recovery")
async def test_recovery_asks_the_gate_again(make_world, platform) -> None:
    gate, agent = Gate(), EchoAgent()
    async with make_world(EchoAgent(gate)) as world:
        await world.say("hold 1", later=True)
        await gate.begun.wait()
        await world.say("hold 2", later=True)
        left = world.as_a_crash_would_leave_it()
        gate.open.set()
        await world.settled()
    platform.posts.clear()
    nobody = CallableAllowlist(lambda _: AllowlistDecision.DENY)
    async with make_world(agent, root=left, default_allowlist=nobody) as world:
        counts = await world.settled()
    assert agent.texts == []
    assert set(platform.texts("echo/alice")) == {"You are not allowed to talk to this agent."}
    assert (counts["accepted"], counts["answered"], counts["failed"]) == (2, 0, 2)


@pytest.mark.requirement("journal.recovery")
async def test_what_is_older_comes_first_after_a_crash_whoever_writes_while_the_host_starts(
    make_world, platform
) -> None:
    gate, agent = Gate(), EchoAgent()

    class Poller(Channel):
        name, path = "poller", "/poller"

        def __init__(self) -> None:
            self.outcome: object = None

        @hookimpl
        def contribute_routes(self, context):
            async def poll() -> None:
                while not isinstance(self.outcome, Accepted):
                    self.outcome = await context.admit(self.update())
                    await asyncio.sleep(0)

            def start() -> None:
                self.task = asyncio.create_task(poll())

            return ChannelContribution(on_startup=[start])

        def update(self) -> ChannelRequest:
            who = ChannelIdentity("poller", "alice", {"callback": platform.at("echo/alice")})
            return ChannelRequest("poller", "message.create", "newest", identity=who, event_id="n")

        @hookimpl
        def push(self, identity: ChannelIdentity, payload: HostedRunResult) -> None: ...

    async def person(_: ChannelIdentity) -> str:
        return "alice"

    async with make_world(EchoAgent(gate), identity_resolver=person) as world:
        for number in range(4):
            await world.say(f"hold {number}", later=True)
        await gate.begun.wait()
        left = world.as_a_crash_would_leave_it()
        gate.open.set()
        await world.settled()
    poller = Poller()
    async with make_world(agent, root=left, identity_resolver=person, channels=[poller]) as world:
        await poller.task
        await world.settled()
    assert agent.texts == ["hold 1", "hold 2", "hold 3", "newest"]


@pytest.mark.requirement("journal.recovery")
async def test_a_wire_that_goes_away_before_its_turn_is_answered_by_push(make_world, platform) -> None:
    gate = Gate()
    async with make_world(EchoAgent(gate)) as world:
        running = asyncio.create_task(world.say("hold", event_id="1"))
        await gate.begun.wait()
        waiting = asyncio.create_task(world.say("patient", event_id="2"))
        async with asyncio.timeout(5):
            while (await world.readiness())["turns"]["accepted"] < 2:
                await asyncio.sleep(0)
        waiting.cancel()
        running.cancel()
        await asyncio.wait([waiting, running])
        assert sorted(await platform.wait_for("echo/alice", 2)) == ["1: patient", INTERRUPTED]
        counts = await world.settled()
        again = await world.say("patient", event_id="2")
    assert (counts["accepted"], counts["answered"], counts["failed"]) == (2, 1, 1)
    assert again["outcome"] == "duplicate"


@pytest.mark.requirement("journal.counters")
async def test_counters_meet_when_nothing_is_under_way(make_world) -> None:
    async def fail(text: str) -> None:
        if text == "fail":
            raise RuntimeError("no")

    async with make_world(EchoAgent(fail), durable=False) as world:
        await world.say("one")
        await world.say("fail")
        await world.say("two", later=True)
        await world.say("fail", later=True, event_id="x")
        await world.say("fail", later=True, event_id="x")
        gone = asyncio.create_task(world.say("three"))
        gone.cancel()
        await asyncio.wait([gone])
        counts = await world.settled()
    assert (counts["accepted"], counts["answered"], counts["failed"], counts["open"]) == (4, 2, 2, 0)


@pytest.mark.requirement("journal.recovery")
async def test_messages_gathered_into_one_turn_share_its_one_apology(make_world) -> None:
    class Album(InboxChannel):
        """A platform that sends albums picture by picture."""

        def settle(self, request: ChannelRequest) -> float:
            return 0.02

        def merge(self, requests: Sequence[ChannelRequest]) -> ChannelRequest:
            return replace(requests[0], input=" ".join(str(each.input) for each in requests))

    gate, album, later = Gate(), Album(), Album()
    async with make_world(EchoAgent(gate), channels=[album]) as world:
        for number in range(3):
            await album.context.admit(to_inbox(f"hold {number}", event_id=str(number)))
        await gate.begun.wait()
        left = world.as_a_crash_would_leave_it()
        gate.open.set()
        assert await album.wait_for(1) == [("alice", "1: hold 0 hold 1 hold 2")]
        counts = await world.settled()
    async with make_world(channels=[later], root=left) as world:
        after = await world.settled()
    assert later.inbox == [("alice", INTERRUPTED)]
    assert (counts["accepted"], counts["answered"]) == (3, 3)
    assert (after["accepted"], after["failed"]) == (3, 3)


@pytest.mark.requirement("journal.recovery")
async def test_a_recovered_turn_sees_the_partition_hints_of_its_request(make_world) -> None:
    gate, seen = Gate(), []

    async def look(_: str) -> None:
        seen.append(get_current_isolation_keys())

    async with make_world(EchoAgent(gate)) as world:
        await world.say("hold", user="ann", later=True)
        await gate.begun.wait()
        token = set_current_isolation_keys(IsolationKeys("tenant-7", "room"))
        await world.host.run_in_background(world.request("waits", user="ann"))
        reset_current_isolation_keys(token)
        left = world.as_a_crash_would_leave_it()
        gate.open.set()
        await world.settled()
    async with make_world(EchoAgent(look), root=left) as world:
        await world.settled()
    assert seen == [IsolationKeys("tenant-7", "room")]


@pytest.mark.requirement("journal.recovery")
async def test_without_state_a_host_that_closes_says_so(make_world) -> None:
    gate, inbox = Gate(), InboxChannel()
    async with make_world(EchoAgent(gate), channels=[inbox], durable=False):
        await inbox.context.admit(to_inbox("hold"))
        await gate.begun.wait()
    assert inbox.inbox == [("alice", INTERRUPTED)]


# Work in progress


class Live(LiveReply):
    def __init__(self, channel: LiveChannel) -> None:
        self.channel = channel

    async def update(self, text: str) -> None:
        self.channel.seen.append(("update", text))
        self.channel.shown.set()
        if self.channel.trouble == "fails":
            raise RuntimeError("preview")
        if self.channel.trouble == "hangs":
            await asyncio.Event().wait()

    async def finish(self, result: HostedRunResult) -> str | None:
        if self.channel.failures:
            raise self.channel.failures.pop(0)
        self.channel.seen.append(("finish", result_text(result)))
        return "receipt"

    async def fail(self, reason: str) -> None:
        self.channel.seen.append(("fail", reason))


class Writer(EchoAgent):
    """Write a word, wait until it was shown, write the rest."""

    def __init__(self, channel: LiveChannel) -> None:
        super().__init__()
        self.channel = channel

    def run(self, messages=None, *, stream=False, session=None, **_):
        return ResponseStream(self.pieces(), finalizer=AgentResponse.from_updates) if stream else self.whole()

    async def whole(self) -> AgentResponse:
        return AgentResponse(messages=[Message("assistant", ["one two"])])

    async def pieces(self) -> AsyncIterator[AgentResponseUpdate]:
        yield AgentResponseUpdate(contents=[Content.from_text("one")], role="assistant")
        await self.channel.shown.wait()
        yield AgentResponseUpdate(contents=[Content.from_text(" two")], role="assistant")


class LiveChannel(InboxChannel):
    """A channel that shows answers while they are written."""

    def __init__(self, trouble: str = "") -> None:
        super().__init__()
        self.trouble = trouble
        self.seen: list[tuple[str, str]] = []
        self.shown = asyncio.Event()

    def live_reply(self, request: ChannelRequest) -> LiveReply | None:
        if self.trouble == "cannot be made":
            self.shown.set()
            raise RuntimeError("no preview")
        return Live(self)

    @property
    def finals(self) -> Sequence[tuple[str, str]]:
        return [each for each in self.seen if each[0] != "update"]


def to_inbox(text: str, **fields: object) -> ChannelRequest:
    return ChannelRequest("inbox", "message.create", text, identity=ChannelIdentity("inbox", "alice"), **fields)


@pytest.mark.requirement("journal.live")
async def test_finish_is_the_delivery_and_there_is_one(make_world) -> None:
    channel = LiveChannel()
    channel.failures = [ConnectionRefusedError("first try")]
    async with make_world(Writer(channel), channels=[channel]) as world:
        await channel.context.admit(to_inbox("go"))
        counts = await world.settled()
    assert channel.finals == [("finish", "one two")]
    assert channel.seen[0] == ("update", "one")
    assert (channel.inbox, counts["succeeded"]) == ([], 1)


@pytest.mark.requirement("journal.live")
@pytest.mark.parametrize("trouble", ["fails", "cannot be made", "hangs"])
async def test_a_preview_in_trouble_never_endangers_the_answer(make_world, trouble: str) -> None:
    channel = LiveChannel(trouble)
    async with make_world(Writer(channel), channels=[channel]) as world:
        await channel.context.admit(to_inbox("go"))
        counts = await world.settled()
    delivered = [text for kind, text in channel.finals] + [text for _, text in channel.inbox]
    assert delivered == ["one two"]
    assert counts["answered"] == 1


@pytest.mark.requirement("journal.live")
async def test_a_failed_turn_ends_its_preview_with_a_reason(make_world) -> None:
    async def fail(_: str) -> None:
        raise RuntimeError("the reason for the log")

    channel = LiveChannel()
    async with make_world(EchoAgent(fail), channels=[channel]) as world:
        await channel.context.admit(to_inbox("a"))
        await world.settled()
    assert channel.finals == [("fail", "Sorry, something went wrong while I worked on your message. Please try again.")]


@pytest.mark.requirement("journal.live")
async def test_after_a_restart_the_answer_is_pushed(make_world) -> None:
    channel = LiveChannel()
    channel.failures = [ConnectionRefusedError("not now")]
    gate = asyncio.Event()

    class Slow(LiveChannel):
        def live_reply(self, request: ChannelRequest) -> LiveReply | None:
            outer = self

            class Stuck(Live):
                async def finish(self, result: HostedRunResult) -> str | None:
                    outer.seen.append(("finish", "begun"))
                    gate.set()
                    await asyncio.Event().wait()
                    return None

            return Stuck(self)

    stuck, fresh = Slow(), LiveChannel()
    async with make_world(channels=[stuck]) as world:
        await stuck.context.admit(to_inbox("a b"))
        await gate.wait()
        left = world.as_a_crash_would_leave_it()
    async with make_world(channels=[fresh], root=left):
        assert await fresh.wait_for(1) == [("alice", "1: a b")]
    assert fresh.finals == []


@pytest.mark.requirement("journal.live")
async def test_an_answer_that_cannot_be_stored_is_apologised_for_at_the_origin(make_world) -> None:
    class OddAgent(EchoAgent):
        async def _whole(self, messages: object, session: object) -> AgentResponse:
            return AgentResponse(messages=[Message("assistant", ["x"], additional_properties={"odd": object()})])

        def run(self, messages=None, *, stream=False, session=None, **_):
            return self._whole(messages, session)

    inbox = InboxChannel()
    async with make_world(OddAgent(), channels=[inbox]) as world:
        await inbox.context.admit(to_inbox("hi"))
        counts = await world.settled()
    assert [text for _, text in inbox.inbox] == [
        "Sorry, something went wrong while I worked on your message. Please try again."
    ]
    assert (counts["answered"], counts["failed"]) == (0, 1)


@pytest.mark.requirement("journal.once")
async def test_what_cannot_be_journaled_is_refused_and_holds_nothing(make_world) -> None:
    inbox = InboxChannel()
    async with make_world(channels=[inbox]) as world:
        refused = await inbox.context.admit(to_inbox("hi", attributes={"odd": object()}, event_id="1"))
        taken = await inbox.context.admit(to_inbox("hi", event_id="1"))
        again = await inbox.context.admit(to_inbox("hi", event_id="1"))
        await inbox.wait_for(1)
        counts = await world.settled()
    assert refused.to_public_dict()["outcome"] == "failed"
    assert isinstance(taken, Accepted)
    assert isinstance(again, Duplicate)
    assert counts["accepted"] == 1


@pytest.mark.requirement("journal.live")
async def test_what_goes_elsewhere_too_is_not_the_preview_s(make_world) -> None:
    async def one_person(_: ChannelIdentity) -> str:
        return "person"

    channel = LiveChannel()
    channel.shown.set()
    async with make_world(Writer(channel), channels=[channel], identity_resolver=one_person) as world:
        await world.say("first", channel="second")
        target = ResponseTarget.channels(["originating", "second"])
        await channel.context.admit(to_inbox("go", response_target=target))
        assert await world.platform.wait_for("second/alice", 1) == ["one two"]
        await world.settled()
    assert channel.finals == [("finish", "one two")]
    assert channel.inbox == []
