"""Steps 7 to 9 of a turn whose answer the wire reads piece by piece."""

from __future__ import annotations

import asyncio
import logging
import weakref
from collections.abc import AsyncGenerator
from contextlib import aclosing

from agent_framework import AgentResponseUpdate, ResponseStream

from ..errors import TargetInputError, TurnFailed
from ..execution.pull import transformed
from ..execution.stream import updates_of
from ..model.outcome import HostedStream
from ..model.result import HostedRunResult, TargetResult
from .finishing import to_the_end
from .steps import TOOK_TOO_LONG, Steps
from .turn import Turn

logger = logging.getLogger(__name__)


def stream_turn(steps: Steps, turn: Turn) -> HostedStream:
    """Return the stream of a turn that has entered its lane and is planned.

    The turn ends when the stream is read to its end, awaited, closed or dropped. A failure is raised as ``TurnFailed``.
    """
    reading = _Reading(steps, turn)
    stream: HostedStream = ResponseStream(reading.updates(), finalizer=lambda _: reading.answer)
    dropped = weakref.finalize(stream, _dropped, asyncio.get_running_loop(), reading)
    dropped.atexit = False
    return stream.with_cleanup_hook(reading.let_go)  # what is closed unread never gets to its own end


class _Reading:
    """One turn while it is read."""

    def __init__(self, steps: Steps, turn: Turn) -> None:
        self._steps = steps
        self._turn = turn
        self._answer: HostedRunResult[TargetResult] | None = None
        self.begun = False

    @property
    def answer(self) -> HostedRunResult[TargetResult]:
        """What the wire may show, once everything was read."""
        if self._answer is None:
            raise TurnFailed("The stream was closed before its end.")
        return self._answer

    async def updates(self) -> AsyncGenerator[AgentResponseUpdate]:
        self.begun = True
        turn = self._turn
        shaped = self._steps.parts.plugins.shapes_responses(turn.request.channel)
        try:
            async with aclosing(self._shaped() if shaped else self._as_it_comes()) as pieces:
                async for update in pieces:
                    yield update
        except Exception as error:
            logger.exception("A streamed turn failed", extra={"channel": turn.request.channel, "turn": turn.id})
            raise TurnFailed(_message(error)) from error
        finally:
            await self.let_go()  # after the run has let go of everything: the next one in the lane must not meet it

    async def _as_it_comes(self) -> AsyncGenerator[AgentResponseUpdate]:
        steps, turn = self._steps, self._turn
        async with steps.running(turn) as running:
            with steps.paced(running) as updates:
                async for update in updates:
                    yield update
            result = await running.get_final_response()
        await steps.endings.commit(turn, result)
        self._answer = result

    async def _shaped(self) -> AsyncGenerator[AgentResponseUpdate]:
        """Hold the answer back until the response hooks have seen all of it: no piece of it goes out unshaped."""
        steps, turn = self._steps, self._turn
        result = await steps.execute(turn)
        await steps.endings.commit(turn, result)
        shown = await steps.shown(turn, result)
        for update in updates_of(shown):
            changed = await transformed(update, steps.transforms(turn))
            if changed is not None:
                yield changed
        self._answer = shown

    async def let_go(self) -> None:
        """Leave the lane and end what has not ended; calling again does nothing."""
        self._turn.close()
        if not self._turn.ended:
            await to_the_end(self._steps.endings.abandon(self._turn))


def _dropped(loop: asyncio.AbstractEventLoop, reading: _Reading) -> None:
    """Let go of a turn whose stream was dropped unread, from whichever thread noticed; one half read does it itself."""
    if not reading.begun and not loop.is_closed():
        loop.call_soon_threadsafe(lambda: loop.create_task(to_the_end(reading.let_go())))


def _message(error: Exception) -> str:
    if isinstance(error, TargetInputError):
        return str(error)
    return TOOK_TOO_LONG.message if isinstance(error, TimeoutError) else "The agent failed."
