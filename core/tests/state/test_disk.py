from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
import threading
from pathlib import Path

import pytest

from agent_framework_hosting.errors import StateDirectoryInUse, StoreError
from agent_framework_hosting.ports import Delete, Put
from agent_framework_hosting.state.disk import DiskStore
from agent_framework_hosting.testing.store_contract import StoreContract


class TestDiskStore(StoreContract):
    def make_store(self, tmp_path: Path) -> DiskStore:
        return DiskStore(tmp_path / "state")


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
@pytest.mark.parametrize("write", [Put("t\x1fu", "k", ""), Put("t", "\ud800", ""), Put("t", "k", "\ud800")])
async def test_what_is_no_text_is_refused_at_the_caller_alone(tmp_path: Path, write: Put) -> None:
    store = DiskStore(tmp_path)
    await store.open()
    outcomes = await asyncio.gather(
        store.commit([Put("t", "before", "")]),
        store.commit([write]),
        store.commit([Put("t", "after", "")]),
        return_exceptions=True,
    )
    assert outcomes[0] is None
    assert isinstance(outcomes[1], StoreError)
    assert outcomes[2] is None
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
