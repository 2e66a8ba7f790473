"""Both stores answer alike, whatever is committed, swept, trimmed and let go, also after the disk is opened again."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Coroutine
from itertools import product
from pathlib import Path
from typing import TypeAlias

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from agent_framework_hosting.errors import Fenced, RecordsDiffer
from agent_framework_hosting.ports import ABSENT, Delete, Expect, Fence, Insert, Put, Store, Write
from agent_framework_hosting.state.disk import DiskStore
from agent_framework_hosting.state.memory import MemoryStore
from agent_framework_hosting.testing import HandClock

TABLES = ["t", "t.u", "t u"]
KEYS = ["", "a", "b", "ä", "\uffff", "\U00010000"]
FIELDS = ["f", "g"]
TERMS = ["", "x", "\U00010000"]
LEASES = ["l", "m"]
OWNERS = ["ada", "bob"]

tables, keys = st.sampled_from(TABLES), st.sampled_from(KEYS)
ends = st.none() | st.integers(-2, 6)
lookups = st.dictionaries(st.sampled_from(FIELDS), st.sampled_from(TERMS))
conditions = st.none() | st.sampled_from(["absent", "current", "other"])
kinds = st.sampled_from(["put", "put", "put", "insert", "delete", "expect"])
drafts = st.tuples(kinds, tables, keys, st.sampled_from(["", "one", "two"]), ends, lookups, conditions)
Draft: TypeAlias = tuple[str, str, str, str, "int | None", dict[str, str], "str | None"]
"""Kind, table, key, text, seconds until it ends, lookups, and what its condition says."""
commits = st.lists(drafts, max_size=6)


class Agreement(RuleBasedStateMachine):
    """The stores number their commits differently, so each is asked for its own versions; the rest must be the same."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = HandClock()
        self.directory = tempfile.TemporaryDirectory()
        self.runner = asyncio.Runner()
        disk = DiskStore(Path(self.directory.name) / "state", self.clock)
        self.runner.run(disk.open())
        self.stores: list[Store] = [disk, MemoryStore(self.clock)]

    def teardown(self) -> None:
        self.runner.run(self.stores[0].close())
        self.runner.close()
        self.directory.cleanup()

    def agree(self, ask: Callable[[Store], Coroutine[None, None, object]]) -> object:
        """Ask both stores the same; return what both said."""
        disk, memory = (self.runner.run(ask(store)) for store in self.stores)
        assert disk == memory
        return disk

    @rule(commit=commits)
    def commit(self, commit: list[Draft]) -> None:
        self.agree(lambda store: outcome(store, commit, self.clock()))

    @rule(group=st.lists(commits, max_size=5))
    def commit_at_once(self, group: list[list[Draft]]) -> None:
        async def together(store: Store) -> list[object]:
            made = [await writes_of(store, commit, self.clock()) for commit in group]
            return await asyncio.gather(*(told(store, writes) for writes in made))

        self.agree(together)

    @rule(seconds=st.integers(1, 4))
    def time_passes(self, seconds: int) -> None:
        self.clock.advance(seconds)

    @rule()
    def sweep(self) -> None:
        self.agree(lambda store: store.sweep())

    @rule(table=tables, most=st.integers(0, 4))
    def trim(self, table: str, most: int) -> None:
        self.agree(lambda store: store.trim(table, most))

    @rule(name=st.sampled_from(LEASES), owner=st.sampled_from(OWNERS), seconds=st.integers(1, 4))
    def acquire(self, name: str, owner: str, seconds: int) -> None:
        self.agree(lambda store: acquired(store, name, owner, seconds))

    @rule(name=st.sampled_from(LEASES), table=tables, key=keys, let_go=st.booleans())
    def commit_fenced(self, name: str, table: str, key: str, let_go: bool) -> None:
        async def fenced(store: Store) -> object:
            held = await store.holder(name)
            if held is not None and let_go:
                await store.release(held)
            return await told(store, [Put(table, key, "fenced"), Fence(name, 0) if held is None else held.fence])

        self.agree(fenced)

    @rule()
    def open_again(self) -> None:
        async def opened_again(store: Store) -> None:
            for name in LEASES:
                held = await store.holder(name)
                if held is not None:
                    await store.release(held)
            await store.close()
            await store.open()

        self.agree(opened_again)

    @invariant()
    def every_read_is_the_same(self) -> None:
        self.agree(everything)


async def writes_of(store: Store, commit: list[Draft], now: float) -> list[Write]:
    """Return the writes of a commit with the versions that its conditions mean in this store."""
    return [await write_of(store, draft, now) for draft in commit]


async def write_of(store: Store, draft: Draft, now: float) -> Write:
    kind, table, key, text, end, found_by, condition = draft
    ends = None if end is None else now + end
    if kind == "insert":
        return Insert(table, key, text, ends, found_by)
    found = await store.read(table, key)
    current = ABSENT if found is None else found.version
    other = current + 1_000_000  # no commit of a test gets that far, and so cannot meet it by what it wrote itself
    expected = {None: None, "absent": ABSENT, "current": current, "other": other}[condition]
    if kind == "put":
        return Put(table, key, text, expected, ends, found_by)
    return Delete(table, key, expected) if kind == "delete" else Expect(table, key, expected or ABSENT)


async def outcome(store: Store, commit: list[Draft], now: float) -> object:
    return await told(store, await writes_of(store, commit, now))


async def told(store: Store, writes: list[Write]) -> object:
    try:
        await store.commit(writes)
    except RecordsDiffer as refusal:
        return type(refusal), refusal.records
    except Fenced as refusal:
        return refusal.lease
    return None


async def acquired(store: Store, name: str, owner: str, seconds: int) -> object:
    lease = await store.acquire(name, owner, seconds)
    return None if lease is None else (lease.owner, lease.expires_at)


async def everything(store: Store) -> object:
    reads: list[Coroutine[None, None, object]] = [store.tables()]
    for table in TABLES:
        reads += [store.count(table), store.scan(table), store.scan(table, prefix="a", limit=1)]
        reads += [ending(store, table, key) for key in KEYS]
        reads += [store.find(table, field, term) for field, term in product(FIELDS, TERMS)]
        reads += [store.find(table, field, term, after="a", limit=1) for field, term in product(FIELDS, TERMS)]
    return await asyncio.gather(*reads)


async def ending(store: Store, table: str, key: str) -> object:
    found = await store.read(table, key)
    return None if found is None else (found.text, found.expires_at)


TestAgreement = Agreement.TestCase
TestAgreement.settings = settings(max_examples=50, stateful_step_count=25, deadline=None)
