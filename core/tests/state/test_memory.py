from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_framework_hosting.ports import Delete, Put
from agent_framework_hosting.state.memory import MemoryStore
from agent_framework_hosting.testing import HandClock
from agent_framework_hosting.testing.store_contract import StoreContract


class TestMemoryStore(StoreContract):
    clock = HandClock()

    def make_store(self, tmp_path: Path) -> MemoryStore:
        return MemoryStore(self.clock)

    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)


@pytest.mark.anyio
async def test_a_commit_does_not_yield_to_the_loop() -> None:
    store = MemoryStore()
    turns: list[str] = []
    asyncio.get_running_loop().call_soon(turns.append, "loop")
    await store.commit([Put("t", "k", "v")])
    turns.append("committed")
    assert turns == ["committed"]


@pytest.mark.anyio
async def test_is_never_at_fault() -> None:
    store = MemoryStore()
    assert store.fault is None
    assert await store.check() is None


_KEYS = st.sampled_from([f"{n:03}" for n in range(150)])


@given(st.lists(st.tuples(_KEYS, st.booleans(), st.booleans()), max_size=400))
def test_the_order_holds_whatever_is_put_and_removed_between_scans(steps: list[tuple[str, bool, bool]]) -> None:
    async def follow() -> None:
        store = MemoryStore()
        model: dict[str, str] = {}
        for key, put, scan in steps:
            await store.commit([Put("t", key, key) if put else Delete("t", key)])
            if put:
                model[key] = key
            else:
                model.pop(key, None)
            if scan:
                assert await store.scan("t") == sorted(model.items())
        assert (
            await store.scan("t", after="040", limit=50)
            == [item for item in sorted(model.items()) if item[0] > "040"][:50]
        )
        assert await store.count("t") == len(model)

    asyncio.run(follow())
