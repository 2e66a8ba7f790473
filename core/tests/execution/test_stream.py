from __future__ import annotations

import asyncio
import contextlib
import gc
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar

import pytest
from agent_framework import AgentResponse, AgentResponseUpdate, Content, ContextProvider

from agent_framework_hosting.execution.agent import AgentExecution

pytestmark = pytest.mark.anyio
caller: ContextVar[str] = ContextVar("caller", default="nobody")


class Witness(ContextProvider):
    """Note the caller's variable at every step of a run, and in which order things end."""

    def __init__(self) -> None:
        super().__init__("witness")
        self.seen: list[tuple[str, str]] = []

    def note(self, what: str) -> None:
        self.seen.append((what, caller.get()))

    @contextmanager
    def bind_request_context(self, **ids):
        self.note("bind")
        try:
            yield
        finally:
            self.note("release")

    async def before_run(self, **_):
        self.note("before")

    async def after_run(self, **_):
        self.note("after")


@pytest.fixture
def binder(doubles):
    return doubles.Binder()


async def test_nothing_starts_before_the_first_pull(doubles, turn, binder):
    agent = doubles.agent(binder)
    stream = AgentExecution(agent).stream(turn("hello"))
    await asyncio.sleep(0)
    assert (binder.calls, agent.client.seen) == ([], [])
    await stream.close()
    assert binder.calls == []


@pytest.mark.requirement("agents.bindings-stream")
async def test_reading_to_the_end_releases(doubles, turn, binder):
    stream = AgentExecution(doubles.agent(binder)).stream(turn("hello"))
    held = [binder.held async for _ in stream]
    assert held == [1, 1]
    assert (binder.held, binder.released) == (0, 1)
    assert (await stream.get_final_response()).result.text == "1: hello "
    assert binder.released == 1


@pytest.mark.requirement("agents.bindings-stream")
async def test_awaiting_releases(doubles, turn, binder):
    result = await AgentExecution(doubles.agent(binder)).stream(turn("hello")).get_final_response()
    assert result.result.text == "1: hello "
    assert (binder.held, binder.released) == (0, 1)


@pytest.mark.requirement("agents.bindings-stream")
async def test_closing_early_releases_and_ends_the_model_call(doubles, turn, binder):
    agent = doubles.agent(binder)
    stream = AgentExecution(agent).stream(turn("hello"))
    async with stream:
        assert (await anext(stream)).text == "1: "
    assert (binder.held, binder.released, agent.client.closed) == (0, 1, 1)
    with pytest.raises(RuntimeError, match="no result"):
        await stream.get_final_response()
    with pytest.raises(RuntimeError, match="no result"):
        await anext(stream)
    await stream.close()
    assert binder.released == 1


async def test_a_failing_model_releases(doubles, turn, binder):
    async def fail() -> None:
        raise LookupError("model down")

    stream = AgentExecution(doubles.agent(binder, gate=fail)).stream(turn("hello"))
    with pytest.raises(LookupError, match="model down"):
        await anext(stream)
    assert (binder.held, binder.released) == (0, 1)


async def test_a_cancelled_consumer_releases(doubles, turn, binder):
    started, never = asyncio.Event(), asyncio.Event()

    async def hang() -> None:
        started.set()
        await never.wait()

    agent = doubles.agent(binder, gate=hang)
    execution = AgentExecution(agent)

    async def consume() -> None:
        async for _ in execution.stream(turn("hello")):
            pass

    task = asyncio.create_task(consume())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (binder.held, binder.released, agent.client.closed) == (0, 1, 1)


@pytest.mark.requirement("agents.bindings-stream")
async def test_a_dropped_stream_releases(doubles, turn, binder):
    agent = doubles.agent(binder)
    stream = AgentExecution(agent).stream(turn("hello"))
    await anext(stream)
    assert binder.held == 1
    del stream
    gc.collect()
    assert (binder.held, binder.released) == (0, 1)
    async with asyncio.timeout(5):
        while not agent.client.closed:
            await asyncio.sleep(0)
    assert binder.released == 1


async def test_a_dropped_stream_waits_for_asynchronous_managers(doubles, turn):
    let_go = asyncio.Event()

    class Patient(ContextProvider):
        @asynccontextmanager
        async def bind_request_context(self, **ids):
            try:
                yield
            finally:
                await asyncio.sleep(0)
                let_go.set()

    stream = AgentExecution(doubles.agent(Patient("patient"))).stream(turn("hello"))
    await anext(stream)
    del stream
    gc.collect()
    async with asyncio.timeout(5):
        await let_go.wait()


async def test_every_step_runs_in_the_context_of_the_caller(doubles, turn):
    witness = Witness()
    execution = AgentExecution(doubles.agent(witness))
    caller.set("asker")
    stream = execution.stream(turn("hello"))
    caller.set("server")

    async def pull() -> None:
        caller.set("someone else")
        with contextlib.suppress(StopAsyncIteration):
            await anext(stream)

    for _ in range(3):
        await asyncio.create_task(pull())
    assert [what for what, _ in witness.seen] == ["bind", "before", "after", "release"]
    assert {who for _, who in witness.seen} == {"asker"}
    assert caller.get() == "server"


@pytest.mark.requirement("agents.stream-transform")
async def test_transforms_replace_and_drop_updates_but_not_the_result(doubles, turn):
    def shout(update: AgentResponseUpdate) -> AgentResponseUpdate:
        return AgentResponseUpdate(contents=[Content.from_text(update.text.upper())], role="assistant")

    async def no_numbers(update: AgentResponseUpdate) -> AgentResponseUpdate | None:
        await asyncio.sleep(0)
        return None if update.text.startswith("1") else update

    stream = AgentExecution(doubles.agent()).stream(turn("hello you"), transforms=[shout, no_numbers])
    assert [update.text async for update in stream] == ["HELLO ", "YOU "]
    assert (await stream.get_final_response()).result.text == "1: hello you "


async def test_a_failing_transform_releases(doubles, turn, binder):
    def fail(update: AgentResponseUpdate) -> AgentResponseUpdate:
        raise LookupError("no words")

    stream = AgentExecution(doubles.agent(binder)).stream(turn("hello"), transforms=[fail])
    with pytest.raises(LookupError, match="no words"):
        await anext(stream)
    assert (binder.held, binder.released) == (0, 1)


@pytest.mark.parametrize(
    ("message", "level"),
    [("Event loop is closed", "WARNING"), ("Inner stream not available", "WARNING"), ("x", "ERROR")],
)
async def test_trouble_while_closing_is_logged_and_does_not_hide_the_end(message, level, turn, caplog):
    class Stubborn:
        async def run(self, messages, *, stream=False, session=None):
            return self._pieces()

        async def _pieces(self):
            try:
                yield AgentResponseUpdate(contents=[Content.from_text("one")], role="assistant")
                yield AgentResponseUpdate(contents=[Content.from_text("two")], role="assistant")
            finally:
                raise RuntimeError(message)

    stream = AgentExecution(Stubborn()).stream(turn("hello"))
    assert (await anext(stream)).text == "one"
    await stream.close()
    told = [record for record in caplog.records if record.name.startswith("agent_framework_hosting")]
    assert [record.levelname for record in told] == [level]
    assert bool(told[0].exc_info) == (level == "ERROR")


@pytest.mark.requirement("turn.fidelity")
async def test_the_result_is_the_agents_own_response(turn):
    response = AgentResponse(messages=[], response_id="r1", usage_details={"input_token_count": 3})

    class Given:
        async def run(self, messages, *, stream=False):
            return response

    stream = AgentExecution(Given()).stream(turn("hello"))
    assert (await stream.get_final_response()).result is response
