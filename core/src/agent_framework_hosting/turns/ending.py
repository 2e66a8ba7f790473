"""Step 8: from an answer, or from its failure, to a committed end and to deliveries under way.

All that belongs to an end is one commit: session, deliveries, the journal's entry and the answer of a background run.
When the store is sick an end waits, in order, until it is well: a turn with a journal entry was promised one.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass

from agent_framework import AgentResponse, Message

from ..delivery.continuations import Continuation, Continuations
from ..delivery.delivery import Delivery, echo_of
from ..delivery.journal import Journal, TurnRecord, TurnStatus
from ..delivery.outbox import NOTHING_STAGED, Outbox, Staged
from ..errors import Fenced, RecordsDiffer, StoreError
from ..model.result import HostedRunResult, TargetResult
from ..plugins.manager import PluginManager
from ..ports import Write
from ..sessions.conversations import SNAPSHOTS, Sessions
from .turn import Show, Turn

logger = logging.getLogger(__name__)

FAILED_NOTICE = "Sorry, something went wrong while I worked on your message. Please try again."
INTERRUPTED_NOTICE = "Sorry, I was interrupted while I worked on your last message. Please send it again."
_FAILED = "The agent failed."
_FIRST_PAUSE = 0.25
_LONGEST_PAUSE = 10.0
_MOST_SESSIONS_WAITING = 1_000
_under_way: set[asyncio.Task[None]] = set()  # the loop itself holds tasks weakly


@dataclass(frozen=True, slots=True)
class Ending:
    """How one turn came out, with those it spoke for: their records, if they have any, and what to commit with them."""

    turn: Turn
    records: Sequence[TurnRecord]
    status: TurnStatus
    staged: Staged
    session: Sequence[Write] = ()
    runs: Sequence[Write] = ()
    note: str | None = None


class Endings:
    """Begin and end turns in the journal. A turn ends once; ending it again does nothing."""

    def __init__(
        self,
        journal: Journal,
        continuations: Continuations,
        outbox: Outbox,
        sessions: Sessions,
        plugins: PluginManager,
    ) -> None:
        self._journal = journal
        self._continuations = continuations
        self._outbox = outbox
        self._sessions = sessions
        self._plugins = plugins
        self._waiting: deque[Ending] = deque()
        self._worker: asyncio.Task[None] | None = None

    async def begin(self, turn: Turn) -> None:
        """Mark a journaled turn, and those it speaks for, as running: from here on its tools may act."""
        if turn.record is None:
            return
        if turn.show is Show.LATER:
            await _outlast(lambda: self._begin(turn))
        else:
            await self._begin(turn)

    async def commit(self, turn: Turn) -> None:
        """End a turn together with its session and its deliveries, in one transaction.

        A turn with a record or deliveries gets there even when its caller goes away meanwhile. Raises ``Fenced`` for
        one that another host has taken over.
        """
        if turn.result is None:
            raise ValueError(f"Turn {turn.id} has no answer to commit; abandon it.")
        turn.ended = True
        work = self._commit(turn, turn.result)
        if turn.record is not None or turn.plan.pushes:
            await to_the_end(work)
            return
        try:
            await work
        except asyncio.CancelledError:
            self._journal.counters.ended("failed", len(_everyone(turn)))
            raise

    async def abandon(self, turn: Turn, notice: str | None = None) -> None:
        """End a turn that has no answer, unless it has ended; ``notice`` tells the origin so, durably."""
        if turn.ended:
            return
        turn.ended = True
        staged = NOTHING_STAGED if notice is None else await self._notify(turn, notice)
        runs = [self._continuations.failed(run, notice or _FAILED) for run in _runs(turn)]
        with suppress(Fenced):  # who has it now tells the origin
            await self._end(Ending(turn, _records(turn), "failed", staged, (), runs, notice))

    async def drain(self) -> None:
        """Try once more what waits for the store, and leave the rest to the next start."""
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.cancel()
            await asyncio.wait([worker])
        while self._waiting:
            try:
                with suppress(Fenced):
                    await self._write(self._waiting[0])
            except StoreError:
                logger.exception("%d ended turns could not be recorded; a restart takes them up", len(self._waiting))
                self._waiting.clear()
                return
            self._waiting.popleft()

    async def _begin(self, turn: Turn) -> None:
        held = [each for each in _everyone(turn) if each.record is not None]
        started = await self._journal.start(_records(turn), [self._continuations.running(run) for run in _runs(turn)])
        for each, record in zip(held, started, strict=True):
            each.record = record

    async def _commit(self, turn: Turn, result: HostedRunResult[TargetResult]) -> None:
        try:
            session = self._kept_session(turn)
            deliveries = self._deliveries(turn, result)
            staged = await self._outbox.stage(deliveries, turn.live) if deliveries else NOTHING_STAGED
            status: TurnStatus = "answered"
            if staged.lost_origin:  # whoever asked is told, rather than left waiting
                status = "failed"
                staged = staged.joined(await self._notify(turn, FAILED_NOTICE))
        except Exception:
            turn.ended = False
            raise
        note = f"{len(staged.faults)} deliveries could not be scheduled" if staged.faults else None
        runs = [self._continuations.completed(run, result) for run in _runs(turn)]
        await self._end(Ending(turn, _records(turn), status, staged, session, runs, note))

    def _kept_session(self, turn: Turn) -> Sequence[Write]:
        """Remember the session; one that cannot be stored costs the next turn its memory, never this answer."""
        where = turn.conversation
        if turn.session is None or where.isolation_key is None:
            return ()
        try:
            return self._sessions.keep(where.isolation_key, where.key, turn.session)
        except Exception:
            logger.exception("A session could not be stored", extra={"channel": turn.request.channel})
            return ()

    def _deliveries(self, turn: Turn, result: HostedRunResult[TargetResult]) -> list[Delivery]:
        request, plan = turn.request, turn.plan
        if not turn.delivers:
            return []
        echo = echo_of(request.input) if plan.echo and plan.pushes else None
        pushes = [Delivery(to, result, echo, request=request, turn_id=turn.id) for to in plan.pushes]
        later = turn.show is Show.LATER and plan.here
        if later and request.identity and self._plugins.can_push(request.channel):
            home = Delivery(request.identity, result, originating=True, request=request, turn_id=turn.id)
            return [home, *pushes]
        return pushes

    async def _notify(self, turn: Turn, text: str) -> Staged:
        """Stage the host's own words to the origin; when even that fails, end what is shown there."""
        to = turn.request.identity
        staged = NOTHING_STAGED
        if to is not None and self._plugins.can_push(to.channel):
            answer = HostedRunResult(AgentResponse(messages=[Message("assistant", [text])]))
            notice = Delivery(to, answer, kind="notice", originating=True, turn_id=turn.id)
            staged = await self._outbox.stage([notice], turn.live)
        if turn.live is not None and not staged.task_ids:
            try:
                await turn.live.fail(text)
            except Exception:
                logger.exception("A preview could not be ended", extra={"turn": turn.id})
        return staged

    # Committing, at once or in order as soon as a sick store is well

    async def _end(self, ending: Ending) -> None:
        for each in _everyone(ending.turn):
            each.ended = True
        if self._waiting and (ending.records or ending.session):
            self._wait(ending)
            return
        try:
            await self._write(ending)
        except StoreError as error:
            if ending.staged.writes and not ending.records:  # nobody was promised these
                self._journal.counters.ended("failed", len(_everyone(ending.turn)))
                raise
            logger.warning("The end of a turn waits for its store: %s", error)
            self._wait(ending)

    def _wait(self, ending: Ending) -> None:
        """Let an end wait for its store; of those that only remember a session, no more than fit."""
        if not ending.records and len(self._waiting) >= _MOST_SESSIONS_WAITING:
            logger.error("A session could not be stored", extra={"channel": ending.turn.request.channel})
            self._journal.counters.ended(ending.status, len(_everyone(ending.turn)))
            return
        self._waiting.append(ending)
        if self._worker is None:
            self._worker = asyncio.get_running_loop().create_task(self._work_off())

    async def _work_off(self) -> None:
        while self._waiting:
            ending = self._waiting[0]
            try:
                with suppress(Fenced):
                    await _outlast(lambda: self._write(ending))  # noqa: B023 - awaited before the loop goes on
            except Exception:
                logger.exception("The end of a turn could not be recorded; a restart takes it up")
            self._waiting.popleft()
        self._worker = None

    async def _write(self, ending: Ending) -> None:
        turn, counters, turns = ending.turn, self._journal.counters, len(_everyone(ending.turn))
        session = ending.session if self._wants_session(turn) else ()  # while it waited, it may have been forgotten
        try:
            version = await self._written(ending, session)
        except Fenced:
            logger.warning("A turn was taken over by another host, which sees to its end", extra={"turn": turn.id})
            counters.accepted -= turns
            raise
        except RecordsDiffer as error:
            if any(table != SNAPSHOTS.name for table, _ in error.records):
                raise
            logger.warning("A conversation was changed by another host meanwhile", extra={"turn": turn.id})
            await self._written(ending, ())
        else:
            where = turn.conversation
            if self._sessions.shared and session and turn.session is not None and where.isolation_key is not None:
                self._sessions.kept(where.isolation_key, where.key, turn.session, version)
        if ending.status == "answered":
            counters.answered += turns
        else:
            counters.failed += turns
        if ending.staged is not NOTHING_STAGED:
            self._outbox.start(ending.staged)

    def _wants_session(self, turn: Turn) -> bool:
        where, session = turn.conversation, turn.session
        if session is None or where.isolation_key is None:
            return False
        return self._sessions.is_wanted(where.isolation_key, where.key, session)

    async def _written(self, ending: Ending, session: Sequence[Write]) -> int:
        staged = () if ending.staged is NOTHING_STAGED else ending.staged.writes
        writes = [*session, *staged, *ending.runs]
        if ending.records:
            tasks = ending.staged.task_ids
            return await self._journal.finish(ending.records, ending.status, writes, tasks=tasks, note=ending.note)
        return await self._journal.commit(writes) if writes else 0


def _everyone(turn: Turn) -> tuple[Turn, ...]:
    """Return a turn and those it speaks for."""
    return (turn, *turn.companions) if turn.companions else (turn,)


def _records(turn: Turn) -> list[TurnRecord]:
    return [each.record for each in _everyone(turn) if each.record is not None]


def _runs(turn: Turn) -> list[Continuation]:
    return [each.continuation for each in _everyone(turn) if each.continuation is not None]


async def _outlast(work: Callable[[], Awaitable[None]]) -> None:
    """Do work that commits to a store, again and again until the store takes it."""
    pause = _FIRST_PAUSE
    while True:
        try:
            return await work()
        except StoreError as error:
            logger.warning("A turn waits for its store: %s", error)
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)


async def to_the_end(work: Coroutine[object, object, None]) -> None:
    """Run ``work``, all of it, even when the caller is cancelled meanwhile; only then it is not waited for."""
    await asyncio.shield(see_to(work))


def see_to(work: Coroutine[object, object, None]) -> asyncio.Task[None]:
    """Run ``work``, all of it, without waiting for it."""
    task = asyncio.get_running_loop().create_task(work)
    _under_way.add(task)
    task.add_done_callback(_under_way.discard)
    return task
