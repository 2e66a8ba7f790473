"""The events of one response: numbered and encoded once, read by any number of readers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from functools import lru_cache
from typing import cast

from .encoding import encode
from .events import Event

DONE = b"data: [DONE]\n\n"


class LogGone(LookupError):  # noqa: N818 - reads as the condition it names
    """A reader fell so far behind that its next events are no longer held."""


class EventLog:
    """An append-only log of encoded events. The oldest go once every reader has them and ``max_bytes`` is exceeded."""

    def __init__(self, max_bytes: int) -> None:
        """Start empty."""
        self._frames: list[bytes] = []
        self._first = 0
        self._max_bytes = max_bytes
        self._readers: set[LogReader] = set()
        self.size = 0
        self.ended = False

    def __len__(self) -> int:
        """Return how many events were appended so far."""
        return self._first + len(self._frames)

    @property
    def whole(self) -> bool:
        """Whether every event is still held."""
        return self._first == 0

    def append(self, events: Iterable[Event]) -> None:
        """Number and keep the events, and wake the readers."""
        number, size, keep = self._first + len(self._frames), 0, self._frames.append
        for event in events:
            event["sequence_number"] = number
            number += 1
            frame = b"event: %b\ndata: %b\n\n" % (_name(cast("str", event["type"])), encode(event))
            keep(frame)
            size += len(frame)
        self.size += size
        if self.size > self._max_bytes:
            self._shorten()
        self._wake()

    def end(self) -> None:
        """Let the readers finish."""
        self.ended = True
        self._wake()

    def reader(self, after: int = -1) -> LogReader | None:
        """Return a reader of the events behind number ``after``; None when some of them are gone."""
        if after + 1 < self._first:
            return None
        reader = LogReader(self, min(after + 1, len(self)) if self.ended else after + 1)
        self._readers.add(reader)
        return reader

    def open(self) -> LogReader:
        """Return a reader of a log that nobody has read yet."""
        reader = LogReader(self, self._first)
        self._readers.add(reader)
        return reader

    def frames_from(self, position: int) -> bytes:
        """Return every event from a position on, as one piece; raises ``LogGone``."""
        if position < self._first:
            raise LogGone
        return b"".join(self._frames[position - self._first :])

    def leave(self, reader: LogReader) -> None:
        """Forget a reader."""
        self._readers.discard(reader)

    def _shorten(self) -> None:
        """Drop what all readers have, from the oldest on, down to the limit."""
        free = min((reader.position for reader in self._readers), default=len(self)) - self._first
        drop = 0
        while drop < free and self.size > self._max_bytes:
            self.size -= len(self._frames[drop])
            drop += 1
        del self._frames[:drop]
        self._first += drop

    def _wake(self) -> None:
        for reader in self._readers:
            reader.wake()


@lru_cache(maxsize=128)
def _name(kind: str) -> bytes:
    return kind.encode()


class LogReader:
    """One reader's place in a log."""

    __slots__ = ("_log", "_waiting", "closed", "position")

    def __init__(self, log: EventLog, position: int) -> None:
        """Start at a position."""
        self._log = log
        self._waiting: asyncio.Future[None] | None = None
        self.position = position
        self.closed = False

    async def next(self, timeout: float) -> bytes | None:  # noqa: ASYNC109 - silence is an answer here, not an error
        """Return everything new in one piece, empty after ``timeout`` seconds of silence, None at the end."""
        if not self._has_news():
            loop = asyncio.get_running_loop()
            self._waiting = loop.create_future()
            timer = loop.call_later(timeout, self.wake)
            try:
                await self._waiting
            finally:
                self._waiting = None
                timer.cancel()
        if self.closed:
            return None
        if self.position < len(self._log):
            piece = self._log.frames_from(self.position)
            self.position = len(self._log)
            return piece
        return None if self._log.ended else b""

    @property
    def at_end(self) -> bool:
        """Whether nothing more will come."""
        return self._log.ended and self.position == len(self._log)

    def wake(self) -> None:
        """Let a waiting ``next`` return."""
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    def close(self) -> None:
        """Stop reading."""
        self.closed = True
        self._log.leave(self)
        self.wake()

    def _has_news(self) -> bool:
        return self.closed or self._log.ended or self.position < len(self._log)
