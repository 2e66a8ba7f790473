from __future__ import annotations

from pathlib import Path

import pytest

from agent_framework_hosting.errors import Fenced, RecordExists, RecordsDiffer
from agent_framework_hosting.ports import Fence, Insert, Put
from agent_framework_hosting.state.memory import MemoryStore
from agent_framework_hosting.state.namespace import StoreNamespace
from agent_framework_hosting.testing import HandClock
from agent_framework_hosting.testing.store_contract import StoreContract


class TestStoreNamespace(StoreContract):
    clock = HandClock()

    def make_store(self, tmp_path: Path) -> StoreNamespace:
        return StoreNamespace(MemoryStore(self.clock), "channel")

    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)


@pytest.mark.anyio
async def test_owners_do_not_meet() -> None:
    store = MemoryStore()
    ada, bob = StoreNamespace(store, "ada"), StoreNamespace(store, "bob")
    await ada.commit([Put("t", "k", "ada's", lookups={"f": "x"})])
    await bob.commit([Insert("t", "k", "bob's", lookups={"f": "x"})])
    assert await ada.find("t", "f", "x") == [("k", "ada's")]
    assert await ada.tables() == await bob.tables() == ["t"]
    assert await ada.trim("t", 0) == 1
    assert await bob.get("t", "k") == "bob's"
    assert await ada.acquire("poller", "host", 10) is not None
    assert await bob.holder("poller") is None
    assert await bob.acquire("poller", "another host", 10) is not None


@pytest.mark.anyio
async def test_a_refusal_speaks_in_the_owners_names() -> None:
    store = StoreNamespace(MemoryStore(), "ada")
    await store.commit([Put("t", "k", ""), Put("t", "l", "")])
    with pytest.raises(RecordExists, match="in table 't'") as exists:
        await store.commit([Insert("t", "k", ""), Insert("t", "l", "")])
    assert (exists.value.table, exists.value.records) == ("t", (("t", "k"), ("t", "l")))
    with pytest.raises(RecordsDiffer) as differ:
        await store.commit([Put("t", "k", "", expect=10**6)])
    assert differ.value.records == (("t", "k"),)
    with pytest.raises(Fenced) as fenced:
        await store.commit([Fence("poller", 1)])
    assert fenced.value.lease == "poller"
