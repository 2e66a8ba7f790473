"""A directory full of what others left there: no code runs, our own records are served, the rest is named."""

from __future__ import annotations

import pickle
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from agent_framework_hosting.errors import StoreError, UnreadableRecord
from agent_framework_hosting.ports import Insert, Put
from agent_framework_hosting.state.database import TextDisk
from agent_framework_hosting.state.disk import DiskStore

INSERT = "INSERT INTO Cache(key, raw, store_time, access_time, mode, filename, value) VALUES (?, ?, 0, 0, ?, ?, ?)"


class Trap:
    """Unpickling it leaves a file behind."""

    def __init__(self, mark: Path) -> None:
        self._mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self._mark,)


async def filled(directory: Path) -> None:
    store = DiskStore(directory)
    await store.open()
    await store.commit([Put("t", "good", "text"), Put("t", "other", "text")])
    await store.close()


@pytest.mark.anyio
async def test_planted_rows_run_nothing_and_are_set_aside(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    mark = tmp_path / "code-ran"
    trap = pickle.dumps(Trap(mark))
    directory = tmp_path / "state"
    await filled(directory)
    (directory / "aa" / "bb").mkdir(parents=True)
    (directory / "aa" / "bb" / "trap.val").write_bytes(trap)
    planted: list[tuple[object, ...]] = [
        ("t\x1fvalue", 1, 4, None, trap),
        ("t\x1ffile", 1, 4, "aa/bb/trap.val", None),
        ("t\x1fbinary file", 1, 2, "aa/bb/trap.val", None),
        ("t\x1ftext file", 1, 3, "/etc/passwd", None),
        ("t\x1fbytes", 1, 1, None, trap),
        ("t\x1fnumber", 1, 1, None, 1),
        (trap, 0, 1, None, "text"),
        (trap, 1, 1, None, "text"),
        (b"key", 0, 4, None, trap),
        ("t\x1fgood", 0, 4, None, trap),
        (7, 1, 1, None, "text"),
    ]
    with sqlite3.connect(directory / "cache.db") as connection:
        connection.executemany(INSERT, planted)
        connection.execute("UPDATE Cache SET mode = 4, value = ? WHERE key = 't\x1fother'", (trap,))
        connection.execute("INSERT INTO Settings VALUES ('disk_surprise', ?)", (trap,))
        connection.execute("CREATE TRIGGER gone AFTER INSERT ON Cache BEGIN DELETE FROM Cache; END")
        connection.execute("CREATE VIEW mirror AS SELECT * FROM Cache")
    connection.close()

    store = DiskStore(directory)
    await store.open()
    assert await store.scan("t") == [("good", "text")]
    assert await store.get("t", "value") is None
    await store.commit([Insert("t", "value", "ours"), Insert("t", "other", "ours"), Put("t", "good", "newer")])
    assert await store.scan("t") == [("good", "newer"), ("other", "ours"), ("value", "ours")]
    assert await store.count("t") == 3
    await store.close()

    assert not mark.exists()
    assert "'t\x1fvalue' (text, mode 4, raw 1)" in caplog.text
    assert caplog.text.count("moved to the table SetAside unread") == len(planted) + 1
    assert "'gone'" in caplog.text
    assert "'mirror'" in caplog.text
    with sqlite3.connect(directory / "cache.db") as connection:
        assert connection.execute("SELECT COUNT(*) FROM SetAside").fetchone() == (len(planted) + 1,)
    connection.close()


@pytest.mark.anyio
async def test_a_row_planted_while_the_host_runs_is_refused_by_name(tmp_path: Path) -> None:
    mark = tmp_path / "code-ran"
    store = DiskStore(tmp_path / "state")
    await store.open()
    await store.commit([Put("t", "good", "text")])
    with sqlite3.connect(tmp_path / "state" / "cache.db") as connection:
        connection.execute(INSERT, ("t\x1fplanted", 1, 4, None, pickle.dumps(Trap(mark))))
        connection.execute(INSERT, ("t\x1fno text", 1, 1, None, "x"))
        connection.execute("UPDATE Cache SET value = CAST(x'22ff22' AS TEXT) WHERE key = 't\x1fno text'")
    connection.close()
    with pytest.raises(UnreadableRecord):
        await store.get("t", "planted")
    assert await store.scan("t") == [("good", "text"), ("no text", '"\ufffd"')]
    await store.close()
    assert not mark.exists()


@pytest.mark.anyio
async def test_strange_files_are_ignored(tmp_path: Path) -> None:
    (tmp_path / "owner.pid").mkdir()
    (tmp_path / "cache.db-journal").write_bytes(b"garbage")
    (tmp_path / "x.pickle").write_bytes(pickle.dumps(Trap(tmp_path / "code-ran")))
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    store = DiskStore(tmp_path)
    await store.open()
    await store.commit([Put("t", "k", "v")])
    await store.close()
    assert not (tmp_path / "code-ran").exists()


@pytest.mark.anyio
@pytest.mark.parametrize("kind", ["garbage", "directory", "symlink", "foreign tables"])
async def test_what_is_no_database_of_a_host_is_renamed(
    tmp_path: Path, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    database = tmp_path / "state" / "cache.db"
    database.parent.mkdir()
    if kind == "garbage":
        database.write_bytes(pickle.dumps(Trap(tmp_path / "code-ran")) * 1000)
        database.with_name("cache.db-wal").write_bytes(b"garbage")
    elif kind == "directory":
        database.mkdir()
    elif kind == "symlink":
        (tmp_path / "elsewhere").write_bytes(b"")
        database.symlink_to(tmp_path / "elsewhere")
    else:
        with sqlite3.connect(database) as connection:
            connection.execute("CREATE TABLE Cache(key, value)")
        connection.close()
    store = DiskStore(database.parent)
    await store.open()
    await store.commit([Put("t", "k", "v")])
    assert await store.get("t", "k") == "v"
    await store.close()
    assert "was renamed to cache.db.set-aside-" in caplog.text
    assert list(database.parent.glob("cache.db.set-aside-*"))
    assert not (tmp_path / "code-ran").exists()


@pytest.mark.anyio
@pytest.mark.parametrize("damage", ["cut", "overwritten"])
async def test_a_damaged_database_is_refused_with_what_to_do_and_left_alone(tmp_path: Path, damage: str) -> None:
    store = DiskStore(tmp_path)
    await store.open()
    await store.commit([Put("t", str(n), "x" * 500) for n in range(2000)])
    await store.close()
    database = tmp_path / "cache.db"
    whole = database.read_bytes()
    broken = whole[: len(whole) // 2 - 77] if damage == "cut" else whole[:4096] + b"\xff" * 40000 + whole[44096:]
    database.write_bytes(broken)
    with pytest.raises(StoreError, match=r"is damaged\. Restore the directory"):
        await store.open()
    assert database.read_bytes() == broken
    database.write_bytes(whole)
    await store.open()
    assert await store.count("t") == 2000
    await store.close()


def test_the_disk_class_refuses_everything_but_text(tmp_path: Path) -> None:
    disk = TextDisk(str(tmp_path))
    trap = pickle.dumps(Trap(tmp_path / "code-ran"))
    assert disk.put("key") == ("key", True)
    assert disk.get("key", 1) == "key"
    assert disk.store("text", False) == (0, 1, None, "text")
    assert disk.fetch(1, None, "text", False) == "text"
    for refused in (
        lambda: disk.put(b"key"),
        lambda: disk.put(("key",)),
        lambda: disk.get(trap, 0),
        lambda: disk.get("key", 0),
        lambda: disk.get(trap, 1),
        lambda: disk.store({"a": 1}, False),
        lambda: disk.store("text", True),
        lambda: disk.fetch(4, None, trap, False),
        lambda: disk.fetch(4, "trap.val", None, False),
        lambda: disk.fetch(3, "trap.val", None, False),
        lambda: disk.fetch(2, "trap.val", None, True),
        lambda: disk.fetch(1, None, trap, False),
        lambda: disk.fetch(1, "trap.val", "text", False),
    ):
        with pytest.raises(UnreadableRecord):
            refused()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.anyio
async def test_planted_lookups_and_records_with_strange_columns_are_refused(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = DiskStore(tmp_path)
    await store.open()
    await store.commit([Put("t", key, "", lookups={"f": "x"}) for key in ("a", "b", "c", "d", "e", "f")])
    await store.close()
    with sqlite3.connect(tmp_path / "cache.db") as connection:
        for change in ("tag = 'x'", "tag = -1", f"tag = {2**62}", "expire_time = 'never'", "value = 'a' || char(0)"):
            connection.execute(
                f"UPDATE Cache SET {change} WHERE rowid = (SELECT min(rowid) FROM Cache WHERE tag < {2**52} AND"  # noqa: S608 - constants
                " typeof(tag) = 'integer' AND tag > 0 AND expire_time IS NULL AND value = '')"
            )
        planted = [
            (b"x", "t\x1ff", "x"),
            ("t\x1ff", b"x", "x"),
            ("t\x1ff", "t\x1fg", b"x"),
            ("t\x1ff", "no table", "x"),
        ]
        connection.executemany("INSERT INTO Lookups VALUES (?, ?, ?)", planted)
        connection.execute("INSERT INTO Lookups VALUES ('t\x1fnobody', 't\x1ff', 'x')")
    connection.close()
    await store.open()
    assert await store.scan("t") == await store.find("t", "f", "x") == [("f", "")]
    await store.commit([Insert("t", key, "") for key in ("a", "b", "c", "d", "e")])
    assert await store.find("t", "f", "x") == [("f", "")]
    await store.close()
    assert caplog.text.count("moved to the table SetAside unread") == 5
    assert "4 rows of the table Lookups were dropped" in caplog.text


@pytest.mark.anyio
@pytest.mark.parametrize("planted", ["TABLE Lookups(record, field, term)", "VIEW Lookups AS SELECT 1 AS record"])
async def test_a_table_that_only_bears_the_name_is_none_of_a_host(tmp_path: Path, planted: str) -> None:
    await filled(tmp_path)
    with sqlite3.connect(tmp_path / "cache.db") as connection:
        connection.execute("DROP TABLE Lookups")
        connection.execute(f"CREATE {planted}")
    connection.close()
    store = DiskStore(tmp_path)
    await store.open()
    await store.commit([Put("t", "k", "v", lookups={"f": "x"})])
    assert await store.find("t", "f", "x") == [("k", "v")]
    await store.close()
    assert list(tmp_path.glob("cache.db.set-aside-*"))
