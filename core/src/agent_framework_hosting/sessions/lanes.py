"""One turn at a time per conversation, in order of arrival; different conversations run side by side."""

from __future__ import annotations

import asyncio
from collections import deque

from ..errors import LaneFull


class Lanes:
    """Hand out places in lanes; a lane exists only while somebody is in it.

    ``waiting_limit`` bounds the turns waiting behind the first of a lane; ``running_limit`` bounds the turns running
    at once in all lanes together, and only queues.
    """

    def __init__(self, *, waiting_limit: int = 32, running_limit: int = 1000) -> None:
        self._lanes: dict[str, deque[LanePlace]] = {}
        self._waiting_limit = waiting_limit
        self.running = asyncio.Semaphore(running_limit)

    def __len__(self) -> int:
        """Return how many lanes are in use."""
        return len(self._lanes)

    def reserve(self, name: str, *, limited: bool = True) -> LanePlace:
        """Take a place at the end of a lane without waiting. Raises ``LaneFull``."""
        lane = self._lanes.get(name)
        if lane is None:
            lane = self._lanes[name] = deque()
        elif limited and len(lane) > self._waiting_limit:
            raise LaneFull(f"{len(lane) - 1} turns already wait in this lane.")
        place = LanePlace(self, name, lane)
        lane.append(place)
        return place

    def forget(self, name: str, lane: deque[LanePlace]) -> None:
        """Drop a lane nobody is in any more."""
        if self._lanes.get(name) is lane:
            del self._lanes[name]


class LanePlace:
    """One turn's place in a lane: ``enter`` waits for it, ``leave`` gives it back, once, from wherever it stands.

    Places are entered in the order they were reserved, whoever asks first.
    """

    __slots__ = ("_entered", "_first", "_lane", "_lanes", "_left", "_name")

    def __init__(self, lanes: Lanes, name: str, lane: deque[LanePlace]) -> None:
        self._lanes = lanes
        self._name = name
        self._lane = lane
        self._first: asyncio.Event | None = None
        self._entered = False
        self._left = False

    async def enter(self) -> None:
        """Wait until this turn may run; a cancelled wait gives the place back."""
        try:
            if self._lane[0] is not self:
                self._first = asyncio.Event()
                await self._first.wait()
            await self._lanes.running.acquire()
        except BaseException:
            self.leave()
            raise
        self._entered = True

    def leave(self) -> None:
        """Give the place back; calling again does nothing."""
        if self._left:
            return
        self._left = True
        if self._entered:
            self._lanes.running.release()
        was_first = self._lane[0] is self
        self._lane.remove(self)
        if not self._lane:
            self._lanes.forget(self._name, self._lane)
        elif was_first:
            self._lane[0].wake()

    def wake(self) -> None:
        """Tell a waiting place that it is first now."""
        if self._first is not None:
            self._first.set()
