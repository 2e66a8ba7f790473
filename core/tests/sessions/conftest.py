"""A clock to turn by hand, and a store that outlives the registries opened on it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from agent_framework_hosting.errors import StoreError
from agent_framework_hosting.ports import Write
from agent_framework_hosting.state.memory import MemoryStore


class HandClock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


class KeptStore(MemoryStore):
    """A durable store as far as its users can tell; ``full`` makes it refuse commits."""

    def __init__(self) -> None:
        super().__init__()
        self.full = False
        self.commits: list[Sequence[Write]] = []

    @property
    def durable(self) -> bool:
        return True

    async def commit(self, writes: Sequence[Write]) -> None:
        if self.full:
            raise StoreError("The disk is full.")
        self.commits.append(tuple(writes))
        await super().commit(writes)


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def kept() -> KeptStore:
    return KeptStore()
