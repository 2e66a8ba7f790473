"""Which platform events were accepted lately: a window of the past, bounded in time and number."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass

from ..errors import UnreadableRecord
from ..ports import Delete, Insert, Store, Write
from ..state.records import RecordCodec

logger = logging.getLogger(__name__)

EVENTS = "events"
_FORGET_AT_ONCE = 64
_NEVER = 0.0


@dataclass(frozen=True, slots=True)
class SeenEvent:
    """One event: the turn it became and when, in seconds since the epoch."""

    turn_id: str
    at: float


_codec = RecordCodec("event", 1, SeenEvent)


class EventWindow:
    """Remember events for ``seconds``, at most ``limit``, oldest first to go.

    The store decides whether an event is new; memory holds only the order in which to forget.
    """

    def __init__(self, store: Store, *, seconds: float, limit: int, clock: Callable[[], float]) -> None:
        self._store = store
        self._seconds = seconds
        self._limit = limit
        self._clock = clock
        self._order: deque[tuple[float, str]] = deque()
        self._arriving: set[str] = set()

    async def seen(self, channel: str, event_id: str) -> bool:
        """Whether an event was accepted within the window, or is being accepted right now."""
        key = event_key(channel, event_id)
        return key in self._arriving or await self._is_known(key)

    @contextmanager
    def arriving(self, channel: str, event_id: str) -> Generator[bool]:
        """Hold an event while it is being accepted; False when somebody else holds it."""
        key = event_key(channel, event_id)
        if key in self._arriving:
            yield False
            return
        self._arriving.add(key)
        try:
            yield True
        finally:
            self._arriving.discard(key)

    def record(self, channel: str, event_id: str, turn_id: str) -> list[Write]:
        """Return what accepts an event, and what forgets old ones; the commit fails when the event is known."""
        key, now = event_key(channel, event_id), self._clock()
        forgotten: list[Write] = []
        while self._order and len(forgotten) < _FORGET_AT_ONCE:
            at, oldest = self._order[0]
            if at > now - self._seconds and len(self._order) < self._limit:
                break
            self._order.popleft()
            forgotten.append(Delete(EVENTS, oldest))
        self._order.append((now, key))
        return [*forgotten, Insert(EVENTS, key, _codec.dump(SeenEvent(turn_id, now)))]

    async def load(self) -> None:
        """Take stock of what the store remembers; what is past the window or cannot be read is removed."""
        earliest = self._clock() - self._seconds
        found: list[tuple[float, str]] = []
        unreadable, after = 0, ""
        while rows := await self._store.scan(EVENTS, after=after):
            after = rows[-1][0]
            stale: list[Write] = []
            for key, text in rows:
                at = _time_of(text)
                if at > earliest:
                    found.append((at, key))
                else:
                    unreadable += at == _NEVER
                    stale.append(Delete(EVENTS, key))
            if stale:
                await self._store.commit(stale)
        if unreadable:
            logger.warning("%d records of table %s could not be read and were removed", unreadable, EVENTS)
        self._order = deque(sorted(found))

    async def _is_known(self, key: str) -> bool:
        text = await self._store.get(EVENTS, key)
        if text is None:
            return False
        if _time_of(text) > self._clock() - self._seconds:
            return True
        await self._store.commit([Delete(EVENTS, key)])  # so that its insertion succeeds
        return False


def _time_of(text: str) -> float:
    try:
        return _codec.load(text).at
    except UnreadableRecord:
        return _NEVER


def event_key(channel: str, event_id: str) -> str:
    """Return the store key of an event."""
    return f"{channel}\x1f{event_id}"
