"""Turns no wire waits for: run in their lane after the 200, shown while they run, recovered after a crash."""

from __future__ import annotations

import asyncio
import logging
from typing import Literal, TypeAlias

from ..delivery.codec import decode_request
from ..delivery.journal import TurnRecord
from ..model.result import HostedRunResult, TargetResult
from ..model.verdict import Allowed
from ..ports import LiveReply
from ..sessions.scope import conversation_of
from .gathering import Gathering
from .preview import Preview
from .steps import Steps
from .turn import Turn, TurnRefused

logger = logging.getLogger(__name__)

OnInterrupted: TypeAlias = Literal["apologise", "rerun"]
RERUN_LIMIT = 3

FAILED_NOTICE = "Sorry, something went wrong while I worked on your message. Please try again."
STOPPED_NOTICE = "Stopped."
INTERRUPTED_NOTICE = "Sorry, I was interrupted while I worked on your last message. Please send it again."


class Deferred:
    """Run deferred turns and see each to a visible end."""

    def __init__(self, steps: Steps, *, on_interrupted: OnInterrupted = "apologise") -> None:
        self._steps = steps
        self._on_interrupted = on_interrupted
        self._tasks: dict[asyncio.Task[None], Turn] = {}
        self._gathering = Gathering(self._run_together)

    def __len__(self) -> int:
        """Return how many turns are waiting or running."""
        return len(self._tasks)

    def start(self, turn: Turn) -> None:
        """Run an admitted turn in its lane, together with what its channel says belongs to it."""
        turn.deferred = True
        self._gathering.add(turn, self._steps.parts.plugins.channel(turn.request.channel).settle(turn.request))

    async def stop(self, lane: str) -> int:
        """Cancel the turns that wait or run in a lane; each ends unanswered. Return how many there were."""
        self._gathering.flush(lane)
        stopped = [task for task, turn in self._tasks.items() if turn.conversation.lane == lane]
        for task in stopped:
            self._tasks[task].stopped = True
            task.cancel()
        if stopped:
            await asyncio.wait(stopped)
        return len(stopped)

    async def recover(self) -> int:
        """Take up what a crash left: run what had not started, apologise for what was cut off, or run it again."""
        taken = 0
        async for record in self._steps.parts.journal.unfinished():
            await self._take_up(record)
            taken += 1
        return taken

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
            await steps.run_hooks(turn)
            await steps.enter(turn)
            await steps.plan(turn)
            await steps.started(turn)
            if turn.plan.here:
                live = steps.parts.plugins.channel(turn.request.channel).live_reply(turn.request)
            result = await self._run(turn, live)
            await steps.commit(turn, result, live)
        except asyncio.CancelledError:
            if not turn.stopped:
                raise
            await steps.abandon(turn, STOPPED_NOTICE if live else None, live)
        except TurnRefused as refusal:
            await steps.abandon(turn, str(refusal.outcome.to_public_dict().get("message", FAILED_NOTICE)), live)
        except Exception:
            logger.exception("A turn failed", extra={"channel": turn.request.channel, "turn": turn.id})
            await steps.abandon(turn, FAILED_NOTICE, live)
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

    async def _take_up(self, record: TurnRecord) -> None:
        parts = self._steps.parts
        request = decode_request(record.request)
        person = record.isolation_key or None
        known = parts.plugins.knows(record.channel)
        scope = parts.plugins.channel(record.channel).conversation_scope if known else None
        conversation = conversation_of(request, person, scope)
        place = parts.lanes.reserve(conversation.lane, limited=False)
        turn = Turn(record.turn_id, request, person, conversation, place, record=record, deferred=True)
        verdict = await parts.gate.authorize_request(request) if known else None
        if verdict is None:
            await self._give_up(turn, None)
        elif not isinstance(verdict, Allowed):
            await self._give_up(turn, str(verdict.to_public_dict()["message"]))
        elif record.status == "running" and (self._on_interrupted == "apologise" or record.runs >= RERUN_LIMIT):
            await self._give_up(turn, INTERRUPTED_NOTICE)
        else:
            self.start(turn)

    async def _give_up(self, turn: Turn, notice: str | None) -> None:
        try:
            await self._steps.abandon(turn, notice)
        finally:
            turn.close()

    def _run_together(self, turns: list[Turn]) -> None:
        first, *rest = turns
        task = asyncio.get_running_loop().create_task(self._together(first, rest))
        self._tasks[task] = first
        task.add_done_callback(self._tasks.pop)

    async def _together(self, first: Turn, rest: list[Turn]) -> None:
        """Let the first turn speak for all; the others end with it, answered by the same answer."""
        if rest:
            channel = self._steps.parts.plugins.channel(first.request.channel)
            first.request = channel.merge([first.request, *(turn.request for turn in rest)])
        try:
            await self._work(first)
        finally:
            for turn in rest:
                turn.close()
        for turn in rest:
            await self._steps.end_with(turn, first)
