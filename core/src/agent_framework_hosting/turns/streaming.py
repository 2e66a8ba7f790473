"""Steps 7 to 9 of a turn whose answer the wire reads piece by piece."""

from __future__ import annotations

import asyncio
import logging
import weakref
from collections.abc import AsyncGenerator, AsyncIterator
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
    stream: HostedStream = ResponseStream(_updates(steps, turn, ended := []), finalizer=lambda _: ended[0])
    dropped = weakref.finalize(stream, _dropped, asyncio.get_running_loop(), steps, turn)
    dropped.atexit = False
    return stream.with_cleanup_hook(lambda: _let_go(steps, turn))


async def _updates(
    steps: Steps, turn: Turn, ended: list[HostedRunResult[TargetResult]]
) -> AsyncIterator[AgentResponseUpdate]:
    shaped = steps.parts.plugins.shapes_responses(turn.request.channel)
    pieces = _shaped(steps, turn, ended) if shaped else _as_it_comes(steps, turn, ended)
    try:
        async with aclosing(pieces):  # the run lets go of everything before the lane is left
            async for update in pieces:
                yield update
    except Exception as error:
        logger.exception("A streamed turn failed", extra={"channel": turn.request.channel, "turn": turn.id})
        raise TurnFailed(_message(error)) from error
    finally:
        await _let_go(steps, turn)


async def _as_it_comes(
    steps: Steps, turn: Turn, ended: list[HostedRunResult[TargetResult]]
) -> AsyncGenerator[AgentResponseUpdate]:
    async with steps.running(turn) as running:
        with steps.paced(running) as updates:
            async for update in updates:
                yield update
        result = await running.get_final_response()
    await steps.endings.commit(turn, result)
    ended.append(result)


async def _shaped(
    steps: Steps, turn: Turn, ended: list[HostedRunResult[TargetResult]]
) -> AsyncGenerator[AgentResponseUpdate]:
    """Hold the answer back until the response hooks have seen all of it: no piece of it goes out unshaped."""
    result = await steps.execute(turn)
    await steps.endings.commit(turn, result)
    shown = await steps.shown(turn, result)
    for update in updates_of(shown):
        changed = await transformed(update, steps.transforms(turn))
        if changed is not None:
            yield changed
    ended.append(shown)


async def _let_go(steps: Steps, turn: Turn) -> None:
    turn.close()
    if not turn.ended:
        await to_the_end(steps.endings.abandon(turn))


def _dropped(loop: asyncio.AbstractEventLoop, steps: Steps, turn: Turn) -> None:
    """Let go of a turn whose stream nobody holds any more, from whichever thread noticed."""
    if not loop.is_closed() and not (turn.place.left and turn.ended):
        loop.call_soon_threadsafe(lambda: loop.create_task(to_the_end(_let_go(steps, turn))))


def _message(error: Exception) -> str:
    if isinstance(error, TargetInputError):
        return str(error)
    return TOOK_TOO_LONG.message if isinstance(error, TimeoutError) else "The agent failed."
