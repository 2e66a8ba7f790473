"""Move the first edition's second database into the one store, at the first start that finds it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sqlite3
import time
from collections.abc import Generator, Sequence
from pathlib import Path

from ..errors import RecordExists, StoreError
from ..ports import Insert, Store
from .database import DATABASE, lenient
from .examine import examine, set_aside
from .faults import sentence
from .lock import DirectoryLock
from .rows import key_of, table_of

logger = logging.getLogger(__name__)

_AT_ONCE = 500
_WAITS_SECONDS, _LOOKS_EVERY_SECONDS = 5.0, 0.05
_Row = tuple[str, str]


async def move_in(source: Path, into: Store) -> int:
    """Move all records of the directory ``source`` into an open, durable store; return how many were copied.

    What ``into`` has already stays as it is there. The database is removed once everything is committed: whenever the
    process dies, the next call ends the same. What was set aside in it stays, in a file that nobody reads. Does
    nothing when there is no database. Raises ``StateDirectoryInUse`` when a host of the first edition still runs on
    ``source``, ``StoreError`` when the database is damaged or cannot be read; nothing is removed then.
    """
    database = source / DATABASE
    if not database.exists():
        return 0
    if not into.durable:
        raise StoreError(f"The records in {source} would be lost in a store that forgets; give the host a durable one.")
    lock = DirectoryLock(source)
    lock.acquire()
    try:
        for told in await asyncio.to_thread(examine, database):
            logger.warning("State was set aside: %s", told)
        return await _move(database, into) if database.exists() else 0
    except (sqlite3.Error, OSError) as error:
        raise StoreError(sentence(error, source)) from error
    finally:
        lock.release()


async def _move(database: Path, into: Store) -> int:
    copied = 0
    rows = await asyncio.to_thread(_row_numbers, database)
    for start in range(0, len(rows), _AT_ONCE):
        copied += await _copy(await asyncio.to_thread(_read, database, rows[start : start + _AT_ONCE]), into)
    await asyncio.to_thread(_remove, database)
    logger.info("%d records of %s were moved into the host's one store.", copied, database)
    return copied


async def _copy(page: Sequence[_Row], into: Store) -> int:
    writes = {(table_of(row), key_of(table_of(row), row)): text for row, text in page}
    while writes:
        try:
            await into.commit([Insert(table, key, text) for (table, key), text in writes.items()])
        except RecordExists as refusal:
            for record in refusal.records:
                del writes[record]
        else:
            return len(writes)
    return 0


def _row_numbers(database: Path) -> Sequence[int]:
    """Return the rows in the order they were written, which the versions in the store then tell."""
    with _connected(database) as connection:
        if not _has(connection, "Cache"):
            return []
        return [number for (number,) in connection.execute("SELECT rowid FROM Cache ORDER BY store_time, rowid")]


def _read(database: Path, numbers: Sequence[int]) -> Sequence[_Row]:
    with _connected(database) as connection:
        marks = ", ".join("?" * len(numbers))
        return connection.execute(f"SELECT key, value FROM Cache WHERE rowid IN ({marks})", numbers).fetchall()  # noqa: S608 - marks only


def _remove(database: Path) -> None:
    """Remove the database whole and last, so that it is found with all it held until it is gone."""
    with _connected(database) as connection:
        keeps = _has(connection, "SetAside")
        if keeps:
            for table in ("Cache", "Settings", "Lookups"):
                connection.execute(f"DROP TABLE IF EXISTS {table}")
            connection.execute("VACUUM")
        _take_in_the_log(connection)
    if keeps:
        logger.warning("State was set aside: %s", set_aside(database, "it holds rows that no host wrote"))
    else:
        database.unlink()
    if os.name == "posix":
        handle = os.open(database.parent, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _take_in_the_log(connection: sqlite3.Connection) -> None:
    """Leave no log beside the database; SQLite itself does not wait here for somebody who is still reading."""
    give_up = time.monotonic() + _WAITS_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = DELETE").fetchall()
        except sqlite3.OperationalError:
            if time.monotonic() > give_up:
                raise
            time.sleep(_LOOKS_EVERY_SECONDS)
        else:
            return


@contextlib.contextmanager
def _connected(database: Path) -> Generator[sqlite3.Connection]:
    with contextlib.closing(sqlite3.connect(database, timeout=5, isolation_level=None)) as connection:
        connection.text_factory = lenient
        yield connection


def _has(connection: sqlite3.Connection, table: str) -> bool:
    return connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)).fetchone() is not None
