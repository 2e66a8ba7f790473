"""Which platform events were accepted lately: a window of the past, bounded in time and number."""

from __future__ import annotations

import logging
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

    What this process knows of is told from memory; whether any other event is new, the store decides as it takes it.
    """

    def __init__(self, store: Store, *, seconds: float, limit: int, clock: Callable[[], float]) -> None:
        self._store = store
        self._seconds = seconds
        self._limit = limit
        self._clock = clock
        self._known: dict[str, float] = {}  # oldest first
        self._arriving: set[str] = set()

    def seen(self, channel: str, event_id: str) -> bool:
        """Whether an event is known to have been accepted within the window, or is being accepted right now."""
        key = event_key(channel, event_id)
        return key in self._arriving or self._known.get(key, _NEVER) > self._clock() - self._seconds

    @contextmanager
    def accepting(self, channel: str, event_id: str, turn_id: str) -> Generator[list[Write] | None]:
        """Give what accepts an event and forgets old ones, and remember it once that is committed.

        None when it is known, or being accepted. The commit fails with ``RecordExists`` when only the store knew it.
        """
        if self.seen(channel, event_id):
            yield None
            return
        key, now = event_key(channel, event_id), self._clock()
        forgotten = self._over(now)
        if key in self._known and key not in forgotten:
            forgotten.append(key)
        self._arriving.add(key)
        try:
            yield [*(Delete(EVENTS, old) for old in forgotten), Insert(EVENTS, key, _dump(turn_id, now))]
            for old in forgotten:
                self._known.pop(old, None)
            self._known[key] = now
        finally:
            self._arriving.discard(key)

    def _over(self, now: float) -> list[str]:
        """Return the oldest events that are past the window or too many, not all at once."""
        earliest, excess = now - self._seconds, len(self._known) + 1 - self._limit
        over: list[str] = []
        for key, at in self._known.items():
            if len(over) == _FORGET_AT_ONCE or (at > earliest and len(over) >= excess):
                break
            over.append(key)
        return over

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
        self._known = {key: at for at, key in sorted(found)}


def _dump(turn_id: str, at: float) -> str:
    return _codec.dump(SeenEvent(turn_id, at))


def _time_of(text: str) -> float:
    try:
        return _codec.load(text).at
    except UnreadableRecord:
        return _NEVER


def event_key(channel: str, event_id: str) -> str:
    """Return the store key of an event."""
    return f"{channel}\x1f{event_id}"
