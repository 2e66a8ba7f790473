"""One turn at a time per conversation, in the order they arrived; different conversations run side by side.

``ProcessLanes`` holds those of one process; ``SharedLanes`` adds that no other host on the store is in one meanwhile.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterator

from ..errors import LaneFull, StoreError

logger = logging.getLogger(__name__)

_FIRST_LOOK = 0.02
_LAST_LOOK = 0.5


class ProcessLanes:
    """Hand out places in lanes; a lane exists only while somebody is in it.

    ``waiting_limit`` bounds the turns behind the first one of a lane; ``running_limit`` bounds the turns running at
    once in all lanes together, and only queues.
    """

    def __init__(self, *, waiting_limit: int = 32, running_limit: int = 1000) -> None:
        self._lanes: dict[str, deque[LanePlace]] = {}
        self._ready: dict[LanePlace, None] = {}  # first in their lanes, waiting for one of the running to end
        self._waiting_limit = waiting_limit
        self._free = running_limit
        self._watchers: set[asyncio.Event] = set()

    def __len__(self) -> int:
        """Return how many lanes are in use."""
        return len(self._lanes)

    def __iter__(self) -> Iterator[str]:
        """Go through the names of the lanes in use."""
        return iter(tuple(self._lanes))

    def reserve(self, name: str, *, limited: bool = True) -> LanePlace:
        """Take a place at the end of a lane without waiting. Raises ``LaneFull``."""
        lane = self._lanes.get(name, deque())
        if limited and len(lane) > self._waiting_limit:
            raise LaneFull(f"{len(lane) - 1} turns already wait in this lane.")
        place = LanePlace(self, name)
        lane.append(place)
        self._lanes[name] = lane
        if lane[0] is place:
            self._ready[place] = None
            self._let_run()
        return place

    def leave(self, place: LanePlace) -> None:
        """Give a place back, let the next one run, and forget the lane once it is empty."""
        lane = self._lanes[place.name]
        was_first = lane[0] is place
        lane.remove(place)
        if place.may_run:
            self._free += 1
        self._ready.pop(place, None)
        if not lane:
            del self._lanes[place.name]
        elif was_first:
            self._ready[lane[0]] = None
        self._let_run()
        if not self._lanes:
            for watcher in self._watchers:
                watcher.set()

    async def idle(self) -> None:
        """Wait until nobody is in any lane."""
        while self._lanes:
            empty = asyncio.Event()
            self._watchers.add(empty)
            try:
                await empty.wait()
            finally:
                self._watchers.discard(empty)

    def _let_run(self) -> None:
        while self._ready and self._free:
            place = next(iter(self._ready))
            del self._ready[place]
            self._free -= 1
            place.let_run()


class LanePlace:
    """One turn's place in a lane: ``enter`` waits for it, ``leave`` gives it back, once, from wherever it stands."""

    __slots__ = ("__weakref__", "_called", "_lanes", "_left", "name")

    def __init__(self, lanes: ProcessLanes, name: str) -> None:
        self.name = name
        self._lanes = lanes
        self._called = asyncio.Event()
        self._left = False

    @property
    def may_run(self) -> bool:
        """Whether this turn is the running one of its lane."""
        return self._called.is_set()

    @property
    def left(self) -> bool:
        """Whether the place was given back."""
        return self._left

    def let_run(self) -> None:
        """Make this turn the running one of its lane."""
        self._called.set()

    async def enter(self) -> None:
        """Wait until this turn may run; a cancelled wait gives the place back."""
        try:
            await self._called.wait()
        except BaseException:
            self.leave()
            raise

    def leave(self) -> None:
        """Give the place back; calling again does nothing."""
        if not self._left:
            self._left = True
            self._lanes.leave(self)


class SharedLanes:
    """Lanes of one process whose running turns hold their lane's name among all hosts on a store.

    ``hold(name)`` takes a name unless another host holds it, and says whether it did; ``let_go(name)`` gives it back.
    """

    def __init__(
        self, lanes: ProcessLanes, hold: Callable[[str], Awaitable[bool]], let_go: Callable[[str], Awaitable[None]]
    ) -> None:
        self._lanes = lanes
        self._hold = hold
        self._let_go = let_go
        self._letting_go: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        """Return how many lanes are in use here."""
        return len(self._lanes)

    def __iter__(self) -> Iterator[str]:
        """Go through the names of the lanes in use here."""
        return iter(self._lanes)

    def reserve(self, name: str, *, limited: bool = True) -> SharedPlace:
        """Take a place at the end of a lane without waiting. Raises ``LaneFull``."""
        return SharedPlace(self, self._lanes.reserve(name, limited=limited))

    async def idle(self) -> None:
        """Wait until nobody is in any lane here, and every name was given back."""
        await self._lanes.idle()
        while self._letting_go:
            await asyncio.wait(set(self._letting_go))

    async def take(self, name: str) -> None:
        """Wait until no other host is in a lane, however long the store is sick meanwhile."""
        pause = _FIRST_LOOK
        while not await self._held(_lease_of(name)):
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LAST_LOOK)

    async def _held(self, name: str) -> bool:
        try:
            return await self._hold(name)
        except StoreError as error:
            logger.warning("A turn waits for its store: %s", error)
            return False

    def give_back(self, place: LanePlace) -> None:
        """Let another host into a lane, then the next one here."""
        task = asyncio.get_running_loop().create_task(self._give_back(place))
        self._letting_go.add(task)
        task.add_done_callback(self._letting_go.discard)

    async def _give_back(self, place: LanePlace) -> None:
        try:
            await self._let_go(_lease_of(place.name))
        except StoreError:
            pass  # it runs out by itself
        finally:
            place.leave()


class SharedPlace:
    """One turn's place in a lane that other hosts respect."""

    __slots__ = ("_lanes", "_left", "_place", "_taken")

    def __init__(self, lanes: SharedLanes, place: LanePlace) -> None:
        self._lanes = lanes
        self._place = place
        self._taken = False
        self._left = False

    @property
    def name(self) -> str:
        """The lane."""
        return self._place.name

    @property
    def may_run(self) -> bool:
        """Whether this turn is the running one of its lane."""
        return self._place.may_run

    @property
    def left(self) -> bool:
        """Whether the place was given back."""
        return self._left

    async def enter(self) -> None:
        """Wait until this turn may run; a cancelled wait gives the place back."""
        try:
            await self._place.enter()
            self._taken = True
            await self._lanes.take(self.name)
        except BaseException:
            self.leave()
            raise

    def leave(self) -> None:
        """Give the place back; calling again does nothing."""
        if self._left:
            return
        self._left = True
        if self._taken:
            self._lanes.give_back(self._place)
        else:
            self._place.leave()


def _lease_of(lane: str) -> str:
    return f"lane:{hashlib.blake2b(lane.encode('utf-8', 'replace'), digest_size=16).hexdigest()}"
