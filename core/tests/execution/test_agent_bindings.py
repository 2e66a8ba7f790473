from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar

import anyio
import pytest
from agent_framework import ContextProvider

from agent_framework_hosting.execution.agent import AgentExecution, Bindings
from agent_framework_hosting.model.request import ChannelRequest

pytestmark = pytest.mark.anyio
current: ContextVar[str | None] = ContextVar("current", default=None)


class Patient(ContextProvider):
    """Binds asynchronously and needs time to let go."""

    def __init__(self) -> None:
        super().__init__("patient")
        self.held = 0
        self.let_go = asyncio.Event()

    @asynccontextmanager
    async def bind_request_context(self, **ids):
        self.held += 1
        try:
            yield
        finally:
            await asyncio.sleep(0)
            self.held -= 1
            self.let_go.set()


class Variable(ContextProvider):
    """Binds a context variable, as storage providers do; resetting it elsewhere would raise."""

    def __init__(self) -> None:
        super().__init__("variable")
        self.seen: list[str | None] = []

    @contextmanager
    def bind_request_context(self, *, response_id, previous_response_id):
        token = current.set(response_id)
        try:
            yield
        finally:
            current.reset(token)

    async def after_run(self, **_):
        self.seen.append(current.get())


class Reluctant(ContextProvider):
    """Cannot be bound, or cannot be released."""

    def __init__(self, *, entering: bool) -> None:
        super().__init__("reluctant")
        self.entering = entering

    @contextmanager
    def bind_request_context(self, **ids):
        if self.entering:
            raise LookupError("no such response")
        yield
        raise LookupError("no such response")


IDS = {"response_id": "resp_2", "previous_response_id": "resp_1"}


@pytest.mark.requirement("agents.bindings")
async def test_a_whole_turn_is_bound_and_released(doubles, turn):
    journal: list[str] = []
    first, second = doubles.Binder("first", journal), doubles.Binder("second", journal)
    await AgentExecution(doubles.agent(first, second)).run(turn("hello", attributes=IDS))
    assert first.calls == [("resp_2", "resp_1")]
    assert journal == ["bind first", "bind second", "release second", "release first"]


async def test_without_a_response_id_one_is_made(doubles, turn):
    binder = doubles.Binder()
    execution = AgentExecution(doubles.agent(binder))
    await execution.run(turn("hello"))
    await execution.run(turn("hello"))
    ids = [response_id for response_id, _ in binder.calls]
    assert len(set(ids)) == 2
    assert all(one.startswith("resp_") for one in ids)


async def test_the_binding_holds_until_history_is_stored(doubles, turn):
    provider = Variable()
    execution = AgentExecution(doubles.agent(provider))
    await execution.run(turn("hello", attributes=IDS))
    await execution.stream(turn("hello", attributes={"response_id": "resp_3"})).get_final_response()
    assert provider.seen == ["resp_2", "resp_3"]


@pytest.mark.requirement("agents.bindings")
async def test_a_failing_turn_is_released(doubles, turn):
    async def fail() -> None:
        raise LookupError("model down")

    binder = doubles.Binder()
    with pytest.raises(LookupError):
        await AgentExecution(doubles.agent(binder, gate=fail)).run(turn("hello"))
    assert (binder.held, binder.released) == (0, 1)


async def test_one_that_cannot_be_bound_releases_those_before(doubles, turn):
    binder = doubles.Binder()
    with pytest.raises(LookupError, match="no such response"):
        await AgentExecution(doubles.agent(binder, Reluctant(entering=True))).run(turn("hello"))
    assert (binder.held, binder.released) == (0, 1)


async def test_one_that_cannot_be_released_does_not_spoil_the_answer(doubles, turn, caplog):
    binder = doubles.Binder()
    result = await AgentExecution(doubles.agent(binder, Reluctant(entering=False))).run(turn("hello"))
    assert result.result.text == "1: hello"
    assert binder.held == 0
    assert [record.levelname for record in caplog.records if record.exc_info] == ["ERROR"]


async def test_asynchronous_managers_are_waited_for(doubles, turn):
    provider = Patient()
    await AgentExecution(doubles.agent(provider)).run(turn("hello"))
    assert (provider.held, provider.let_go.is_set()) == (0, True)


@pytest.mark.parametrize("streaming", [False, True])
async def test_a_cancelled_scope_still_waits_for_asynchronous_managers(doubles, turn, streaming):
    started, never = asyncio.Event(), asyncio.Event()

    async def hang() -> None:
        started.set()
        await never.wait()

    provider, binder = Patient(), doubles.Binder()
    execution = AgentExecution(doubles.agent(provider, binder, gate=hang))

    async def consume() -> None:
        await (execution.stream(turn("hi")).get_final_response() if streaming else execution.run(turn("hi")))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(consume)
        await started.wait()
        assert (provider.held, binder.held) == (1, 1)
        tasks.cancel_scope.cancel()
    assert (provider.held, binder.held, binder.released) == (0, 0, 1)


async def test_what_is_no_context_manager_is_named(doubles):
    class Wrong(ContextProvider):
        def bind_request_context(self, **ids):
            return 42

    with pytest.raises(TypeError, match="returned int; return a context manager"):
        await Bindings().enter(doubles.agent(Wrong("wrong")), ChannelRequest("inbox", "message.create", "hi"))
