"""The inbound journal: which messages were accepted, how far each came, and which events were seen before."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from ..errors import RecordExists, UnreadableRecord
from ..ports import Delete, Insert, Put, Store, Write
from ..state.records import RecordCodec

logger = logging.getLogger(__name__)

TURNS = "turns"
QUARANTINE = "quarantine"
DAY = 86_400.0

TurnStatus: TypeAlias = Literal["admitted", "running", "answered", "failed", "interrupted"]
FINISHED: frozenset[TurnStatus] = frozenset({"answered", "failed", "interrupted"})


@dataclass(frozen=True, slots=True)
class TurnRecord:
    """One accepted message. Times are seconds since the epoch; ``tasks`` are the ids of its deliveries."""

    turn_id: str
    channel: str
    isolation_key: str
    request: dict[str, object]
    admitted_at: float
    event_id: str | None = None
    status: TurnStatus = "admitted"
    runs: int = 0
    started_at: float | None = None
    finished_at: float | None = None
    tasks: list[str] = field(default_factory=list[str])
    token: str | None = None
    note: str | None = None


turn_codec = RecordCodec("turn", 1, TurnRecord)


@dataclass(slots=True)
class Counters:
    """Count turns since start; ``accepted`` minus the others is what is still under way."""

    accepted: int = 0
    answered: int = 0
    failed: int = 0


class EventAlreadySeen(Exception):  # noqa: N818 - reads as the condition it names
    """The platform delivered an event again."""


class Journal:
    """Record accepted messages so that each comes to a visible end, and drop repeated events for ``dedupe_days``.

    Finished turns stay for ``trace``: at most ``history_limit``, oldest first to go.
    """

    def __init__(
        self,
        store: Store,
        *,
        dedupe_days: int = 2,
        history_limit: int = 10_000,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._dedupe_days = dedupe_days
        self._history_limit = history_limit
        self._clock = clock
        self._arriving: set[str] = set()
        self.counters = Counters()

    def now(self) -> float:
        """Return the journal's clock, in seconds since the epoch."""
        return self._clock()

    async def commit(self, writes: Sequence[Write]) -> None:
        """Commit deliveries of a turn that has no entry of its own."""
        await self._store.commit(writes)

    async def seen(self, channel: str, event_id: str) -> bool:
        """Whether this event was accepted before, or is being accepted right now."""
        key = _event_key(channel, event_id)
        if key in self._arriving:
            return True
        for table in self._event_tables():
            if await self._store.get(table, key) is not None:
                return True
        return False

    async def admit(self, turn: TurnRecord, writes: Sequence[Write]) -> None:
        """Accept a turn together with ``writes``, in one commit. Raises ``EventAlreadySeen``."""
        commit: list[Write] = [*writes, Put(TURNS, turn.turn_id, turn_codec.dump(turn))]
        if turn.event_id is None:
            await self._store.commit(commit)
        else:
            await self._admit_event(turn.channel, turn.event_id, turn.turn_id, commit)
        self.counters.accepted += 1

    async def start(self, turn: TurnRecord) -> TurnRecord:
        """Mark a turn as running: from here on its tools may have acted."""
        started = replace(turn, status="running", runs=turn.runs + 1, started_at=self._clock())
        await self._store.commit([Put(TURNS, turn.turn_id, turn_codec.dump(started))])
        return started

    async def finish(
        self,
        turn: TurnRecord,
        status: TurnStatus,
        writes: Sequence[Write] = (),
        *,
        tasks: Sequence[str] = (),
        note: str | None = None,
    ) -> None:
        """End a turn together with its deliveries, in one commit."""
        ended = replace(
            turn, status=status, finished_at=self._clock(), tasks=[*turn.tasks, *tasks], note=note, request={}
        )
        await self._store.commit([*writes, Put(TURNS, turn.turn_id, turn_codec.dump(ended))])
        if status == "answered":
            self.counters.answered += 1
        else:
            self.counters.failed += 1

    async def get(self, turn_id: str) -> TurnRecord | None:
        """Return one turn, or None when it is not known any more."""
        text = await self._store.get(TURNS, turn_id)
        return None if text is None else turn_codec.load(text)

    async def unfinished(self) -> AsyncIterator[TurnRecord]:
        """Yield turns a crash left behind, oldest first; unreadable records are set aside and named."""
        async for key, text in self._all():
            try:
                turn = turn_codec.load(text)
            except UnreadableRecord as error:
                logger.warning("Set aside an unreadable journal record", extra={"record": key, "reason": str(error)})
                await self._store.commit([Put(QUARANTINE, f"{TURNS}:{key}", text), Delete(TURNS, key)])
                continue
            if turn.status not in FINISHED:
                self.counters.accepted += 1
                yield turn

    async def sweep(self) -> None:
        """Forget events past the dedupe window and the oldest finished turns past the limit."""
        oldest_day = int(self._clock() // DAY) - self._dedupe_days
        for table in (f"events.{oldest_day - age}" for age in range(1, 366)):
            while rows := await self._store.scan(table):
                await self._store.commit([Delete(table, key) for key, _ in rows])
        surplus = await self._store.count(TURNS) - self._history_limit
        if surplus <= 0:
            return
        doomed: list[Write] = []
        async for key, text in self._all():
            if len(doomed) >= surplus:
                break
            if turn_codec.load(text).status in FINISHED:
                doomed.append(Delete(TURNS, key))
        await self._store.commit(doomed)

    async def _admit_event(self, channel: str, event_id: str, turn_id: str, commit: list[Write]) -> None:
        key = _event_key(channel, event_id)
        if key in self._arriving:
            raise EventAlreadySeen(event_id)
        self._arriving.add(key)
        try:
            await self._store.commit([*commit, Insert(self._event_tables()[0], key, turn_id)])
        except RecordExists as error:
            raise EventAlreadySeen(event_id) from error
        finally:
            self._arriving.discard(key)

    async def _all(self) -> AsyncIterator[tuple[str, str]]:
        after = ""
        while rows := await self._store.scan(TURNS, after=after):
            for row in rows:
                yield row
            after = rows[-1][0]

    def _event_tables(self) -> list[str]:
        """One table a day, newest first, so that forgetting old events needs no scan of the young ones."""
        today = int(self._clock() // DAY)
        return [f"events.{today - age}" for age in range(self._dedupe_days + 1)]


def _event_key(channel: str, event_id: str) -> str:
    return f"{channel}\x1f{event_id}"
