"""People as a host keeps them, and a store that outlives them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Self

import pytest

from agent_framework_hosting.errors import StoreError
from agent_framework_hosting.model.identity import ChannelIdentity
from agent_framework_hosting.model.verdict import ClaimValue
from agent_framework_hosting.ports import Store, Write
from agent_framework_hosting.records import Catalog
from agent_framework_hosting.sessions.addresses import IDENTITIES, LINKS
from agent_framework_hosting.sessions.conversations import RESETS, SNAPSHOTS
from agent_framework_hosting.sessions.people import People
from agent_framework_hosting.state.memory import MemoryStore


class TurnedClock:
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

    async def commit(self, writes: Sequence[Write]) -> int:
        if self.full:
            raise StoreError("The disk is full.")
        self.commits.append(tuple(writes))
        return await super().commit(writes)


class Town:
    """People and the store they are kept in, as a host connects them."""

    def __init__(self, store: Store | None = None, **options: object) -> None:
        self.store = store or MemoryStore()
        self.catalog = Catalog(self.store, (IDENTITIES, LINKS, SNAPSHOTS, RESETS))
        self.people = People(self.store, self.catalog, **options)  # type: ignore[arg-type]

    async def loaded(self) -> Self:
        await self.people.load()
        return self

    async def saw(
        self,
        isolation_key: str,
        identity: ChannelIdentity,
        conversation_id: str | None = None,
        *,
        is_group: bool = False,
        claims: Mapping[str, ClaimValue] | None = None,
    ) -> None:
        """Record one use by an allowed speaker, as a turn does."""
        sighting = await self.people.sighting(
            isolation_key, identity, conversation_id, is_group=is_group, claims=claims
        )
        if sighting is None:
            return
        if sighting.writes:
            await self.store.commit(sighting.writes)
        self.people.apply(sighting)


@pytest.fixture
def clock() -> TurnedClock:
    return TurnedClock()


@pytest.fixture
def kept() -> KeptStore:
    return KeptStore()


@pytest.fixture
def make() -> Callable[..., Town]:
    return Town
