"""The database of a store on disk, which diskcache opens. The only import of diskcache."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Literal, TypeVar

import diskcache  # pyright: ignore[reportMissingTypeStubs] - it ships none
import msgspec

from ..errors import CommitRefused, UnreadableRecord
from ..ports import ABSENT, Fence, Stored, Write
from . import rows
from .changes import Changes, RecordKey, changes_of, conditional, version_after
from .rows import RAW_MODE, Statement, end_of, key_of, row_key

DecodedT = TypeVar("DecodedT")

DATABASE: Final = "cache.db"
"""The name diskcache gives the file."""

_BUSY_SECONDS = 5
_BLOCK = 2**20
_SWEPT_AT_ONCE = 1000


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


class Database(diskcache.Cache):
    """diskcache's database and its connection, used on one thread; what is asked of it stands in ``rows``."""

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
        try:
            connection = self._connection()
            connection.execute(rows.LOOKUPS)
            connection.execute(rows.LOOKUPS_INDEX)
            self._uses = rows.uses_of(*(self._told((query, ()), list[str]) for query in (rows.EXPIRING, rows.FIELDS)))
            highest: int = connection.execute(rows.HIGHEST).fetchone()[0] or 0
            reserved: int = connection.execute(rows.BLOCK).fetchone()[0]
        except BaseException:
            self.close()
            raise
        block = max(reserved, highest // _BLOCK)  # a database that was copied as SQL has lost what was reserved
        self._reserved: int = (block + 1) * _BLOCK
        self._next_number = self._reserved

    def numbers(self, count: int) -> range:
        """Return numbers above all that were ever given, also before a restart.

        They are reserved in blocks, in a field of the file's header that SQLite leaves to its users: a write for each
        million, and what a block has left is skipped at a restart.
        """
        end = self._next_number + count
        if end > self._reserved:
            block = end // _BLOCK
            self._connection().execute(rows.RESERVE.format(block))
            self._reserved = (block + 1) * _BLOCK
        given, self._next_number = range(self._next_number, end), end
        return given

    def write_all(
        self, commits: Sequence[Sequence[Write]], is_held: Callable[[Fence], bool], now: float
    ) -> list[int | Exception]:
        """Write all commits in one transaction; return the number of each, or its refusal. A failure keeps nothing."""
        changes, outcomes = self._judge(commits, is_held, now)
        self._write(rows.applying(changes, self._uses, now))
        return outcomes

    def _judge(
        self, commits: Sequence[Sequence[Write]], is_held: Callable[[Fence], bool], now: float
    ) -> tuple[Changes, list[int | Exception]]:
        """Judge each commit alone, after those before it. What was read stays true: nobody else writes."""
        versions: dict[str, int] = {}
        for statement in rows.versions_of(conditional(commits), now):
            versions.update(self._told(statement, list[tuple[str, int]]))
        effect: Changes = {}

        def version_of(record: RecordKey) -> int:
            earlier = effect.get(record)
            return versions.get(row_key(*record), ABSENT) if earlier is None else version_after(earlier, now)

        outcomes: list[int | Exception] = []
        for number, writes in zip(self.numbers(len(commits)), commits, strict=True):
            try:
                effect.update(changes_of(writes, number, now, version_of, is_held))
                outcomes.append(number)
            except CommitRefused as refusal:
                outcomes.append(refusal)
        return effect, outcomes

    def read_one(self, table: str, key: str, now: float) -> Stored | None:
        """Return one record."""
        row = self._connection().execute(rows.ONE, (row_key(table, key), now)).fetchone()
        if row is None:
            return None
        mode, filename, value, version, expires_at = row
        return Stored(key, self._texts.fetch(mode, filename, value, read=False), version, expires_at)

    def read_page(self, table: str, prefix: str, *, after: str, limit: int, now: float) -> list[tuple[str, str]]:
        """Return (key, text) pairs in key order."""
        start = row_key(table, prefix)
        above = row_key(table, after) if after else ""
        page = self._told((rows.PAGE, (start, above, end_of(start), now, limit)), list[tuple[str, str]])
        return [(key_of(table, row), text) for row, text in page]

    def find_page(
        self, table: str, field: str, value: str, *, after: str, limit: int, now: float
    ) -> list[tuple[str, str]]:
        """Return (key, text) pairs with a lookup, in key order."""
        above = row_key(table, after) if after else ""
        page = self._told((rows.FOUND, (row_key(table, field), value, above, now, limit)), list[tuple[str, str]])
        return [(key_of(table, row), text) for row, text in page]

    def count_all(self, table: str, now: float) -> int:
        """Return the number of records in a table."""
        start = row_key(table, "")
        return self._connection().execute(rows.COUNT, (start, end_of(start), now)).fetchone()[0]

    def tables(self, now: float) -> list[str]:
        """Return the names of the tables that hold records."""
        return sorted(self._told((rows.TABLES, (now,)), list[str]))

    def sweep_some(self, now: float) -> int:
        """Remove some of the expired records and return their number; 0 when none is left."""
        return self._remove((rows.EXPIRED, (now, _SWEPT_AT_ONCE)))

    def trim(self, table: str, most: int, now: float) -> int:
        """Remove what exceeds ``most`` records of a table; return how many went."""
        start = row_key(table, "")
        excess = max(0, self.count_all(table, now) - most)
        return self._remove((rows.OLDEST, (start, end_of(start), now, excess))) if excess else 0

    def erase_removed(self) -> None:
        """Copy what is there into a fresh database and empty the log."""
        for statement in rows.REWRITE:
            self._connection().execute(statement).fetchall()

    def _remove(self, selection: Statement) -> int:
        gone = self._told(selection, list[str])
        self._write(rows.removing(gone, self._uses))
        return len(gone)

    def _write(self, statements: Sequence[Statement]) -> None:
        connection = self._connection()
        if len(statements) == 1:  # a transaction by itself
            connection.execute(*statements[0])
        elif statements:
            _transact_all(connection, statements)

    def _told(self, statement: Statement, kind: type[DecodedT]) -> DecodedT:
        """Run a statement whose one row is JSON: however many records it tells of, the lock is given up once."""
        return msgspec.json.decode(self._connection().execute(*statement).fetchone()[0], type=kind)

    def _connection(self) -> sqlite3.Connection:
        connection = self._con
        connection.text_factory = lenient
        return connection


def _transact_all(connection: sqlite3.Connection, statements: Sequence[Statement]) -> None:
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


def _text(value: object) -> str:
    if type(value) is not str:
        raise UnreadableRecord("The state database holds text only.")
    return value


def lenient(text: bytes) -> str:
    """Decode what a database holds as text; a planted one must not make its whole table unreadable."""
    return text.decode("utf-8", "replace")
