"""A clock that moves only when told, for whoever waits on it too."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TypeVar

ResultT = TypeVar("ResultT")


class SteppedClock:
    """Time for a channel and its fake: ``step`` waits until somebody sleeps, then moves on."""

    def __init__(self) -> None:
        self._now = 1000.0
        self._sleepers: list[tuple[float, asyncio.Event]] = []
        self._changed = asyncio.Event()

    def now(self) -> float:
        """Return the time in seconds."""
        return self._now

    async def sleep(self, seconds: float) -> None:
        """Wait until the clock was moved far enough."""
        if seconds <= 0:
            return
        sleeper = (self._now + seconds, asyncio.Event())
        self._sleepers.append(sleeper)
        self._changed.set()
        try:
            await sleeper[1].wait()
        finally:
            if sleeper in self._sleepers:
                self._sleepers.remove(sleeper)

    def advance(self, seconds: float) -> None:
        """Move on and wake whom it is time for."""
        self._now += seconds
        for due, wake in list(self._sleepers):
            if due <= self._now + 1e-9:
                wake.set()

    async def step(self, seconds: float) -> None:
        """Wait until somebody sleeps, then move on."""
        while not self._sleepers:
            self._changed.clear()
            await self._changed.wait()
        self.advance(seconds)
        while any(due <= self._now + 1e-9 for due, _ in self._sleepers):  # noqa: ASYNC110 - each needs a turn of the loop
            await asyncio.sleep(0)

    async def until(self, work: Coroutine[object, object, ResultT]) -> ResultT:
        """Await something, and meanwhile move on to whenever the next sleeper wants to wake."""
        task = asyncio.get_running_loop().create_task(work)
        while not task.done():
            self._changed.clear()
            if self._sleepers:
                self.advance(max(0.0, min(due for due, _ in self._sleepers) - self._now))
            woken = asyncio.get_running_loop().create_task(self._changed.wait())
            await asyncio.wait([task, woken], return_when=asyncio.FIRST_COMPLETED)
            woken.cancel()
        return await task
