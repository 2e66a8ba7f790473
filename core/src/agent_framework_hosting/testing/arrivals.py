"""A list that can be waited for, in one event loop after another."""

from __future__ import annotations

import asyncio
from typing import Generic, TypeVar

T = TypeVar("T")


class Arrivals(Generic[T]):
    """Keep what arrived in ``items``, in order."""

    def __init__(self) -> None:
        self.items: list[T] = []
        self._waiting: set[asyncio.Event] = set()

    def add(self, item: T) -> None:
        """Keep one more and tell those who wait."""
        self.items.append(item)
        for each in self._waiting:
            each.set()

    async def wait_for(self, count: int) -> list[T]:
        """Wait until there are at least ``count`` and return them all."""
        while len(self.items) < count:
            arrived = asyncio.Event()
            self._waiting.add(arrived)
            try:
                await arrived.wait()
            finally:
                self._waiting.discard(arrived)
        return list(self.items)
