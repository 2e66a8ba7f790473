"""Records in a directory of one's own, kept by diskcache's SQLite database. The only import of diskcache."""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, TypeVar

import diskcache  # pyright: ignore[reportMissingTypeStubs] - it ships none
import msgspec

from ..errors import StoreError, UnreadableRecord
from ..ports import Put, Write
from .faults import MovedAway, sentence
from .group import GroupWorker
from .lock import DirectoryLock
from .rows import COUNT, ONE, PAGE, RAW_MODE, Statement, check_texts, end_of, key_of, plan, row_key
from .sweep import sweep

logger = logging.getLogger(__name__)
ResultT = TypeVar("ResultT")

_DATABASE = "cache.db"
_BUSY_SECONDS = 5


class TextDisk(diskcache.Disk):
    """Keep text in the database and refuse everything else: no pickle, no files, no bytes."""

    def put(self, key: object) -> tuple[str, Literal[True]]:
        """Return the database's key for a text key."""
        return _text(key), True

    def get(self, key: object, raw: object) -> str:
        """Return the text key of a row."""
        if raw != 1:
            raise UnreadableRecord("A row of the state database has a key that is no text.")
        return _text(key)

    def store(self, value: object, read: object, key: object = None) -> tuple[Literal[0], Literal[1], None, str]:  # noqa: ARG002 - diskcache's signature
        """Return size, mode, file name and value of a row."""
        if read:
            raise UnreadableRecord("The state database takes text, no files.")
        return 0, RAW_MODE, None, _text(value)

    def fetch(self, mode: object, filename: object, value: object, read: object) -> str:
        """Return the text value of a row."""
        if mode != RAW_MODE or filename is not None or read:
            raise UnreadableRecord("A row of the state database holds something other than text.")
        return _text(value)


class _TextCache(diskcache.Cache):
    """diskcache's database, written and read in few large statements.

    Each statement gives up the interpreter lock once. Row by row, as ``Cache.set`` works, a busy event loop stretches
    a group of 64 commits from one millisecond to more than a hundred; so one statement carries many rows.
    """

    def __init__(self, directory: Path) -> None:
        super().__init__(  # pyright: ignore[reportUnknownMemberType] - no stubs
            str(directory),
            timeout=_BUSY_SECONDS,
            disk=TextDisk,
            eviction_policy="none",
            cull_limit=0,
            size_limit=2**62,
            sqlite_synchronous=2,  # written through at each commit
            sqlite_mmap_size=0,  # a mapped file that another program cuts short kills the process
            disk_min_file_size=2**31 - 1,
        )
        self._texts = TextDisk(str(directory))

    def write_all(self, commits: Sequence[Sequence[Write]]) -> list[Exception | None]:
        """Write all commits in one transaction; return the refusal of each, or None. A failure keeps nothing."""
        connection = self._connection()
        statements, outcomes = plan(connection, commits)
        if len(statements) == 1:  # a transaction by itself
            connection.execute(*statements[0])
        elif statements:
            self._transact_all(connection, statements)
        return outcomes

    def _transact_all(self, connection: sqlite3.Connection, statements: Sequence[Statement]) -> None:
        try:
            connection.execute("BEGIN IMMEDIATE")
            for statement in statements:
                connection.execute(*statement)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                with contextlib.suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
            raise

    def read_one(self, key: str) -> str | None:
        """Return one value."""
        row = self._connection().execute(ONE, (key,)).fetchone()
        return None if row is None else self._texts.fetch(*row, read=False)

    def read_page(self, start: str, above: str, below: str, limit: int) -> list[tuple[str, str]]:
        """Return (key, value) pairs with ``start <= key``, ``above < key`` and ``key < below``, in key order."""
        rows = self._connection().execute(PAGE, (start, above, below, limit))
        return msgspec.json.decode(rows.fetchone()[0], type=list[tuple[str, str]])

    def count_between(self, start: str, below: str) -> int:
        """Return the number of rows with ``start <= key < below``."""
        return self._connection().execute(COUNT, (start, below)).fetchone()[0]

    def erase_removed(self) -> None:
        """Copy what is there into a fresh database and empty the log. SQLite else leaves old rows in free space."""
        connection = self._connection()
        connection.execute("VACUUM")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def _connection(self) -> sqlite3.Connection:
        connection = self._con
        connection.text_factory = _lenient
        return connection


class DiskStore:
    """Keep records in a directory that one process owns at a time.

    The directory is made with mode 0700. Commits that wait at the same time share one transaction, which is on the
    disk before any of their callers goes on. A caller that is cancelled stops waiting, and its commit still happens.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._directory = Path(path)
        self._database = self._directory / _DATABASE
        self._opened_file: tuple[int, int] | None = None
        self._lock = DirectoryLock(self._directory)
        self._worker: GroupWorker | None = None
        self._cache: _TextCache | None = None
        self._fault: str | None = None

    @property
    def durable(self) -> bool:
        """Whether records outlive the process: always."""
        return True

    @property
    def path(self) -> Path:
        """The directory."""
        return self._directory

    @property
    def fault(self) -> str | None:
        """Why the last commit failed, or None when it succeeded."""
        return self._fault

    async def check(self) -> str | None:
        """Return ``fault``; when there is one, try a commit first, so that a recovery is noticed without traffic."""
        if self._fault is not None:
            with contextlib.suppress(StoreError):  # the commit renews the fault
                await self.commit([Put("probe", "probe", "")])
        return self._fault

    async def open(self) -> None:
        """Take the directory and open the database; does nothing when it is open.

        Raises ``StateDirectoryInUse`` when another process holds the directory, ``StoreError`` when it cannot be used.
        """
        worker = self._worker
        if worker is None:
            worker = self._worker = GroupWorker("host-core-store", self._commit_all)
        try:
            await worker.run(self._open_now)
        except StoreError:
            if self._worker is worker and self._cache is None:
                self._worker = None
                worker.stop()
            raise

    async def close(self) -> None:
        """Finish waiting commits and give the directory back; does nothing when it is closed."""
        worker, self._worker = self._worker, None
        if worker is not None:
            try:
                await worker.run(self._close_now)
            finally:
                worker.stop()

    async def get(self, table: str, key: str) -> str | None:
        """Return one record or None."""
        return await self._read(lambda cache: cache.read_one(row_key(table, key)))

    async def scan(
        self, table: str, *, prefix: str = "", after: str = "", limit: int = 1000
    ) -> Sequence[tuple[str, str]]:
        """Return up to ``limit`` (key, text) pairs in key order, keys starting with ``prefix`` and above ``after``."""
        start = row_key(table, prefix)
        above = row_key(table, after) if after else ""
        page = await self._read(lambda cache: cache.read_page(start, above, end_of(start), limit))
        return [(key_of(table, row), text) for row, text in page]

    async def count(self, table: str) -> int:
        """Return the number of records in a table."""
        start = row_key(table, "")
        return await self._read(lambda cache: cache.count_between(start, end_of(start)))

    async def commit(self, writes: Sequence[Write]) -> None:
        """Apply all writes in one transaction that is on the disk when this returns, or none and raise."""
        check_texts(writes)
        if self._worker is None:
            raise self._not_open()
        await self._worker.commit(writes)

    async def erase_removed(self) -> None:
        """Rewrite the database, so that nothing removed can be read from its files; commits wait meanwhile."""
        await self._read(_TextCache.erase_removed)

    async def _read(self, job: Callable[[_TextCache], ResultT]) -> ResultT:
        if self._worker is None:
            raise self._not_open()
        return await self._worker.run(lambda: self._read_now(job))

    def _not_open(self) -> StoreError:
        return StoreError(f"The store in {self._directory} is not open; await its open() first.")

    # On the worker's thread

    def _open_now(self) -> None:
        if self._cache is not None:
            return
        try:
            _make_private(self._directory)
            self._lock.acquire()
            try:
                for told in sweep(self._database):
                    logger.warning("State was set aside: %s", told)
                self._cache = _TextCache(self._directory)
                self._opened_file = _identity(self._database)
            except BaseException:
                self._lock.release()
                raise
        except (sqlite3.Error, OSError) as error:
            raise StoreError(sentence(error, self._directory)) from error

    def _close_now(self) -> None:
        cache, self._cache = self._cache, None
        try:
            if cache is not None:
                cache.close()
        finally:
            self._lock.release()

    def _read_now(self, job: Callable[[_TextCache], ResultT]) -> ResultT:
        if self._cache is None:
            raise self._not_open()
        try:
            return job(self._cache)
        except (sqlite3.Error, OSError, UnicodeEncodeError) as error:
            raise StoreError(sentence(error, self._directory)) from error

    def _commit_all(self, commits: Sequence[Sequence[Write]]) -> Sequence[Exception | None]:
        if self._cache is None:
            return [self._not_open() for _ in commits]
        try:
            if _identity(self._database) != self._opened_file:  # SQLite would go on writing into a deleted file
                raise MovedAway(self._database)
            outcomes = self._cache.write_all(commits)
        except (sqlite3.Error, OSError) as error:
            self._fault = sentence(error, self._directory)
            return [StoreError(f"{self._fault} Nothing of this commit was kept.") for _ in commits]
        self._fault = None
        return outcomes


def _text(value: object) -> str:
    if type(value) is not str:
        raise UnreadableRecord("The state database holds text only.")
    return value


def _lenient(text: bytes) -> str:
    return text.decode("utf-8", "replace")  # a planted text must not make its whole table unreadable


def _identity(file: Path) -> tuple[int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _make_private(directory: Path) -> None:
    missing = [path for path in (directory, *directory.parents) if not path.exists()]
    for path in reversed(missing):
        path.mkdir(mode=0o700, exist_ok=True)
    if os.name != "posix":
        return
    if directory.stat().st_mode & 0o077:
        directory.chmod(0o700)
    for path in missing:  # a directory survives a power cut once its parent is on the disk
        handle = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
