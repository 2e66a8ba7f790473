"""Records as rows of the database: one text key, and few large statements."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Literal, TypeAlias, TypeVar

import msgspec

from ..errors import RecordExists, StoreError
from ..ports import Delete, Insert, Write
from .changes import Changes, changes_of

ItemT = TypeVar("ItemT")
Statement: TypeAlias = tuple[str, Sequence[object]]

RAW_MODE: Literal[1] = 1
ONE = "SELECT mode, filename, value FROM Cache WHERE key = ? AND raw = 1"
COUNT = "SELECT COUNT(*) FROM Cache WHERE key >= ? AND key < ? AND raw = 1"
PAGE = (
    "SELECT json_group_array(json_array(key, value)) FROM (SELECT key, value FROM Cache"
    " WHERE key >= ? AND key > ? AND key < ? AND raw = 1 AND mode = 1 AND typeof(value) = 'text' AND filename IS NULL"
    " ORDER BY key LIMIT ?)"
)
_SEPARATOR = "\x1f"
_LONGEST_TEXT = 2**28  # characters; SQLite ends at 10**9 bytes
_CHUNKS = (256, 64, 32)  # and what is left below
_UPSERT = (
    "INSERT INTO Cache(key, raw, store_time, access_time, mode, value) VALUES {} ON CONFLICT(key, raw) DO UPDATE"
    " SET store_time = excluded.store_time, mode = excluded.mode, filename = NULL, value = excluded.value"
)


def plan(
    connection: sqlite3.Connection, commits: Sequence[Sequence[Write]]
) -> tuple[list[Statement], list[Exception | None]]:
    """Return the statements for the net effect of all commits, and for each commit None or why it is left out.

    A commit is left out whole when one of its ``Insert`` meets a record. Only the owner of the database may call this
    and rely on it until the statements have run.
    """
    inserted = [row_key(w.table, w.key) for writes in commits for w in writes if isinstance(w, Insert)]
    taken = _existing(connection, inserted)
    effect: Changes = {}
    outcomes: list[Exception | None] = []
    for writes in commits:
        try:
            effect.update(changes_of(writes, effect, lambda record: row_key(*record) in taken))
            outcomes.append(None)
        except RecordExists as refusal:
            outcomes.append(refusal)
    now = time.time()
    put = [(row_key(*record), 1, now, now, RAW_MODE, text) for record, text in effect.items() if text is not None]
    gone = [row_key(*record) for record, text in effect.items() if text is None]
    statements: list[Statement] = [
        (_UPSERT.format(", ".join(["(?, ?, ?, ?, ?, ?)"] * len(rows))), [*chain.from_iterable(rows)])
        for rows in _chunks(put)
    ]
    statements += [
        (f"DELETE FROM Cache WHERE raw = 1 AND key IN ({_marks(keys)})", keys)  # noqa: S608 - marks only
        for keys in _chunks(gone)
    ]
    return statements, outcomes


def _existing(connection: sqlite3.Connection, keys: Sequence[str]) -> set[str]:
    found: set[str] = set()
    for some in _chunks(keys):
        query = f"SELECT json_group_array(key) FROM Cache WHERE raw = 1 AND key IN ({_marks(some)})"  # noqa: S608 - marks only
        found.update(msgspec.json.decode(connection.execute(query, some).fetchone()[0], type=list[str]))
    return found


def _chunks(rows: Sequence[ItemT]) -> Iterator[Sequence[ItemT]]:
    """Cut into few sizes, so that each size's statement stays prepared."""
    start = 0
    while start < len(rows):
        left = len(rows) - start
        size = next((size for size in _CHUNKS if size <= left), left)
        yield rows[start : start + size]
        start += size


def _marks(keys: Sequence[str]) -> str:
    return ", ".join("?" * len(keys))


def row_key(table: str, key: str) -> str:
    """Return the database's key of a record."""
    return f"{table}{_SEPARATOR}{key}"


def key_of(table: str, row: str) -> str:
    """Return the record's key of a row."""
    return row[len(table) + len(_SEPARATOR) :]


def end_of(prefix: str) -> str:
    """Return the first text above every text that starts with ``prefix``."""
    head = prefix.rstrip(chr(0x10FFFF))
    following = ord(head[-1]) + 1
    return head[:-1] + chr(0xE000 if following == 0xD800 else following)


def check_texts(writes: Sequence[Write]) -> None:
    """Refuse with ``StoreError`` what the database could not keep as text."""
    for write in writes:
        text = "" if isinstance(write, Delete) else write.text
        if _SEPARATOR in write.table:
            raise StoreError(f"The table name {write.table!r} holds a character that separates tables from keys.")
        if len(text) > _LONGEST_TEXT:
            raise StoreError(f"The record {write.key!r} of table {write.table!r} is too long ({len(text)} characters).")
        try:
            if not (write.key.isascii() and text.isascii()):
                (write.key + text).encode()
        except UnicodeEncodeError:
            raise StoreError(f"The record {write.key!r} of table {write.table!r} is no valid Unicode text.") from None
