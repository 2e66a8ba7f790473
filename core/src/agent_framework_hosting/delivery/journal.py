"""The inbound journal: which messages were accepted, by whom, how far each came, and which events were seen."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, TypeAlias

from msgspec import Struct, field
from msgspec.structs import replace

from ..errors import RecordExists
from ..ports import HOST_LEASE, Fence, Store, WorkOwnership, Write
from ..records import KEY_SEPARATOR, Expiry, RecordCodec, Records, Table, key_of

logger = logging.getLogger(__name__)

TurnStatus: TypeAlias = Literal["admitted", "running", "answered", "failed"]
FINISHED: frozenset[TurnStatus] = frozenset({"answered", "failed"})
_KNOWN_EVENTS = 10_000
_PAGE = 200


class TurnRecord(Struct, frozen=True):
    """One accepted message. Times are seconds since the epoch; ``tasks`` are the ids of its deliveries.

    ``owner`` and ``epoch`` name the start of a host that holds it. ``active`` is the address the person used before,
    ``joined`` the turn that speaks for this one too, ``hints`` are the partition hints of the request (user, chat).
    What was asked is forgotten once the turn has ended.
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
    owner: str = ""
    epoch: int = 0


@dataclass(frozen=True, slots=True)
class SeenEvent:
    """One platform event: the turn it became and when, in seconds since the epoch."""

    turn_id: str
    at: float


_turns = RecordCodec("turn", 1, TurnRecord)
_whose = ("isolation_key", "request.identity")
TURNS = Table("turns", _turns, person=_whose, holds="accepted messages that have no end yet", keys_are_ids=True)
HISTORY = Table(
    "turns.ended",
    _turns,
    person=_whose,
    expiry=Expiry(most=10_000),
    holds="messages that came to their end",
    keys_are_ids=True,
)
EVENTS = Table(
    "events",
    RecordCodec("event", 1, SeenEvent),
    expiry=Expiry(seconds=172_800.0, most=100_000),
    unreadable="drop",
    holds="events seen lately",
)


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
    """Record accepted messages so that each comes to a visible end, and drop repeated events.

    Whether an event is new the store decides as it takes it; what this process took lately it tells by itself. What
    another host has taken over cannot be changed any more: its commits end in ``Fenced``.
    """

    def __init__(self, store: Store, ownership: WorkOwnership) -> None:
        self._store = store
        self.now = store.now  # in seconds since the epoch
        self._ownership = ownership
        self._open = Records(store, TURNS)
        self._ended = Records(store, HISTORY)
        self._events = Records(store, EVENTS)
        self._known: OrderedDict[str, float] = OrderedDict()
        self._arriving: set[str] = set()
        self.counters = Counters()

    @property
    def durable(self) -> bool:
        """Whether another process, now or later, finds what this one leaves."""
        return self._store.durable or self._ownership.shared

    async def commit(self, writes: Sequence[Write]) -> int:
        """Commit what belongs to no entry of the journal."""
        return await self._store.commit(writes)

    def seen(self, channel: str, event_id: str) -> bool:
        """Whether this event is known to have been accepted before, or is being accepted right now."""
        key = event_key(channel, event_id)
        return key in self._arriving or self._known.get(key, 0.0) > self.now()

    async def admit(self, turn: TurnRecord, writes: Sequence[Write] = ()) -> TurnRecord:
        """Accept a turn as this host's, with ``writes``, in one commit. Raises ``EventAlreadySeen``."""
        owner = self._ownership.owner
        held = replace(turn, owner=owner.id, epoch=owner.epoch)
        commit = [*_fences([held]), *writes, self._open.put(turn.turn_id, held)]
        if turn.event_id is None:
            await self._store.commit(commit)
            return held
        if self.seen(turn.channel, turn.event_id):
            raise EventAlreadySeen(turn.event_id)
        key = event_key(turn.channel, turn.event_id)
        self._arriving.add(key)
        try:
            event = self._events.insert(key, SeenEvent(turn.turn_id, turn.admitted_at))
            await self._store.commit([*commit, event])
            self._remember(key, event.expires_at or 0.0)
        except RecordExists as error:
            raise EventAlreadySeen(turn.event_id) from error
        finally:
            self._arriving.discard(key)
        return held

    async def start(self, turns: Sequence[TurnRecord], writes: Sequence[Write] = ()) -> list[TurnRecord]:
        """Mark turns as running, in one commit with ``writes``: from here on their tools may have acted.

        The first speaks for all.
        """
        now, first = self.now(), turns[0].turn_id
        started = [
            replace(turn, status="running", runs=turn.runs + 1, started_at=now, joined=first if index else None)
            for index, turn in enumerate(turns)
        ]
        records = [self._open.put(turn.turn_id, turn) for turn in started]
        await self._store.commit([*_fences(turns), *writes, *records])
        return started

    async def finish(
        self,
        turns: Sequence[TurnRecord],
        status: TurnStatus,
        writes: Sequence[Write] = (),
        *,
        tasks: Sequence[str] = (),
        note: str | None = None,
    ) -> int:
        """End turns together with all that belongs to their end, in one commit. ``tasks`` are their deliveries."""
        now = self.now()
        commit = [*_fences(turns), *writes]
        for turn in turns:
            ended = replace(turn, status=status, finished_at=now, tasks=[*turn.tasks, *tasks], note=note, request={})
            commit += [self._open.delete(turn.turn_id), self._ended.put(turn.turn_id, ended)]
        return await self._store.commit(commit)

    async def get(self, turn_id: str) -> TurnRecord | None:
        """Return one turn, or None when it is not known any more."""
        return await self._open.get(turn_id) or await self._ended.get(turn_id)

    async def all(self) -> AsyncIterator[TurnRecord]:
        """Go through every turn that is known, those without an end first, oldest first."""
        for table in (self._open, self._ended):
            async for _, turn in table.all():
                yield turn

    async def left_behind(self, owner_id: str | None = None) -> AsyncIterator[TurnRecord]:
        """Take over the turns without an end of ``owner_id``, or of everybody whose work is ours to take, oldest first.

        What an earlier edition ended in this table goes where it belongs.
        """
        if owner_id is None:
            self.counters = Counters()  # counting begins anew with each start
        mine: dict[str, bool] = {}
        moved: list[Write] = []
        async for turn_id, turn in self._open.all():
            if turn.status in FINISHED:
                moved += [self._open.delete(turn_id), self._ended.put(turn_id, turn)]
                continue
            if turn.owner not in mine:
                asked_for = owner_id is None or turn.owner == owner_id
                mine[turn.owner] = asked_for and await self._ownership.may_take(turn.owner)
            if mine[turn.owner]:
                yield await self._taken(turn)
        for start in range(0, len(moved), _PAGE):
            await self._store.commit(moved[start : start + _PAGE])

    async def set_aside(self, turn: TurnRecord, why: str) -> None:
        """Move a turn that cannot be taken up out of the way, and name it in the log."""
        await self._open.set_aside(turn.turn_id, TURNS.codec.dump(turn), why)

    async def _taken(self, turn: TurnRecord) -> TurnRecord:
        owner = self._ownership.owner
        held = replace(turn, owner=owner.id, epoch=owner.epoch)
        if self._ownership.shared and held != turn:  # else it is written with the next step: nobody else looks
            await self._store.commit([owner.fence, self._open.put(turn.turn_id, held)])
        return held

    def _remember(self, key: str, until: float) -> None:
        self._known[key] = until
        self._known.move_to_end(key)
        if len(self._known) > _KNOWN_EVENTS:
            self._known.popitem(last=False)


def _fences(turns: Sequence[TurnRecord]) -> list[Write]:
    owners = dict.fromkeys((turn.owner, turn.epoch) for turn in turns)
    return [Fence(HOST_LEASE + owner, epoch) for owner, epoch in owners if owner]


@lru_cache(1024)
def event_key(channel: str, event_id: str) -> str:
    """Return the store key of an event."""
    return f"{channel}{KEY_SEPARATOR}{key_of(event_id)}"
