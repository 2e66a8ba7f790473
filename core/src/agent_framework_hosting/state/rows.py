"""Records as rows of the database: all SQL of an open store.

diskcache makes the table ``Cache``, its indices and its settings. Its methods are not used for records, because each
statement gives up the interpreter lock once: row by row, as ``Cache.set`` works, a busy event loop stretches a group
of 64 commits from one millisecond to more than a hundred. So one statement carries many rows. They also know nothing
of versions and lookups, and tell the time themselves.

A record's version stands in the column ``tag`` (rows of the first edition have none: their version is 1), its end in
``expire_time``. What it can be found by stands in ``Lookups``, a table of our own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Literal, TypeAlias, TypeVar

from ..ports import Insert, Put
from .changes import Changes, RecordKey

ItemT = TypeVar("ItemT")
Statement: TypeAlias = tuple[str, Sequence[object]]


@dataclass(frozen=True, slots=True)
class Uses:
    """What tables make use of, or once did, so that writing to the others costs nothing more."""

    expiry: set[str]
    fields: dict[str, set[str]]
    """By table, the lookup fields in the database's spelling."""


RAW_MODE: Literal[1] = 1
_SEPARATOR = "\x1f"
_AFTER_SEPARATOR = " "  # no table name holds a character below it

_IS_TEXT = "mode = 1 AND typeof(value) = 'text' AND filename IS NULL"
_IS_THERE = "raw = 1 AND (+expire_time IS NULL OR +expire_time > ?)"  # "+" keeps SQLite from the column's index
_VERSION = "ifnull(tag, 1)"
_TABLE = "substr(key, 1, instr(key, char(31)) - 1)"
_FIRST_TABLE = f"SELECT {_TABLE} FROM Cache WHERE raw = 1 AND instr(key, char(31)) > 0"

LOOKUPS = (
    "CREATE TABLE IF NOT EXISTS Lookups(record TEXT NOT NULL, field TEXT NOT NULL, term TEXT NOT NULL,"
    " PRIMARY KEY (record, field)) WITHOUT ROWID"
)
LOOKUPS_INDEX = "CREATE INDEX IF NOT EXISTS Lookups_field_term ON Lookups(field, term)"  # and by record, SQLite adds
EXPIRING = (
    f"SELECT json_group_array(name) FROM (SELECT DISTINCT {_TABLE} AS name FROM Cache WHERE expire_time IS NOT NULL)"
)
FIELDS = (
    "WITH RECURSIVE each(field) AS (SELECT min(field) FROM Lookups UNION ALL"
    " SELECT (SELECT min(field) FROM Lookups WHERE field > each.field) FROM each WHERE each.field IS NOT NULL)"
    " SELECT json_group_array(field) FROM each WHERE field IS NOT NULL"
)
BLOCK = "PRAGMA user_version"
RESERVE = "PRAGMA user_version = {}"
HIGHEST = "SELECT max(tag) FROM Cache"
ONE = f"SELECT mode, filename, value, {_VERSION}, expire_time FROM Cache WHERE key = ? AND {_IS_THERE}"
PAGE = (
    "SELECT json_group_array(json_array(key, value)) FROM (SELECT key, value FROM Cache"
    f" WHERE key >= ? AND key > ? AND key < ? AND {_IS_THERE} AND {_IS_TEXT} ORDER BY key LIMIT ?)"
)
FOUND = (
    "SELECT json_group_array(json_array(key, value)) FROM (SELECT key, value FROM Lookups CROSS JOIN Cache"
    f" ON key = record WHERE field = ? AND term = ? AND record > ? AND {_IS_THERE} AND {_IS_TEXT}"
    " ORDER BY record LIMIT ?)"
)
COUNT = (  # the first from an index alone, the second over what nobody has swept yet
    "SELECT (SELECT COUNT(*) FROM Cache WHERE key >= ?1 AND key < ?2 AND raw = 1) - (SELECT COUNT(*) FROM Cache"
    " WHERE +key >= ?1 AND +key < ?2 AND raw = 1 AND expire_time <= ?3)"
)
TABLES = (  # from the first record of each table to that of the next
    f"WITH RECURSIVE each(name) AS (SELECT ({_FIRST_TABLE} ORDER BY key LIMIT 1) UNION"
    f" SELECT ({_FIRST_TABLE} AND key >= each.name || '{_AFTER_SEPARATOR}' ORDER BY key LIMIT 1) FROM each"
    " WHERE each.name IS NOT NULL) SELECT json_group_array(name) FROM each WHERE name IS NOT NULL AND EXISTS (SELECT 1"
    f" FROM Cache WHERE key >= each.name || char(31) AND key < each.name || '{_AFTER_SEPARATOR}' AND {_IS_THERE})"
)
EXPIRED = "SELECT json_group_array(key) FROM (SELECT key FROM Cache WHERE raw = 1 AND expire_time <= ? LIMIT ?)"
OLDEST = (  # the first edition left the time alone to tell its rows apart
    f"SELECT json_group_array(key) FROM (SELECT key FROM Cache WHERE key >= ? AND key < ? AND {_IS_THERE}"
    f" ORDER BY {_VERSION}, store_time, key LIMIT ?)"
)
REWRITE = ("VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)")  # else SQLite leaves old rows in free space and in its log

_CHUNKS = (256, 64, 32)  # and what is left below
_UPSERT = (
    "INSERT INTO Cache(key, raw, store_time, tag, mode, value) VALUES {} ON CONFLICT(key, raw) DO UPDATE SET"
    " store_time = excluded.store_time, tag = excluded.tag, mode = excluded.mode, filename = NULL,"
    " value = excluded.value"
)
_UPSERT_ENDING = (  # apart, because it has one more index to write
    "INSERT INTO Cache(key, raw, store_time, tag, mode, value, expire_time) VALUES {} ON CONFLICT(key, raw) DO UPDATE"
    " SET store_time = excluded.store_time, tag = excluded.tag, mode = excluded.mode, filename = NULL,"
    " value = excluded.value, expire_time = excluded.expire_time"
)
_UPSERT_LOOKUPS = (
    "INSERT INTO Lookups VALUES {} ON CONFLICT(record, field) DO UPDATE SET term = excluded.term"
    " WHERE term <> excluded.term"
)


def versions_of(records: Sequence[RecordKey], now: float) -> Iterator[Statement]:
    """Yield the statements that tell [row key, version] of those records that are there."""
    for rows in _chunks([row_key(*record) for record in records]):
        query = f"SELECT json_group_array(json_array(key, {_VERSION})) FROM Cache WHERE key IN ({_marks(rows)})"
        yield f"{query} AND {_IS_THERE}", [*rows, now]


def applying(changes: Changes, uses: Uses, now: float) -> list[Statement]:
    """Return the statements that apply the net effect of a group; ``uses`` learns what tables use from now on."""
    rows: list[tuple[object, ...]] = []
    ending: list[tuple[object, ...]] = []
    lookups: list[tuple[object, ...]] = []
    stale: list[tuple[str, str]] = []
    gone: list[str] = []
    for (table, key), (number, write) in changes.items():
        row = row_key(table, key)
        if write is None:
            gone.append(row)
            continue
        if write.expires_at is None and table not in uses.expiry:
            rows.append((row, now, number, write.text))
        else:
            uses.expiry.add(table)
            ending.append((row, now, number, write.text, write.expires_at))
        if write.lookups or table in uses.fields:
            mine = _fields_of(write, uses)
            lookups += [(row, field, term) for field, term in mine.items()]
            stale += [(row, field) for field in uses.fields[table] if field not in mine]
    return [
        *_inserting(_UPSERT, "(?, 1, ?, ?, 1, ?)", rows),
        *_inserting(_UPSERT_ENDING, "(?, 1, ?, ?, 1, ?, ?)", ending),
        *removing(gone, uses),
        *_removing_lookups(stale),
        *_inserting(_UPSERT_LOOKUPS, "(?, ?, ?)", lookups),
    ]


def removing(rows: Sequence[str], uses: Uses) -> list[Statement]:
    """Return the statements that remove rows and their lookups."""
    statements: list[Statement] = [
        (f"DELETE FROM Cache WHERE raw = 1 AND key IN ({_marks(some)})", some) for some in _chunks(rows)
    ]
    return statements + _removing_lookups(
        [(row, field) for row in rows for field in uses.fields.get(table_of(row), ())]
    )


def uses_of(expiring: Sequence[str], fields: Sequence[str]) -> Uses:
    """Return what the records of a database make use of."""
    uses = Uses(set(expiring), {})
    for field in fields:
        uses.fields.setdefault(table_of(field), set()).add(field)
    return uses


def _fields_of(write: Put | Insert, uses: Uses) -> dict[str, str]:
    mine = {row_key(write.table, field): term for field, term in write.lookups.items()}
    uses.fields.setdefault(write.table, set()).update(mine)
    return mine


def _inserting(statement: str, marks: str, rows: Sequence[tuple[object, ...]]) -> list[Statement]:
    return [(statement.format(", ".join([marks] * len(some))), [*chain.from_iterable(some)]) for some in _chunks(rows)]


def _removing_lookups(stale: Sequence[tuple[str, str]]) -> list[Statement]:
    return [
        (
            f"DELETE FROM Lookups WHERE (record, field) IN (VALUES {', '.join(['(?, ?)'] * len(some))})",
            [*chain.from_iterable(some)],
        )
        for some in _chunks(stale)
    ]


def _chunks(rows: Sequence[ItemT]) -> Iterator[Sequence[ItemT]]:
    """Cut into few sizes, so that each size's statement stays prepared."""
    start = 0
    while start < len(rows):
        left = len(rows) - start
        size = next((size for size in _CHUNKS if size <= left), left)
        yield rows[start : start + size]
        start += size


def _marks(rows: Sequence[str]) -> str:
    return ", ".join("?" * len(rows))


def row_key(table: str, key: str) -> str:
    """Return the database's key of a record, or its name of a lookup field."""
    return f"{table}{_SEPARATOR}{key}"


def key_of(table: str, row: str) -> str:
    """Return the record's key of a row."""
    return row[len(table) + len(_SEPARATOR) :]


def table_of(row: str) -> str:
    """Return the table of a row or of a lookup field."""
    return row.partition(_SEPARATOR)[0]


def end_of(prefix: str) -> str:
    """Return the first text above every text that starts with ``prefix``."""
    head = prefix.rstrip(chr(0x10FFFF))
    following = ord(head[-1]) + 1
    return head[:-1] + chr(0xE000 if following == 0xD800 else following)
