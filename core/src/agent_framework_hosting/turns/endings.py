"""Step 8: from an answer, or from its failure, to a committed end and to deliveries under way."""

from __future__ import annotations

import logging

from agent_framework import AgentResponse, Message

from ..delivery.journal import TurnStatus
from ..delivery.outbox import Delivery, echo_of
from ..delivery.staging import NOTHING_STAGED, Staged
from ..model.result import HostedRunResult, TargetResult
from ..ports import LiveReply, Write
from .backlog import Backlog, Ending
from .finishing import to_the_end
from .parts import TurnParts
from .turn import Turn

logger = logging.getLogger(__name__)

FAILED_NOTICE = "Sorry, something went wrong while I worked on your message. Please try again."
INTERRUPTED_NOTICE = "Sorry, I was interrupted while I worked on your last message. Please send it again."
_FAILED = "The agent failed."


class Endings:
    """Begin and end turns in the journal. A turn ends once; ending it again does nothing."""

    def __init__(self, parts: TurnParts) -> None:
        self._parts = parts
        self._backlog = Backlog(parts.journal, parts.outbox)

    async def started(self, turn: Turn) -> None:
        """Mark a journaled turn, and those it speaks for, as running: from here on its tools may act."""
        if turn.record is None:
            return
        everyone = [each for each in (turn, *turn.companions) if each.record is not None]
        writes: list[Write] = [
            self._parts.continuations.running(each.continuation) for each in everyone if each.continuation is not None
        ]
        started = await self._parts.journal.start([each.record for each in everyone if each.record is not None], writes)
        for each, record in zip(everyone, started, strict=True):
            each.record = record

    async def commit(self, turn: Turn, result: HostedRunResult[TargetResult], live: LiveReply | None = None) -> None:
        """Keep the session, then end the turn together with its deliveries, in one transaction.

        A turn with a record or deliveries gets there even when its caller goes away meanwhile.
        """
        turn.ended = True
        work = self._commit(turn, result, live)
        await (work if turn.record is None and not turn.plan.pushes else to_the_end(work))

    async def abandon(self, turn: Turn, notice: str | None = None, live: LiveReply | None = None) -> None:
        """End a turn that has no answer, unless it has ended; ``notice`` tells the origin so, durably."""
        if turn.ended:
            return
        turn.ended = True
        staged = NOTHING_STAGED if notice is None else await self._notify(turn, notice, live)
        await self._end(turn, "failed", staged, None, note=notice)

    async def drain(self) -> None:
        """Commit what waits for the store, if it can be."""
        await self._backlog.drain()

    async def _commit(self, turn: Turn, result: HostedRunResult[TargetResult], live: LiveReply | None) -> None:
        try:
            await self._keep_session(turn)
            staged = await self._parts.outbox.stage(self._deliveries(turn, result), live)
            status: TurnStatus = "answered"
            if staged.lost_origin:  # whoever asked is told, rather than left waiting
                status = "failed"
                staged = staged.joined(await self._notify(turn, FAILED_NOTICE, live))
        except Exception:
            turn.ended = False
            raise
        note = f"{len(staged.faults)} deliveries could not be scheduled" if staged.faults else None
        await self._end(turn, status, staged, result, note=note)

    async def _end(
        self,
        turn: Turn,
        status: TurnStatus,
        staged: Staged,
        result: HostedRunResult[TargetResult] | None,
        *,
        note: str | None = None,
    ) -> None:
        everyone = (turn, *turn.companions)
        for each in everyone:
            each.ended = True
        tokens = self._parts.continuations
        runs = [each.continuation for each in everyone if each.continuation is not None]
        writes = [
            tokens.failed(run, note or _FAILED) if result is None else tokens.completed(run, result) for run in runs
        ]
        records = [each.record for each in everyone if each.record is not None]
        await self._backlog.commit(Ending(len(everyone), records, status, staged, writes, note))

    async def _keep_session(self, turn: Turn) -> None:
        """Remember the session; one that cannot be stored costs the next turn its memory, never this answer."""
        where = turn.conversation
        if turn.session is None or where.isolation_key is None:
            return
        try:
            await self._parts.sessions.keep(where.isolation_key, where.key, turn.session)
        except Exception:
            logger.exception("A session could not be stored", extra={"channel": turn.request.channel})

    def _deliveries(self, turn: Turn, result: HostedRunResult[TargetResult]) -> list[Delivery]:
        request, plan = turn.request, turn.plan
        if not turn.delivers:
            return []
        echo = echo_of(request.input) if plan.echo and plan.pushes else None
        pushes = [Delivery(to, result, echo, request=request, turn_id=turn.id) for to in plan.pushes]
        if turn.deferred and plan.here and request.identity and self._parts.plugins.can_push(request.channel):
            home = Delivery(request.identity, result, originating=True, request=request, turn_id=turn.id)
            return [home, *pushes]
        return pushes

    async def _notify(self, turn: Turn, text: str, live: LiveReply | None) -> Staged:
        """Stage the host's own words to the origin; when even that fails, end what is shown there."""
        to = turn.request.identity
        staged = NOTHING_STAGED
        if to is not None and self._parts.plugins.can_push(to.channel):
            answer = HostedRunResult(AgentResponse(messages=[Message("assistant", [text])]))
            notice = Delivery(to, answer, kind="notice", originating=True, turn_id=turn.id)
            staged = await self._parts.outbox.stage([notice], live)
        if live is not None and not staged.task_ids:
            try:
                await live.fail(text)
            except Exception:
                logger.exception("A preview could not be ended", extra={"turn": turn.id})
        return staged
