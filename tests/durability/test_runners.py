"""Other people's runners, channels' own codecs, and what is refused before it is too late."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from agent_framework import AgentResponse, Content, Executor, Message, WorkflowBuilder, WorkflowContext, handler

from agent_framework_hosting import (
    AgentFrameworkHost,
    Channel,
    ChannelConfigurationError,
    ChannelIdentity,
    ChannelRequest,
    DurableTaskPayloadMode,
    HostedRunResult,
    InProcessTaskRunner,
    PushPayloadNotSerializable,
    ResponseTarget,
    RetryLater,
    RetryPolicy,
    TaskHandle,
    TaskStatus,
    hookimpl,
    result_text,
)
from agent_framework_hosting.state.memory import MemoryStore
from agent_framework_hosting.testing import EchoAgent, InboxChannel

pytestmark = pytest.mark.anyio
BOB = ChannelIdentity("inbox", "bob")


class Task:
    """One attempt, as any runner would hand it over."""

    def __init__(self, task_id: str, payload: Mapping[str, object]) -> None:
        self.task_id, self.payload, self.attempt, self.maybe_applied = task_id, payload, 1, False

    async def checkpoint(self, payload: Mapping[str, object]) -> None:
        await asyncio.sleep(0)
        self.payload = payload


class SmallRunner:
    """Somebody's own runner: it tries twice, at once; ``out_of_order`` makes it refuse work."""

    def __init__(self, payload_mode: DurableTaskPayloadMode) -> None:
        self.payload_mode = payload_mode
        self.handlers: dict[str, Callable[[Task], object]] = {}
        self.tasks: dict[str, Task] = {}
        self.done: dict[str, object] = {}
        self.out_of_order = False

    def register(self, name: str, handler: Callable[[Task], object]) -> None:
        self.handlers[name] = handler

    async def schedule(self, name: str, payload: Mapping[str, object], *, retry_policy=None) -> TaskHandle:
        if self.out_of_order:
            raise OSError("the queue does not answer")
        carried = json.loads(json.dumps(payload)) if self.payload_mode is DurableTaskPayloadMode.JSON else payload
        task = self.tasks[str(len(self.tasks))] = Task(str(len(self.tasks)), carried)
        for _ in range(2):
            try:
                self.done[task.task_id] = await self.handlers[name](task)
                break
            except ConnectionError:
                continue
        return TaskHandle(task.task_id, name)

    async def get(self, handle: TaskHandle) -> TaskStatus | None:
        return TaskStatus.SUCCEEDED if handle.task_id in self.done else None


def host_with(runner: SmallRunner, *channels: Channel, agent: object | None = None) -> AgentFrameworkHost:
    return AgentFrameworkHost(agent or EchoAgent(), channels=channels, config={}, durable_task_runner=runner)


def message(text: str, **fields: object) -> ChannelRequest:
    return ChannelRequest("inbox", "message.create", text, identity=ChannelIdentity("inbox", "alice"), **fields)


@pytest.mark.requirement("runners.shape")
@pytest.mark.parametrize("mode", list(DurableTaskPayloadMode))
async def test_any_runner_gets_one_shape_and_an_awaitable_checkpoint(mode: DurableTaskPayloadMode) -> None:
    runner, inbox = SmallRunner(mode), InboxChannel()
    to_bob = ResponseTarget.identity(BOB, echo_input=True)
    async with host_with(runner, inbox):
        await inbox.context.dispatch(message("hi", response_target=to_bob))
    payload = runner.tasks["0"].payload
    assert json.loads(json.dumps(payload)) == payload
    assert payload["destination"] == {"channel": "inbox", "native_id": "bob", "attributes": {}}
    assert payload["echo_done"] is True
    assert inbox.inbox == [("bob", "hi"), ("bob", "1: hi")]
    assert runner.done == {"0": "2"}


@pytest.mark.requirement("runners.shape")
async def test_a_retry_on_any_runner_does_not_echo_again() -> None:
    runner = SmallRunner(DurableTaskPayloadMode.JSON)

    class Once(InboxChannel):
        @hookimpl
        async def push(self, identity: ChannelIdentity, payload: HostedRunResult) -> str:
            if self.inbox and len(self.inbox) == 1:
                self.inbox.append(("platform", "refused"))
                raise ConnectionRefusedError
            self.inbox.append((identity.native_id, result_text(payload)))
            return "1"

    inbox = Once()
    async with host_with(runner, inbox):
        await inbox.context.dispatch(message("hi", response_target=ResponseTarget.identity(BOB, echo_input=True)))
    assert inbox.inbox == [("bob", "hi"), ("platform", "refused"), ("bob", "1: hi")]


@pytest.mark.requirement("targets.failures")
async def test_an_outage_of_the_runner_is_no_fallback() -> None:
    runner, inbox = SmallRunner(DurableTaskPayloadMode.JSON), InboxChannel()
    runner.out_of_order = True
    async with host_with(runner, inbox) as host:
        outcome = await inbox.context.dispatch(message("hi", response_target=ResponseTarget.identity(BOB)))
        with pytest.raises(OSError, match="does not answer"):
            await host.deliver("hi", ResponseTarget.identity(BOB))
    assert outcome.to_public_dict()["outcome"] == "accepted"
    assert inbox.inbox == []


class OfferingRunner(SmallRunner):
    """Somebody's own runner that keeps lanes, follows no other rule, and wants to be started and stopped."""

    in_process = False
    rules = frozenset({"lane"})

    def __init__(self) -> None:
        super().__init__(DurableTaskPayloadMode.JSON)
        self.told: list[str] = []
        self.given: dict[str, object] = {}

    def register(self, name: str, handler: Callable[[Task], object], **rules: object) -> None:
        super().register(name, handler)
        self.given = rules

    async def open(self) -> None:
        self.told.append("open")

    async def resume(self) -> int:
        self.told.append("resume")
        return 0

    async def shutdown(self, *, timeout: float | None = None) -> None:
        self.told.append("shutdown")


@pytest.mark.requirement("runners.shape")
async def test_a_runner_is_asked_for_what_it_offers_and_no_more() -> None:
    runner, inbox = OfferingRunner(), InboxChannel()
    async with host_with(runner, inbox):
        assert runner.told == ["open", "resume"]
        for name in ("bob", "bob", "carol"):
            to = ResponseTarget.identity(ChannelIdentity("inbox", name))
            await inbox.context.dispatch(message("hi", response_target=to))
    assert runner.told == ["open", "resume", "shutdown"]
    lane_of = runner.given.pop("lane")
    lanes = [lane_of(task.payload) for task in runner.tasks.values()]
    assert lanes[0] == lanes[1] != lanes[2]
    assert set(runner.given.values()) == {None}
    assert (
        AgentFrameworkHost(
            EchoAgent(),
            channels=[InboxChannel()],
            config={},
            durable_task_runner=OfferingRunner(),
            runtime_mode="ephemeral",
        ).runtime_mode
        == "ephemeral"
    )


@pytest.mark.requirement("runners.shape")
async def test_a_runner_with_a_place_of_its_own_carries_what_a_host_with_another_store_delivers(tmp_path: Path) -> None:
    runner, inbox, store = InProcessTaskRunner(state_dir=tmp_path), InboxChannel(), MemoryStore()
    host = AgentFrameworkHost(
        EchoAgent(), channels=[inbox], config={}, store=store, durable_task_runner=runner, runtime_mode="long_running"
    )
    async with host:
        await inbox.context.dispatch(message("hi", response_target=ResponseTarget.identity(BOB)))
        assert await inbox.wait_for(1) == [("bob", "1: hi")]
    assert not {table.name for table in runner.tables} & set(await store.tables())
    assert runner.counts()["succeeded"] == 1


class PlainCodec:
    """Keep texts only, in a form of its own."""

    async def encode(self, *, result, request, identity, echo_result):
        return {
            "v": 7,
            "says": result_text(result),
            "echo": None if echo_result is None else result_text(echo_result),
            "asked": None if request is None else request.input,
            "to": identity.native_id,
        }

    async def decode(self, envelope):
        def as_result(role: str, text: str) -> HostedRunResult:
            return HostedRunResult(AgentResponse(messages=[Message(role, [f"{text} (v{envelope['v']})"])]))

        echo = envelope["echo"]
        return as_result("assistant", envelope["says"]), None if echo is None else as_result("user", echo)


@pytest.mark.requirement("runners.codec")
async def test_a_channels_own_codec_carries_answer_and_echo() -> None:
    runner, inbox = SmallRunner(DurableTaskPayloadMode.JSON), InboxChannel()
    inbox.push_codec = PlainCodec()
    async with host_with(runner, inbox):
        await inbox.context.dispatch(message("hi", response_target=ResponseTarget.identity(BOB, echo_input=True)))
    assert inbox.inbox == [("bob", "hi (v7)"), ("bob", "1: hi (v7)")]
    assert runner.tasks["0"].payload["envelope"] == {"v": 7, "says": "1: hi", "echo": "hi", "asked": "hi", "to": "bob"}


@pytest.mark.requirement("runners.codec")
async def test_an_answer_with_pictures_comes_back_equal() -> None:
    picture = Content.from_uri("https://example.com/cat.png", media_type="image/png")
    sound = Content.from_data(b"\x00\x01", media_type="audio/wav")
    answer = AgentResponse(
        messages=[Message("assistant", ["look", picture, sound], additional_properties={"mood": ["calm", 1, None]})],
        response_id="r1",
        value={"structured": True},
    )
    seen: list[AgentResponse] = []

    class Watch(InboxChannel):
        @hookimpl
        def push(self, identity: ChannelIdentity, payload: HostedRunResult) -> None:
            seen.append(payload.result)

    async with host_with(SmallRunner(DurableTaskPayloadMode.JSON), Watch()) as host:
        await host.deliver(HostedRunResult(answer), ResponseTarget.identity(BOB))
    assert seen[0].to_dict() == answer.to_dict()


class Odd:
    """A value without a JSON form."""


class Yields(Executor):
    def __init__(self, value: object) -> None:
        super().__init__(id="yields")
        self.value = value

    @handler
    async def run(self, text: str, context: WorkflowContext[None, Odd]) -> None:
        await context.yield_output(self.value)


def odd_workflow():
    return WorkflowBuilder(start_executor=Yields(Odd())).build()


class Silent(Channel):
    name, path = "silent", "/silent"


@pytest.mark.requirement("runners.pairing")
def test_a_json_runner_needs_a_codec_for_what_json_cannot_carry() -> None:
    with pytest.raises(ChannelConfigurationError, match=r"'inbox'.*Odd.*push_codec"):
        AgentFrameworkHost(odd_workflow, channels=[InboxChannel()], config={})
    with pytest.raises(ChannelConfigurationError, match="push_codec"):
        host_with(SmallRunner(DurableTaskPayloadMode.JSON), InboxChannel(), agent=odd_workflow)


@pytest.mark.requirement("runners.pairing")
def test_nothing_is_refused_that_can_work() -> None:
    coded = InboxChannel()
    coded.push_codec = PlainCodec()
    hosts = [
        AgentFrameworkHost(odd_workflow, channels=[coded], config={}),
        AgentFrameworkHost(odd_workflow, channels=[Silent()], config={}),
        AgentFrameworkHost(EchoAgent(), channels=[InboxChannel()], config={}),
        host_with(SmallRunner(DurableTaskPayloadMode.OBJECT), InboxChannel(), agent=odd_workflow),
    ]
    assert [len(host.channels) for host in hosts] == [1, 1, 1, 1]


@pytest.mark.requirement("runners.pairing")
async def test_a_runner_of_objects_carries_what_json_cannot() -> None:
    seen: list[object] = []

    class Watch(InboxChannel):
        @hookimpl
        def push(self, identity: ChannelIdentity, payload: HostedRunResult) -> None:
            seen.extend(payload.result.get_outputs())

    inbox = Watch()
    async with host_with(SmallRunner(DurableTaskPayloadMode.OBJECT), inbox, agent=odd_workflow):
        await inbox.context.dispatch(message("hi", response_target=ResponseTarget.identity(BOB)))
    assert [type(one) for one in seen] == [Odd]


@pytest.mark.requirement("runners.call-site")
async def test_what_cannot_be_stored_is_refused_where_it_is_handed_in(make_world) -> None:
    odd = HostedRunResult(AgentResponse(messages=[Message("assistant", ["x"], additional_properties={"odd": Odd()})]))
    inbox = InboxChannel()
    async with make_world(channels=[inbox]) as world:
        with pytest.raises(PushPayloadNotSerializable, match="Odd"):
            await world.host.deliver(odd, ResponseTarget.identity(BOB))
        with pytest.raises(PushPayloadNotSerializable):
            await world.runner.schedule("hosting.push", {"odd": Odd()})
        counts = await world.settled()
    assert counts["pending"] == counts["dead"] == 0
    assert inbox.inbox == []


@pytest.mark.requirement("runners.shape")
async def test_a_runner_without_a_place_of_its_own_keeps_its_tasks_with_the_host(tmp_path) -> None:
    policy = RetryPolicy(max_attempts=9, initial_backoff_seconds=60, max_backoff_seconds=60)

    def host(inbox: InboxChannel) -> AgentFrameworkHost:
        runner = InProcessTaskRunner(default_retry_policy=policy)
        return AgentFrameworkHost(
            EchoAgent(), channels=[inbox], config={}, state_dir=tmp_path, durable_task_runner=runner
        )

    down, up = InboxChannel(), InboxChannel()
    down.failures = [RetryLater(3600)]
    async with host(down) as first:
        (handle,) = await first.deliver("hello", ResponseTarget.identity(BOB))
        while down.failures:
            await asyncio.sleep(0)
    async with host(up) as second:
        record = await second.durable_task_runner.tasks.get(handle.task_id)
    assert (record.status, record.attempts, record.max_attempts) == ("pending", 1, 9)


class Preview:
    """Note how the preview of an answer ended."""

    def __init__(self) -> None:
        self.ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def update(self, text: str) -> None: ...

    async def finish(self, result: HostedRunResult) -> str | None: ...

    async def fail(self, reason: str) -> None:
        self.ended.set_result(reason)


class Previewed(InboxChannel):
    """Show answers while they are written."""

    def __init__(self) -> None:
        super().__init__()
        self.preview = Preview()

    def live_reply(self, request: ChannelRequest) -> Preview:
        return self.preview


@pytest.mark.requirement("journal.live")
async def test_a_preview_is_ended_although_the_runner_takes_not_even_the_news_of_a_failure() -> None:
    runner, channel = SmallRunner(DurableTaskPayloadMode.JSON), Previewed()
    runner.out_of_order = True
    async with host_with(runner, channel):
        await channel.context.admit(ChannelRequest("inbox", "message.create", "hello", identity=BOB))
        async with asyncio.timeout(10):
            told = await channel.preview.ended
    assert "went wrong" in told
    assert channel.inbox == []
