"""A stream over one run that lets go of the run however it ends: read, awaited, closed, failed, cancelled, dropped."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from contextvars import Context, copy_context
from typing import Protocol

import anyio
from agent_framework import AgentResponseUpdate, ResponseStream

from ..hookspecs import ChannelStreamTransformHook
from ..model.outcome import HostedStream
from ..model.result import HostedRunResult, TargetResult
from .context import InContext

logger = logging.getLogger(__name__)

_BENIGN = ("Inner stream not available", "Event loop is closed")
_PATIENCE_SECONDS = 10.0
_closing: set[asyncio.Task[None]] = set()


class Run(Protocol):
    """One run of a target, piece by piece."""

    async def open(self) -> AsyncIterator[AgentResponseUpdate]:
        """Start the run."""
        ...

    async def finish(self) -> HostedRunResult[TargetResult]:
        """Return the result; called once, after the last update."""
        ...

    async def close(self) -> None:
        """Let go of everything; may be called again, and never raises but for cancellation."""
        ...

    def drop(self) -> None:
        """Let go of what needs no waiting; ``close`` may or may not follow."""
        ...


def stream_of(run: Run, transforms: Sequence[ChannelStreamTransformHook]) -> HostedStream:
    """Return a stream of the run's updates that ends in its result. Nothing starts before the first pull."""
    pull = Pull(run, transforms)
    stream: HostedStream = ResponseStream(pull, finalizer=lambda _: pull.result, cleanup_hooks=[pull.aclose])
    return stream


class Pull:
    """Iterate over a run, every step of it in one context."""

    def __init__(self, run: Run, transforms: Sequence[ChannelStreamTransformHook]) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._over = False
        self._run = run
        self._transforms = tuple(transforms)
        self._context = copy_context()
        self._updates: AsyncIterator[AgentResponseUpdate] | None = None
        self._result: HostedRunResult[TargetResult] | None = None

    def __aiter__(self) -> Pull:
        return self

    def __anext__(self) -> Awaitable[AgentResponseUpdate]:
        return InContext(self._context, self._next())

    @property
    def result(self) -> HostedRunResult[TargetResult]:
        """The run's result. Raises ``RuntimeError`` when the run did not get that far."""
        if self._result is None:
            raise RuntimeError("The stream ended before its run did, so there is no result. Read it to the end first.")
        return self._result

    async def aclose(self) -> None:
        """End the run; calling again does nothing."""
        await InContext(self._context, self._close())

    async def _next(self) -> AgentResponseUpdate:
        if self._over:
            raise StopAsyncIteration
        try:
            updates = self._updates
            if updates is None:
                self._loop = asyncio.get_running_loop()
                updates = self._updates = await self._run.open()
            while True:
                update = await updates.__anext__()
                if not self._transforms:
                    return update
                changed = await transformed(update, self._transforms)
                if changed is not None:
                    return changed
        except StopAsyncIteration:
            try:
                self._result = await self._run.finish()
            finally:
                await self._close()
            raise
        except BaseException:
            await self._close()
            raise

    async def _close(self) -> None:
        if not self._over:
            self._over = True
            if self._loop is not None:
                await self._run.close()

    def __del__(self) -> None:
        loop = self._loop
        if loop is None or self._over:
            return
        self._context.run(self._run.drop)
        if not loop.is_closed():
            loop.call_soon_threadsafe(_close_dropped, loop, self._context, self._run.close)


async def transformed(
    update: AgentResponseUpdate, transforms: Sequence[ChannelStreamTransformHook]
) -> AgentResponseUpdate | None:
    """Pass an update through every transform; None once one of them drops it."""
    current: AgentResponseUpdate | None = update
    for transform in transforms:
        changed = transform(current)
        current = await changed if inspect.isawaitable(changed) else changed
        if current is None:
            return None
    return current


def _close_dropped(
    loop: asyncio.AbstractEventLoop, context: Context, close: Callable[[], Coroutine[None, None, None]]
) -> None:
    task = loop.create_task(close(), context=context)
    _closing.add(task)  # the loop itself holds tasks weakly
    task.add_done_callback(_closing.discard)


def log_teardown(error: BaseException, what: str) -> None:
    """Log a failed teardown: the two errors agent-framework raises when all is well as warnings, others as errors."""
    if isinstance(error, RuntimeError) and any(text in str(error) for text in _BENIGN):
        logger.warning("Taking down a run: %s", error, extra={"part": what})
    else:
        logger.error("Taking down a run failed", exc_info=error, extra={"part": what})


@contextmanager
def teardown(what: str) -> Generator[None]:
    """Contain and log whatever the block raises, except cancellation."""
    try:
        yield
    except Exception as error:
        log_teardown(error, what)


@asynccontextmanager
async def uninterrupted() -> AsyncGenerator[None]:
    """Let the block finish although its task is being cancelled, within ten seconds."""
    with anyio.move_on_after(_PATIENCE_SECONDS, shield=True):
        yield
