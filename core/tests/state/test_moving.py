"""The first edition kept records in two databases; the second one's are moved into the store, once and whole."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Callable, Generator, Iterable
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TypeAlias

import pytest

from agent_framework_hosting.errors import StateDirectoryInUse, StoreError
from agent_framework_hosting.ports import Put
from agent_framework_hosting.state.disk import DiskStore
from agent_framework_hosting.state.memory import MemoryStore
from agent_framework_hosting.state.moving import move_in

CHILD = Path(__file__).with_name("moving_child.py")
WRITER = Path(__file__).with_name("writer_child.py")
FirstEdition: TypeAlias = Callable[[Path, Iterable[tuple[str, str, str]]], None]
PEOPLE = [("identities", f"{n:04}", f"once-a-person {n}") for n in reversed(range(1200))]


@asynccontextmanager
async def opened(directory: Path) -> AsyncGenerator[DiskStore]:
    store = DiskStore(directory)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


@contextmanager
def child(script: Path, *arguments: object) -> Generator[subprocess.Popen[str]]:
    command = [sys.executable, str(script), *map(str, arguments)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def found_in(directory: Path, text: str) -> bool:
    return any(text.encode() in file.read_bytes() for file in directory.rglob("*") if file.is_file())


async def check_all_there(store: DiskStore, source: Path) -> None:
    there = await store.scan("identities", limit=10**6)
    assert [("identities", *record) for record in there] == sorted(PEOPLE)
    assert not (source / "cache.db").exists()
    assert not found_in(source, "once-a-person")


@pytest.mark.requirement("state.moved")
@pytest.mark.anyio
async def test_all_records_are_moved_and_their_database_is_gone(tmp_path: Path, first_edition: FirstEdition) -> None:
    source = tmp_path / "sessions"
    first_edition(source, PEOPLE)
    async with opened(tmp_path / "runner") as store:
        assert await move_in(source, store) == len(PEOPLE)
        await check_all_there(store, source)
        assert await move_in(source, store) == 0
        assert source.is_dir()
        assert await store.trim("identities", 700) == 500  # 500 at a time, in the order they were written
        assert [key for key, _ in await store.scan("identities", limit=1000)] == [f"{n:04}" for n in range(700)]


@pytest.mark.anyio
async def test_what_the_store_has_already_wins(tmp_path: Path, first_edition: FirstEdition) -> None:
    first_edition(tmp_path / "sessions", [("t", "a", "old"), ("t", "b", "old"), ("u", "a", "old")])
    async with opened(tmp_path / "runner") as store:
        version = await store.commit([Put("t", "a", "new")])
        assert await move_in(tmp_path / "sessions", store) == 2
        assert await store.scan("t") == [("a", "new"), ("b", "old")]
        found = await store.read("t", "a")
        assert found is not None
        assert found.version == version
        assert await store.get("u", "a") == "old"


@pytest.mark.anyio
async def test_where_nothing_is_nothing_happens(tmp_path: Path) -> None:
    async with opened(tmp_path / "runner") as store:
        assert await move_in(tmp_path / "sessions", store) == 0
        assert not (tmp_path / "sessions").exists()


@pytest.mark.anyio
async def test_records_are_not_moved_into_a_store_that_forgets(tmp_path: Path, first_edition: FirstEdition) -> None:
    first_edition(tmp_path / "sessions", [("t", "a", "kept")])
    with pytest.raises(StoreError, match="give the host a durable one"):
        await move_in(tmp_path / "sessions", MemoryStore())
    assert found_in(tmp_path / "sessions", "kept")


@pytest.mark.anyio
async def test_a_host_of_the_first_edition_that_still_runs_is_named(tmp_path: Path) -> None:
    async with opened(tmp_path / "runner") as store:
        with child(WRITER, tmp_path / "sessions", 1) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "open\n"
            assert process.stdout.readline() == "00-000000\n"
            with pytest.raises(StateDirectoryInUse, match=rf"pid {process.pid}\b"):
                await move_in(tmp_path / "sessions", store)
        assert await store.tables() == []
        assert await move_in(tmp_path / "sessions", store) > 1
        assert await store.get("right", "00-000000") == "00-000000"


@pytest.mark.requirement("state.moved")
@pytest.mark.anyio
@pytest.mark.parametrize("commits", [1, 2, 3])
async def test_a_move_that_was_killed_is_done_again_and_ends_the_same(
    tmp_path: Path, first_edition: FirstEdition, commits: int
) -> None:
    source = tmp_path / "sessions"
    first_edition(source, PEOPLE)
    with child(CHILD, source, tmp_path / "runner") as process:
        assert process.stdout is not None
        assert process.stdin is not None
        for step in range(commits):
            if step:
                process.stdin.write("on\n")
                process.stdin.flush()
            assert process.stdout.readline() == "committed\n"
        process.kill()
        process.wait()
    assert found_in(source, "once-a-person 0")
    async with opened(tmp_path / "runner") as store:
        assert await store.count("identities") == min(500 * commits, len(PEOPLE))
        await store.commit([Put("identities", "1199", "once-a-person 1199")])
        assert await move_in(source, store) == max(0, len(PEOPLE) - 500 * commits)
        await check_all_there(store, source)


@pytest.mark.anyio
@pytest.mark.parametrize("microseconds", [0, 200, 1000, 3000, 8000])
async def test_a_removal_that_was_killed_is_done_again(
    tmp_path: Path, first_edition: FirstEdition, microseconds: int
) -> None:
    source = tmp_path / "sessions"
    first_edition(source, PEOPLE)
    plant_a_foreign_row(source)
    with child(CHILD, source, tmp_path / "runner") as process:
        assert process.stdout is not None
        assert process.stdin is not None
        for _ in range(3):
            assert process.stdout.readline() == "committed\n"
            process.stdin.write("on\n")
            process.stdin.flush()
        spin(microseconds)
        process.kill()
        process.wait()
    async with opened(tmp_path / "runner") as store:
        assert await move_in(source, store) == 0
        await check_all_there(store, source)
    assert found_in(source, "foreign-bytes")


def spin(microseconds: int) -> None:
    end = time.perf_counter() + microseconds / 1e6
    while time.perf_counter() < end:
        pass


def plant_a_foreign_row(source: Path) -> None:
    with sqlite3.connect(source / "cache.db") as connection:
        connection.execute("INSERT INTO Cache(key, raw, mode, value) VALUES ('t\x1fx', 1, 4, ?)", (b"foreign-bytes",))
    connection.close()


@pytest.mark.anyio
async def test_foreign_rows_and_files_stay_in_the_directory(
    tmp_path: Path, first_edition: FirstEdition, caplog: pytest.LogCaptureFixture
) -> None:
    source = tmp_path / "sessions"
    first_edition(source, PEOPLE)
    plant_a_foreign_row(source)
    (source / "cache.db.set-aside-1").write_text("of an earlier start")
    async with opened(tmp_path / "runner") as store:
        assert await move_in(source, store) == len(PEOPLE)
        await check_all_there(store, source)
        assert await move_in(source, store) == 0
    assert found_in(source, "foreign-bytes")
    assert found_in(source, "of an earlier start")
    assert "was renamed to cache.db.set-aside-" in caplog.text


@pytest.mark.anyio
async def test_a_damaged_database_is_refused_by_name_and_left_alone(
    tmp_path: Path, first_edition: FirstEdition
) -> None:
    source = tmp_path / "sessions"
    first_edition(source, PEOPLE)
    database = source / "cache.db"
    whole = database.read_bytes()
    broken = whole[:4096] + b"\xff" * 40000 + whole[44096:]
    database.write_bytes(broken)
    async with opened(tmp_path / "runner") as store:
        with pytest.raises(StoreError, match=rf"{database} is damaged\. Restore the directory {source}"):
            await move_in(source, store)
        assert database.read_bytes() == broken
        assert await store.tables() == []
        database.write_bytes(whole)
        assert await move_in(source, store) == len(PEOPLE)
        await check_all_there(store, source)


@pytest.mark.anyio
async def test_what_is_no_database_is_renamed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    source = tmp_path / "sessions"
    source.mkdir()
    (source / "cache.db").write_bytes(b"garbage" * 1000)
    async with opened(tmp_path / "runner") as store:
        assert await move_in(source, store) == 0
        assert await move_in(source, store) == 0
    assert found_in(source, "garbage")
    assert "it is no SQLite database" in caplog.text


@pytest.mark.anyio
@pytest.mark.requirement("state.moved")
async def test_somebody_who_reads_for_a_moment_is_waited_for(tmp_path: Path, first_edition: FirstEdition) -> None:
    source = tmp_path / "sessions"
    first_edition(source, PEOPLE)
    reader = sqlite3.connect(source / "cache.db")
    reader.execute("SELECT COUNT(*) FROM Cache").fetchone()
    asyncio.get_running_loop().call_later(0.3, reader.close)
    async with opened(tmp_path / "runner") as store:
        assert await move_in(source, store) == len(PEOPLE)
        await check_all_there(store, source)
