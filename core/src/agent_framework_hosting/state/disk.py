"""Records in a directory of one's own."""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from ..errors import StoreError
from ..ports import Lease, Put, Stored, Write
from .database import DATABASE, Database
from .examine import examine
from .faults import MovedAway, sentence
from .group import GroupWorker
from .leases import LeaseBook
from .lock import DirectoryLock
from .texts import check_name, check_reading, fault_of

logger = logging.getLogger(__name__)
ResultT = TypeVar("ResultT")


@dataclass(frozen=True, slots=True)
class _Opened:
    """What a store has while it is open, used on its thread alone."""

    database: Database
    file: tuple[int, int] | None
    leases: LeaseBook


class DiskStore:
    """Keep records in a directory that one process owns at a time.

    The directory is made with mode 0700. Commits that wait at the same time share one transaction, which is on the
    disk before any of their callers goes on. A caller that is cancelled stops waiting, and its commit still happens.
    Leases live in memory, since nobody outlives the process that could hold one. ``clock`` tells the store's time, in
    seconds since the epoch.
    """

    def __init__(self, path: str | os.PathLike[str], clock: Callable[[], float] = time.time) -> None:
        self._directory = Path(path)
        self._clock = self.now = clock  # the store's time, in seconds since the epoch
        self._database = self._directory / DATABASE
        self._lock = DirectoryLock(self._directory)
        self._worker: GroupWorker | None = None
        self._opened: _Opened | None = None
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
            if self._worker is worker and self._opened is None:
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
        """Return the text of one record or None."""
        found = await self.read(table, key)
        return None if found is None else found.text

    async def read(self, table: str, key: str) -> Stored | None:
        """Return one record with its version, or None."""
        check_reading(table, key)
        return await self._ask(lambda opened, now: opened.database.read_one(table, key, now))

    async def scan(
        self, table: str, *, prefix: str = "", after: str = "", limit: int = 1000
    ) -> Sequence[tuple[str, str]]:
        """Return up to ``limit`` (key, text) pairs in key order, keys starting with ``prefix`` and above ``after``."""
        check_reading(table, prefix, after)
        return await self._ask(
            lambda opened, now: opened.database.read_page(table, prefix, after=after, limit=limit, now=now)
        )

    async def find(
        self, table: str, field: str, value: str, *, after: str = "", limit: int = 1000
    ) -> Sequence[tuple[str, str]]:
        """Return up to ``limit`` (key, text) pairs whose lookup ``field`` is ``value``, sorted, above ``after``."""
        check_name(field)
        check_reading(table, value, after)
        return await self._ask(
            lambda opened, now: opened.database.find_page(table, field, value, after=after, limit=limit, now=now)
        )

    async def count(self, table: str) -> int:
        """Return the number of records in a table."""
        check_reading(table)
        return await self._ask(lambda opened, now: opened.database.count_all(table, now))

    async def tables(self) -> Sequence[str]:
        """Return the names of the tables that hold records, sorted."""
        return await self._ask(lambda opened, now: opened.database.tables(now))

    async def commit(self, writes: Sequence[Write]) -> int:
        """Apply all writes in one transaction that is on the disk when this returns, or none and raise.

        Returns the version of what was written.
        """
        if self._worker is None:
            raise self._not_open()
        return await self._worker.commit(writes)

    async def sweep(self) -> int:
        """Remove the records that have expired and return their number; commits go between."""
        swept = 0
        while some := await self._ask(lambda opened, now: self._own(opened).sweep_some(now)):
            swept += some
        return swept

    async def trim(self, table: str, most: int) -> int:
        """Remove what exceeds ``most`` records of a table, longest unwritten first; return how many went."""
        check_reading(table)
        return await self._ask(lambda opened, now: self._own(opened).trim(table, most, now))

    async def erase_removed(self) -> None:
        """Rewrite the database, so that nothing removed or expired can be read from its files; commits wait."""
        await self.sweep()
        await self._ask(lambda opened, _: opened.database.erase_removed())

    async def acquire(self, name: str, owner: str, seconds: float) -> Lease | None:
        """Hold a name for ``seconds``; None while another owner does."""
        return await self._ask(lambda opened, _: opened.leases.acquire(name, owner, seconds))

    async def renew(self, lease: Lease, seconds: float) -> Lease:
        """Hold on for ``seconds`` from now. Raises ``Fenced`` when another owner came."""
        return await self._ask(lambda opened, _: opened.leases.renew(lease, seconds))

    async def release(self, lease: Lease) -> None:
        """Let go; does nothing when it is another's by now."""
        await self._ask(lambda opened, _: opened.leases.release(lease))

    async def holder(self, name: str) -> Lease | None:
        """Return who holds a name at this moment, or None."""
        return await self._ask(lambda opened, _: opened.leases.holder(name))

    async def _ask(self, job: Callable[[_Opened, float], ResultT]) -> ResultT:
        if self._worker is None:
            raise self._not_open()
        return await self._worker.run(lambda: self._answer(job))

    def _not_open(self) -> StoreError:
        return StoreError(f"The store in {self._directory} is not open; await its open() first.")

    # On the worker's thread

    def _open_now(self) -> None:
        if self._opened is not None:
            return
        try:
            _make_private(self._directory)
            self._lock.acquire()
            try:
                for told in examine(self._database):
                    logger.warning("State was set aside: %s", told)
                database = Database(self._directory)
                leases = LeaseBook(self._clock, lambda: database.numbers(1)[0])
                self._opened = _Opened(database, _identity(self._database), leases)
            except BaseException:
                self._lock.release()
                raise
        except (sqlite3.Error, OSError) as error:
            raise StoreError(sentence(error, self._directory)) from error

    def _close_now(self) -> None:
        opened, self._opened = self._opened, None
        try:
            if opened is not None:
                opened.database.close()
        finally:
            self._lock.release()

    def _answer(self, job: Callable[[_Opened, float], ResultT]) -> ResultT:
        if self._opened is None:
            raise self._not_open()
        try:
            return job(self._opened, self._clock())
        except (sqlite3.Error, OSError) as error:
            raise StoreError(sentence(error, self._directory)) from error

    def _commit_all(self, commits: Sequence[Sequence[Write]]) -> Sequence[int | Exception]:
        opened = self._opened
        if opened is None:
            return [self._not_open() for _ in commits]
        faults = [fault_of(writes) for writes in commits]
        fit = [writes for writes, fault in zip(commits, faults, strict=True) if fault is None]
        try:
            outcomes = iter(self._own(opened).write_all(fit, opened.leases.is_held, self._clock()))
        except (sqlite3.Error, OSError) as error:
            self._fault = sentence(error, self._directory)
            return [StoreError(f"{self._fault} Nothing of this commit was kept.") for _ in commits]
        self._fault = None
        return [next(outcomes) if fault is None else fault for fault in faults]

    def _own(self, opened: _Opened) -> Database:
        """Return the database to write to; SQLite would go on writing into a deleted file."""
        if _identity(self._database) != opened.file:
            raise MovedAway(self._database)
        return opened.database


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
