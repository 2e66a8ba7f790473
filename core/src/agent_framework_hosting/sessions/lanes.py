"""One turn at a time per conversation; different conversations run side by side."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from ..errors import LaneFull


@dataclass(slots=True)
class _Lane:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    waiting: int = 0


class Lanes:
    """Hand out places in lanes; a lane exists only while somebody is in it.

    ``waiting_limit`` bounds the turns waiting behind the running one of a lane; ``running_limit`` bounds the turns
    running at once in all lanes together, and only queues.
    """

    def __init__(self, *, waiting_limit: int = 32, running_limit: int = 1000) -> None:
        self._lanes: dict[str, _Lane] = {}
        self._waiting_limit = waiting_limit
        self._running = asyncio.Semaphore(running_limit)

    def __len__(self) -> int:
        """Return how many lanes are in use."""
        return len(self._lanes)

    def reserve(self, name: str, *, limited: bool = True) -> LanePlace:
        """Take a place at the end of a lane without waiting. Raises ``LaneFull``."""
        lane = self._lanes.get(name)
        if lane is None:
            lane = self._lanes[name] = _Lane()
        elif limited and lane.waiting >= self._waiting_limit:
            raise LaneFull(f"{lane.waiting} turns already wait in this lane.")
        lane.waiting += 1
        return LanePlace(self, name, lane)

    async def enter(self, lane: _Lane) -> None:
        """Wait for a lane's turn, then for a free runner."""
        await lane.lock.acquire()
        try:
            await self._running.acquire()
        except BaseException:
            lane.lock.release()
            raise

    def leave(self, name: str, lane: _Lane, *, entered: bool) -> None:
        """Give a place back and forget the lane once it is empty."""
        if entered:
            self._running.release()
            lane.lock.release()
        else:
            lane.waiting -= 1
        if lane.waiting == 0 and not lane.lock.locked() and self._lanes.get(name) is lane:
            del self._lanes[name]


class LanePlace:
    """One turn's place in a lane: ``enter`` waits for it, ``leave`` gives it back, once, from wherever it stands."""

    __slots__ = ("_entered", "_lane", "_lanes", "_left", "_name")

    def __init__(self, lanes: Lanes, name: str, lane: _Lane) -> None:
        self._lanes = lanes
        self._name = name
        self._lane = lane
        self._entered = False
        self._left = False

    async def enter(self) -> None:
        """Wait until this turn may run; a cancelled wait gives the place back."""
        try:
            await self._lanes.enter(self._lane)
        except BaseException:
            self.leave()
            raise
        self._lane.waiting -= 1
        self._entered = True

    def leave(self) -> None:
        """Give the place back; calling again does nothing."""
        if not self._left:
            self._left = True
            self._lanes.leave(self._name, self._lane, entered=self._entered)
