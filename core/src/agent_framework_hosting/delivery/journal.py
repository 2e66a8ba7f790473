"""The inbound journal: which messages were accepted, how far each came, and which events were seen before."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from ..errors import RecordExists, UnreadableRecord
from ..ports import Delete, Put, Store, Write
from ..state.records import RecordCodec
from .events import EventWindow

logger = logging.getLogger(__name__)

TURNS = "turns"
UNREADABLE_TURNS = "turns.unreadable"

TurnStatus: TypeAlias = Literal["admitted", "running", "answered", "failed"]
FINISHED: frozenset[TurnStatus] = frozenset({"answered", "failed"})


@dataclass(frozen=True, slots=True)
class TurnRecord:
    """One accepted message. Times are seconds since the epoch; ``tasks`` are the ids of its deliveries.

    ``active`` is the address the person used before, ``joined`` the turn that speaks for this one too, ``hints`` are
    the partition hints of the request (user, chat). What was asked is forgotten once the turn has ended.
    """

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
    active: Mapping[str, object] | None = None
    joined: str | None = None
    hints: tuple[str | None, str | None] | None = None


turn_codec = RecordCodec("turn", 1, TurnRecord)


@dataclass(slots=True)
class Counters:
    """Count turns since start; ``accepted`` minus the others is what is still under way."""

    accepted: int = 0
    answered: int = 0
    failed: int = 0

    def ended(self, status: TurnStatus, turns: int) -> None:
        """Count turns that came to an end."""
        if status == "answered":
            self.answered += turns
        else:
            self.failed += turns


class EventAlreadySeen(Exception):  # noqa: N818 - reads as the condition it names
    """The platform delivered an event again."""


class Journal:
    """Record accepted messages so that each comes to a visible end, and drop repeated events for ``dedupe_seconds``.

    Finished turns stay for ``trace``: at most ``history_limit``, oldest first to go. Of events at most
    ``dedupe_limit`` are remembered.
    """

    def __init__(
        self,
        store: Store,
        *,
        dedupe_seconds: float = 172_800.0,
        dedupe_limit: int = 100_000,
        history_limit: int = 10_000,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._events = EventWindow(store, seconds=dedupe_seconds, limit=dedupe_limit, clock=clock)
        self._history_limit = history_limit
        self._history: deque[str] = deque()
        self._clock = clock
        self.counters = Counters()

    @property
    def durable(self) -> bool:
        """Whether the next process finds what this one leaves."""
        return self._store.durable

    def now(self) -> float:
        """Return the journal's clock, in seconds since the epoch."""
        return self._clock()

    async def commit(self, writes: Sequence[Write]) -> None:
        """Commit deliveries of a turn that has no entry of its own."""
        await self._store.commit(writes)

    def seen(self, channel: str, event_id: str) -> bool:
        """Whether this event is known to have been accepted before, or is being accepted right now."""
        return self._events.seen(channel, event_id)

    async def admit(self, turn: TurnRecord, writes: Sequence[Write] = ()) -> None:
        """Accept a turn together with ``writes``, in one commit. Raises ``EventAlreadySeen``."""
        commit: list[Write] = [*writes, Put(TURNS, turn.turn_id, turn_codec.dump(turn))]
        if turn.event_id is None:
            await self._store.commit(commit)
            return
        try:
            with self._events.accepting(turn.channel, turn.event_id, turn.turn_id) as event:
                if event is None:
                    raise EventAlreadySeen(turn.event_id)
                await self._store.commit([*commit, *event])
        except RecordExists as error:
            raise EventAlreadySeen(turn.event_id) from error

    async def start(self, turns: Sequence[TurnRecord], writes: Sequence[Write] = ()) -> list[TurnRecord]:
        """Mark turns as running, in one commit with ``writes``: from here on their tools may have acted.

        The first speaks for all.
        """
        now, first = self._clock(), turns[0].turn_id
        started = [
            replace(turn, status="running", runs=turn.runs + 1, started_at=now, joined=first if index else None)
            for index, turn in enumerate(turns)
        ]
        await self._store.commit([*writes, *(Put(TURNS, turn.turn_id, turn_codec.dump(turn)) for turn in started)])
        return started

    async def finish(
        self,
        turns: Sequence[TurnRecord],
        status: TurnStatus,
        writes: Sequence[Write] = (),
        *,
        tasks: Sequence[str] = (),
        note: str | None = None,
    ) -> None:
        """End turns together with what else belongs to their end, in one commit. ``tasks`` are their deliveries."""
        now = self._clock()
        ended = [
            replace(turn, status=status, finished_at=now, tasks=[*turn.tasks, *tasks], note=note, request={})
            for turn in turns
        ]
        self._history.extend(turn.turn_id for turn in turns)
        forgotten = [self._history.popleft() for _ in range(len(self._history) - self._history_limit)]
        records = [Put(TURNS, turn.turn_id, turn_codec.dump(turn)) for turn in ended]
        try:
            await self._store.commit([*writes, *records, *(Delete(TURNS, turn_id) for turn_id in forgotten)])
        except BaseException:
            for turn in turns:
                self._history.remove(turn.turn_id)
            self._history.extendleft(reversed(forgotten))
            raise

    async def get(self, turn_id: str) -> TurnRecord | None:
        """Return one turn, or None when it is not known any more. Raises ``UnreadableRecord`` for a damaged one."""
        text = await self._store.get(TURNS, turn_id)
        return None if text is None else turn_codec.load(text)

    async def unfinished(self) -> AsyncIterator[TurnRecord]:
        """Take stock of a store and yield the turns a crash left behind, oldest first; counting begins anew.

        Call it before anything is admitted. Unreadable records are set aside and named in the log.
        """
        self.counters = Counters()
        await self._events.load()
        finished: list[tuple[float, str]] = []
        after = ""
        while rows := await self._store.scan(TURNS, after=after):
            after = rows[-1][0]
            for key, text in rows:
                try:
                    turn = turn_codec.load(text)
                except UnreadableRecord as error:
                    await self.set_aside(key, str(error))
                    continue
                if turn.status in FINISHED:
                    finished.append((turn.finished_at or 0.0, key))
                else:
                    yield turn
        self._history = deque(key for _, key in sorted(finished))

    async def set_aside(self, turn_id: str, why: str) -> None:
        """Move a record that cannot be taken up out of the way, and name it in the log."""
        logger.error("Turn %s was set aside in table %s: %s", turn_id, UNREADABLE_TURNS, why)
        text = await self._store.get(TURNS, turn_id)
        if text is not None:
            await self._store.commit([Put(UNREADABLE_TURNS, turn_id, text), Delete(TURNS, turn_id)])
