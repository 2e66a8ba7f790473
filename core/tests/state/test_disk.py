from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeAlias

import pytest

from agent_framework_hosting.errors import Fenced, RecordExists, StateDirectoryInUse, StoreError
from agent_framework_hosting.ports import Delete, Insert, Put, Stored
from agent_framework_hosting.state.disk import DiskStore
from agent_framework_hosting.testing import HandClock
from agent_framework_hosting.testing.store_contract import StoreContract

FirstEdition: TypeAlias = Callable[[Path, Iterable[tuple[str, str, str]]], None]


class TestDiskStore(StoreContract):
    clock = HandClock()

    def make_store(self, tmp_path: Path) -> DiskStore:
        return DiskStore(tmp_path / "state", self.clock)

    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)


def test_a_constructor_touches_nothing(tmp_path: Path) -> None:
    store = DiskStore(tmp_path / "state")
    assert store.durable
    assert store.path == tmp_path / "state"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.requirement("state.private")
@pytest.mark.anyio
async def test_the_directory_is_private_from_the_beginning(tmp_path: Path) -> None:
    (tmp_path / "loose").mkdir(mode=0o755)
    for path in (tmp_path / "a" / "b", tmp_path / "loose"):
        store = DiskStore(path)
        await store.open()
        await store.close()
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o700


@pytest.mark.requirement("state.keeps")
@pytest.mark.anyio
async def test_the_database_evicts_nothing_and_writes_through(tmp_path: Path) -> None:
    store = DiskStore(tmp_path)
    await store.open()
    await store.close()
    with sqlite3.connect(tmp_path / "cache.db") as connection:
        settings = dict(connection.execute("SELECT key, value FROM Settings"))
    wanted = {
        "eviction_policy": "none",
        "cull_limit": 0,
        "size_limit": 2**62,
        "sqlite_synchronous": 2,
        "sqlite_journal_mode": "wal",
        "disk_min_file_size": 2**31 - 1,
    }
    assert {key: settings[key] for key in wanted} == wanted


@pytest.mark.requirement("state.owner")
@pytest.mark.anyio
async def test_a_second_owner_is_refused_by_name_until_the_first_is_gone(tmp_path: Path) -> None:
    first, second = DiskStore(tmp_path), DiskStore(tmp_path)
    await first.open()
    with pytest.raises(StateDirectoryInUse, match=rf"pid {os.getpid()}\b"):
        await second.open()
    await first.commit([Put("t", "k", "v")])
    await first.close()
    await second.open()
    assert await second.get("t", "k") == "v"
    await second.close()


@pytest.mark.anyio
async def test_a_store_that_is_not_open_says_so(tmp_path: Path) -> None:
    store = DiskStore(tmp_path)
    for call in (store.commit([Put("t", "k", "v")]), store.get("t", "k"), store.scan("t"), store.count("t")):
        with pytest.raises(StoreError, match="not open"):
            await call


@pytest.mark.anyio
async def test_two_opens_at_once_are_one(tmp_path: Path) -> None:
    store = DiskStore(tmp_path)
    await asyncio.gather(store.open(), store.open())
    await store.commit([Put("t", "k", "v")])
    await store.close()


@pytest.mark.anyio
async def test_a_foreign_writer_holds_back_commits_but_never_the_loop(tmp_path: Path) -> None:
    store = DiskStore(tmp_path)
    await store.open()
    foreign = sqlite3.connect(tmp_path / "cache.db", isolation_level=None)
    foreign.execute("BEGIN IMMEDIATE")
    waiting = asyncio.ensure_future(store.commit([Put("t", "k", "v")]))
    loop_ran = asyncio.Event()
    for _ in range(100):
        await asyncio.sleep(0)
    asyncio.get_running_loop().call_soon(loop_ran.set)
    await loop_ran.wait()
    assert not waiting.done()
    foreign.execute("ROLLBACK")
    foreign.close()
    await waiting
    assert await store.get("t", "k") == "v"
    await store.close()


@pytest.mark.anyio
async def test_writes_of_many_callers_share_a_thread(tmp_path: Path) -> None:
    store = DiskStore(tmp_path)
    await store.open()
    before = threading.active_count()
    await asyncio.gather(*(store.commit([Put("t", str(n), "")]) for n in range(200)))
    assert threading.active_count() == before
    assert await store.count("t") == 200
    await store.close()


@pytest.mark.anyio
@pytest.mark.parametrize("write", [Put("t\x1fu", "k", ""), Put("t", "\ud800", ""), Put("t", "k", "\0")])
async def test_what_is_no_text_is_refused_at_the_caller_alone(tmp_path: Path, write: Put) -> None:
    store = DiskStore(tmp_path)
    await store.open()
    outcomes = await asyncio.gather(
        store.commit([Put("t", "before", "")]),
        store.commit([write]),
        store.commit([Put("t", "after", "")]),
        return_exceptions=True,
    )
    assert isinstance(outcomes[1], StoreError)
    assert {key for key, _ in await store.scan("t")} == {"before", "after"}
    assert store.fault is None
    await store.close()


def test_a_store_serves_one_loop_after_another(tmp_path: Path) -> None:
    store = DiskStore(tmp_path)

    async def first() -> None:
        await store.open()
        await store.commit([Put("t", "k", "v")])

    async def second() -> str | None:
        found = await store.get("t", "k")
        await store.close()
        return found

    asyncio.run(first())
    assert asyncio.run(second()) == "v"


@pytest.mark.anyio
async def test_what_was_removed_can_be_read_from_the_files_until_it_is_erased(tmp_path: Path) -> None:
    secret, kept = "once-upon-a-name", "still-here"
    store = DiskStore(tmp_path)
    await store.open()
    try:
        await store.commit([Put("t", f"{n:03}", f"{secret} {n} " * 200) for n in range(100)])
        await store.commit([Put("t", "000", f"{secret} again"), Put("t", "kept", kept)])
        await store.commit([Delete("t", f"{n:03}") for n in range(100)])
        assert found_in(tmp_path, secret)
        await store.erase_removed()
        assert not found_in(tmp_path, secret)
        assert found_in(tmp_path, kept)
        await store.commit([Put("t", "new", "still works")])
        assert await store.get("t", "kept") == kept
    finally:
        await store.close()
    assert not found_in(tmp_path, secret)


def found_in(directory: Path, text: str) -> bool:
    return any(text.encode() in file.read_bytes() for file in directory.rglob("*") if file.is_file())


@pytest.mark.anyio
async def test_rows_of_the_first_edition_are_there_with_the_first_version(
    tmp_path: Path, first_edition: FirstEdition
) -> None:
    first_edition(tmp_path, [("t", "b", "old"), ("t", "a", "old"), ("u", "c", "old")])
    store = DiskStore(tmp_path)
    await store.open()
    found = await store.read("t", "a")
    assert found == Stored("a", "old", 1)
    assert await store.tables() == ["t", "u"]
    with pytest.raises(RecordExists):
        await store.commit([Insert("t", "a", "")])
    assert await store.trim("t", 1) == 1  # the first edition wrote "b" before "a"
    assert await store.commit([Put("t", "a", "new", expect=1)]) > 1
    assert await store.scan("t") == [("a", "new")]
    await store.close()


@pytest.mark.anyio
@pytest.mark.parametrize("copied", [False, True])
async def test_numbers_never_go_back_whatever_was_removed(tmp_path: Path, copied: bool) -> None:
    store = DiskStore(tmp_path / "state")
    numbers: list[int] = []
    for _ in range(3):
        await store.open()
        numbers += [
            await store.commit([Put("t", "k", ""), Put("t", "kept", "")]),
            await store.commit([Delete("t", "k")]),
        ]
        lease = await store.acquire("l", "o", 100)
        assert lease is not None
        numbers.append(lease.number)
        await store.close()
        if copied:
            copy_as_sql(tmp_path / "state" / "cache.db")
        await store.open()
        assert await store.holder("l") is None
        with pytest.raises(Fenced):
            await store.commit([lease.fence])
        await store.close()
    assert numbers == sorted(set(numbers))


def copy_as_sql(database: Path) -> None:
    with sqlite3.connect(database) as old:
        script = "\n".join(old.iterdump())
    old.close()
    database.unlink()
    with sqlite3.connect(database) as new:
        new.executescript(script)
    new.close()


@pytest.mark.anyio
async def test_what_expired_or_was_found_by_leaves_no_trace_once_erased(tmp_path: Path) -> None:
    clock = HandClock()
    store = DiskStore(tmp_path, clock)
    await store.open()
    try:
        await store.commit(
            [
                Put("t", "ended", "once-text", expires_at=clock() + 1, lookups={"f": "once-ended"}),
                Put("t", "replaced", "once-text", lookups={"f": "once-replaced"}),
                Put("t", "removed", "once-text", lookups={"f": "once-removed"}),
                Put("t", "trimmed", "once-text", lookups={"f": "once-trimmed"}),
                Put("t", "kept", "still-here", lookups={"f": "still-found"}),
            ]
        )
        clock.advance(1)
        await store.commit([Put("t", "replaced", "", lookups={"f": ""}), Delete("t", "removed")])
        await store.commit([Put("t", "kept", "still-here", lookups={"f": "still-found"})])
        assert await store.trim("t", 2) == 1
        await store.erase_removed()
        assert not found_in(tmp_path, "once-")
        assert found_in(tmp_path, "still-found")
    finally:
        await store.close()


@pytest.mark.anyio
async def test_a_sweep_lets_commits_go_between(tmp_path: Path) -> None:
    store = DiskStore(tmp_path)
    await store.open()
    await store.commit([Put("t", str(n), "", expires_at=1.0) for n in range(5000)])
    sweeping = asyncio.ensure_future(store.sweep())
    await asyncio.sleep(0)
    await store.commit([Put("t", "k", "")])
    assert not sweeping.done()
    assert await sweeping == 5000
    await store.close()
