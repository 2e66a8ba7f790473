"""Step 7: run the target under the turn's time limit, and show the answer while it grows."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import suppress
from contextvars import copy_context
from types import TracebackType
from typing import Generic, Self, TypeVar

from agent_framework import AgentResponseUpdate, ResponseStream

from ..errors import TargetInputError, TurnFailed
from ..execution.context import InContext
from ..model.outcome import Failed, HostedStream, Reply
from ..model.result import HostedRunResult, TargetResult
from ..ports import LiveReply
from .turn import Turn

logger = logging.getLogger(__name__)

TOOK_TOO_LONG = Failed("timeout", "The agent took too long to answer. Please try again.", 504)
LAST_UPDATE_SECONDS = 2.0
AFTER_CANCEL_SECONDS = 1.0
UpdateT = TypeVar("UpdateT")


class Deadline(Generic[UpdateT]):
    """Read a stream for at most ``seconds`` in all, with one timer however many pieces there are.

    A pull that is under way when time is up raises ``TimeoutError``, and so does the next one; a reader that is busy
    with a piece is never interrupted.
    """

    def __init__(self, stream: AsyncIterator[UpdateT], seconds: float | None) -> None:
        self._stream = stream
        self._seconds = seconds
        self._timer: asyncio.TimerHandle | None = None
        self._puller: asyncio.Task[object] | None = None
        self._expired = False

    def __enter__(self) -> Self:
        """Start the clock."""
        if self._seconds is not None:
            self._timer = asyncio.get_running_loop().call_later(self._seconds, self._expire)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the clock."""
        if self._timer is not None:
            self._timer.cancel()

    def __aiter__(self) -> Self:
        """Read on."""
        return self

    async def __anext__(self) -> UpdateT:
        """Return the next piece."""
        if self._expired:
            raise TimeoutError
        puller = self._puller = asyncio.current_task()
        try:
            return await self._stream.__anext__()
        except asyncio.CancelledError:
            if self._expired and puller is not None and puller.uncancel() == 0:
                raise TimeoutError from None
            raise
        finally:
            self._puller = None

    def _expire(self) -> None:
        self._expired = True
        if self._puller is not None:
            self._puller.cancel()


class Preview:
    """Feed a live reply, if there is one, without ever waiting for it: the latest text wins, a failing one is dropped.

    On exit the update in flight is awaited, then previews stop.
    """

    def __init__(self, live: LiveReply | None) -> None:
        self._live = live
        self._text = ""
        self._fresh = asyncio.Event()
        self._ended = False
        self._pump: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Start showing."""
        if self._live is not None:
            self._pump = asyncio.get_running_loop().create_task(self._show(self._live))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop showing, so that ``finish`` never races an update."""
        self._ended = True
        self._fresh.set()
        if self._pump is not None:
            _, late = await asyncio.wait([self._pump], timeout=LAST_UPDATE_SECONDS)
            for pump in late:
                pump.cancel()
                await asyncio.wait([pump], timeout=AFTER_CANCEL_SECONDS)

    def feed(self, text: str) -> None:
        """Add text; frames are never queued."""
        if text:
            self._text += text
            self._fresh.set()

    async def _show(self, live: LiveReply) -> None:
        try:
            while True:
                await self._fresh.wait()
                if self._ended:
                    return
                self._fresh.clear()
                await live.update(self._text)
        except Exception as error:
            logger.warning("A live preview failed and was dropped", extra={"error": type(error).__name__})


def stream_of(turn: Turn, pieces: AsyncGenerator[AgentResponseUpdate | None]) -> HostedStream:
    """Return the stream of a turn that is being carried and has begun; None among ``pieces`` is no update.

    The run and the hooks see the context variables of the caller, whoever reads. The turn ends when the stream is read
    to its end, awaited, closed or dropped. A failure is raised as ``TurnFailed``.
    """
    context = copy_context()

    async def updates() -> AsyncGenerator[AgentResponseUpdate]:
        in_context = True  # the run keeps the context it begins in; hooks need it to the end
        try:
            while True:
                step = pieces.__anext__()
                update = await (InContext(context, step) if in_context else step)
                in_context = turn.shaped
                if update is not None:
                    yield update
        except StopAsyncIteration:
            pass
        finally:
            await close()
        if turn.fault is not None:
            raise TurnFailed(_message(turn.fault)) from turn.fault

    async def close() -> None:
        with suppress(RuntimeError):  # it is being read at this moment, and lets go by itself
            await InContext(context, pieces.aclose())

    def answer(_: object) -> HostedRunResult[TargetResult]:
        outcome = turn.outcome
        if isinstance(outcome, Reply) and outcome.result is not None:
            return outcome.result
        raise TurnFailed("The stream was closed before its end.")

    stream: HostedStream = ResponseStream(updates(), finalizer=answer)
    return stream.with_cleanup_hook(close)  # what is closed unread never gets to its own end


def _message(fault: Exception) -> str:
    if isinstance(fault, TargetInputError):
        return str(fault)
    return TOOK_TOO_LONG.message if isinstance(fault, TimeoutError) else "The agent failed."
