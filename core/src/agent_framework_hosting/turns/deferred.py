"""Turns no wire waits for: run in their lane after the 200, and shown while they run."""

from __future__ import annotations

import asyncio
import logging

from ..delivery.codec import decode_request
from ..errors import TargetInputError
from ..model.result import HostedRunResult, TargetResult
from ..model.target import ResponseTargetKind
from ..ports import LiveReply
from .endings import FAILED_NOTICE, INTERRUPTED_NOTICE
from .finishing import to_the_end
from .gathering import Gathering
from .outlast import outlast
from .preview import Preview
from .steps import TOOK_TOO_LONG, Steps
from .turn import Turn, TurnRefused

logger = logging.getLogger(__name__)

STOPPED_NOTICE = "Stopped."


class Deferred:
    """Run deferred turns and see each to a visible end."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps
        self._tasks: dict[asyncio.Task[None], Turn] = {}
        self._gathering = Gathering(self._run_together)

    def __len__(self) -> int:
        """Return how many turns are waiting or running."""
        return len(self._tasks)

    def start(self, turn: Turn) -> None:
        """Run an admitted turn in its lane, together with what its channel says belongs to it."""
        turn.deferred = True
        self._gathering.add(turn, self._steps.parts.plugins.channel(turn.request.channel).settle(turn.request))

    def adopt(self, turn: Turn) -> bool:
        """Take over a turn whose wire cannot wait for it any more; say whether it will be answered.

        What is in the journal and had not started is run, where its answer can be delivered. Anything else stays.
        """
        parts, record = self._steps.parts, turn.record
        if turn.ended or record is None or record.status != "admitted" or not self._can_be_delivered(turn):
            return False
        turn.ended = True  # from here on it is the other's
        request = decode_request(record.request)  # as it was before any hook
        place = parts.lanes.reserve(turn.conversation.lane, limited=False)
        again = Turn(turn.id, request, turn.person, turn.conversation, place, turn.active, record, turn.continuation)
        self.start(again)
        return True

    async def stop(self, lane: str) -> int:
        """Cancel the turns that wait or run in a lane; each ends unanswered. Return how many there were."""
        self._gathering.flush(lane)
        stopped = {task: turn for task, turn in self._tasks.items() if turn.conversation.lane == lane}
        for task, turn in stopped.items():
            turn.stopped = True
            task.cancel()
        if stopped:
            await asyncio.wait(stopped)
        for turn in stopped.values():  # one that had not begun has not ended by itself
            await self._steps.endings.abandon(turn)
        return len(stopped)

    async def drain(self, grace_seconds: float) -> None:
        """Let turns finish for a while, then cancel them; a durable journal takes them up at the next start."""
        self._gathering.flush_all()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace_seconds)
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _work(self, turn: Turn) -> None:
        steps, live = self._steps, None
        try:
            self._merge(turn)
            await steps.run_hooks(turn)
            await steps.enter(turn)
            await steps.plan(turn)
            await outlast(lambda: steps.endings.started(turn))
            live = self._live_reply(turn)
            result = await self._run(turn, live)
            await steps.endings.commit(turn, result, live)
        except asyncio.CancelledError:
            await self._cancelled(turn, live)
            raise
        except Exception as error:
            await steps.endings.abandon(turn, self._notice(turn, error), live)
        finally:
            turn.close()

    async def _run(self, turn: Turn, live: LiveReply | None) -> HostedRunResult[TargetResult]:
        steps = self._steps
        if live is None or steps.parts.plugins.shapes_responses(turn.request.channel):
            return await steps.execute(turn)
        async with Preview(live) as preview, steps.running(turn) as stream:
            with steps.paced(stream) as updates:
                async for update in updates:
                    preview.feed(update.text)
            return await stream.get_final_response()

    def _live_reply(self, turn: Turn) -> LiveReply | None:
        if not turn.plan.here:
            return None
        try:
            return self._steps.parts.plugins.channel(turn.request.channel).live_reply(turn.request)
        except Exception:
            logger.exception("A live reply could not be made; the answer is pushed", extra={"turn": turn.id})
            return None

    async def _cancelled(self, turn: Turn, live: LiveReply | None) -> None:
        """End what the speaker called off, and what no later process can take up."""
        if turn.stopped:
            await self._steps.endings.abandon(turn, STOPPED_NOTICE if live else None, live)
        elif not self._steps.parts.journal.durable:
            await to_the_end(self._steps.endings.abandon(turn, INTERRUPTED_NOTICE, live))

    def _notice(self, turn: Turn, error: Exception) -> str:
        if isinstance(error, TurnRefused):
            return str(error.outcome.to_public_dict().get("message", FAILED_NOTICE))
        if isinstance(error, TargetInputError):
            return str(error)
        logger.error("A turn failed", extra={"channel": turn.request.channel, "turn": turn.id}, exc_info=error)
        return TOOK_TOO_LONG.message if isinstance(error, TimeoutError) else FAILED_NOTICE

    def _can_be_delivered(self, turn: Turn) -> bool:
        request = turn.request
        if turn.token is not None or request.response_target.kind is not ResponseTargetKind.ORIGINATING:
            return True
        return request.identity is not None and self._steps.parts.plugins.can_push(request.channel)

    def _run_together(self, turns: list[Turn]) -> None:
        first, *rest = turns
        first.companions = tuple(rest)
        task = asyncio.get_running_loop().create_task(self._work(first))
        self._tasks[task] = first
        task.add_done_callback(lambda _: self._over(task, turns))

    def _over(self, task: asyncio.Task[None], turns: list[Turn]) -> None:
        del self._tasks[task]
        for turn in turns:  # a task that is cancelled before its first step has not given anything back
            turn.close()
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("A turn could not be ended; a restart takes it up", exc_info=error)

    def _merge(self, turn: Turn) -> None:
        """Let a turn speak for its companions; they end with it, answered by the same answer."""
        if turn.companions:
            channel = self._steps.parts.plugins.channel(turn.request.channel)
            turn.request = channel.merge([turn.request, *(each.request for each in turn.companions)])
