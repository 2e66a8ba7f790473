"""Look at a database before it is trusted: damage is refused, what is not ours is set aside."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from pathlib import Path

from ..errors import StoreError
from .rows import LOOKUPS

_MAGIC = b"SQLite format 3\0"
_COLUMNS = "rowid,key,raw,store_time,expire_time,access_time,access_count,tag,size,mode,filename,value"
_FOREIGN = (
    "raw IS NOT 1 OR mode IS NOT 1 OR typeof(key) <> 'text' OR typeof(value) <> 'text' OR filename IS NOT NULL"
    " OR instr(key, char(31)) = 0 OR instr(key, char(0)) OR instr(value, char(0))"
    " OR tag IS NOT NULL AND (typeof(tag) <> 'integer' OR tag NOT BETWEEN 1 AND 1 << 52)"
    " OR expire_time IS NOT NULL AND typeof(expire_time) <> 'real'"
)
_NO_LOOKUP = (
    "typeof(record) <> 'text' OR typeof(field) <> 'text' OR typeof(term) <> 'text' OR instr(field, char(31)) = 0"
)
_NAMED_AT_MOST = 20


def examine(database: Path) -> list[str]:
    """Prepare a database file for opening and return one sentence for each thing that was set aside.

    No row is ever unpickled. A file that is no database is renamed; rows that hold anything but a record's text move
    to the table ``SetAside``; triggers, views and settings are dropped, since opening makes them again, and so are
    lookups that no host wrote. Raises ``StoreError`` for a damaged database.
    """
    if not database.exists() and not database.is_symlink():
        return []
    if not _looks_like_sqlite(database):
        return [set_aside(database, "it is no SQLite database")]
    try:
        with contextlib.closing(sqlite3.connect(database, timeout=5, isolation_level=None)) as connection:
            _check_integrity(connection, database)
            if _is_ours(connection):
                return [
                    *_drop_programs(connection),
                    *_move_foreign_rows(connection),
                    *_drop_foreign_lookups(connection),
                ]
    except sqlite3.DatabaseError as error:
        if (getattr(error, "sqlite_errorcode", 0) & 0xFF) in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
            raise StoreError(_damaged(database)) from error
        raise
    return [set_aside(database, "its tables are not those of a host")]


def _looks_like_sqlite(database: Path) -> bool:
    if database.is_symlink() or not database.is_file():
        return False
    with database.open("rb") as file:
        head = file.read(len(_MAGIC))
    return head in {b"", _MAGIC}


def set_aside(database: Path, reason: str) -> str:
    """Rename a database with its log, and return a sentence about it."""
    mark = f"set-aside-{time.time_ns()}"
    for suffix in ("", "-wal", "-shm"):  # a log left behind would be replayed into the new database
        part = database.with_name(database.name + suffix)
        if part.exists() or part.is_symlink():
            part.rename(part.with_name(f"{part.name}.{mark}"))
    return f"{database} was renamed to {database.name}.{mark}, because {reason}; the host starts without it."


def _check_integrity(connection: sqlite3.Connection, database: Path) -> None:
    if connection.execute("PRAGMA quick_check(1)").fetchall() != [("ok",)]:
        raise StoreError(_damaged(database))


def _damaged(database: Path) -> str:
    return (
        f"The state database {database} is damaged. Restore the directory {database.parent} from a backup, "
        "or move it away to start empty: what it held is lost to the host then."
    )


def _is_ours(connection: sqlite3.Connection) -> bool:
    made = dict(
        connection.execute("SELECT name, sql FROM sqlite_master WHERE name IN ('Cache', 'Settings', 'Lookups')")
    )
    columns = ",".join(row[1] for row in connection.execute("PRAGMA table_xinfo('Cache')"))
    lookups = LOOKUPS.replace("IF NOT EXISTS ", "")
    return (
        all(str(sql).startswith("CREATE TABLE") for sql in made.values())
        and columns in ({_COLUMNS} if "Cache" in made else {""})
        and made.get("Lookups", lookups) == lookups
    )


def _has(connection: sqlite3.Connection, table: str) -> bool:
    return connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)).fetchone() is not None


def _drop_programs(connection: sqlite3.Connection) -> list[str]:
    """Drop what the database would run or obey by itself: views, triggers, and the settings it was opened with."""
    views = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'view'")]
    triggers = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")]
    for kind, names in (("VIEW", views), ("TRIGGER", triggers)):
        for name in names:
            quoted = name.replace('"', '""')
            connection.execute(f'DROP {kind} IF EXISTS "{quoted}"')
    connection.execute("DROP TABLE IF EXISTS Settings")
    strange = views + [name for name in triggers if not name.startswith("Settings_")]
    return [f"The {name!r} in the state database's schema was dropped: no host made it." for name in strange]


def _move_foreign_rows(connection: sqlite3.Connection) -> list[str]:
    if not _has(connection, "Cache"):
        return []
    foreign = connection.execute(f"SELECT typeof(key), quote(key), mode, raw FROM Cache WHERE {_FOREIGN}").fetchall()  # noqa: S608 - a constant
    if not foreign:
        return []
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("CREATE TABLE IF NOT EXISTS SetAside(time REAL, key, raw, mode, filename, value)")
    connection.execute(
        f"INSERT INTO SetAside SELECT ?, key, raw, mode, filename, value FROM Cache WHERE {_FOREIGN}",  # noqa: S608 - a constant
        (time.time(),),
    )
    if _has(connection, "Lookups"):
        connection.execute(f"DELETE FROM Lookups WHERE record IN (SELECT key FROM Cache WHERE {_FOREIGN})")  # noqa: S608 - a constant
    connection.execute(f"DELETE FROM Cache WHERE {_FOREIGN}")  # noqa: S608 - a constant
    connection.execute("COMMIT")
    told = [
        f"The row with the key {key[:80]} ({kind}, mode {mode!r}, raw {raw!r}) holds no text of ours; "
        "it was moved to the table SetAside unread."
        for kind, key, mode, raw in foreign[:_NAMED_AT_MOST]
    ]
    left = len(foreign) - len(told)
    return [*told, f"{left} more rows were moved to the table SetAside unread."] if left else told


def _drop_foreign_lookups(connection: sqlite3.Connection) -> list[str]:
    if not _has(connection, "Lookups"):
        return []
    dropped = connection.execute(f"DELETE FROM Lookups WHERE {_NO_LOOKUP}").rowcount  # noqa: S608 - a constant
    return [f"{dropped} rows of the table Lookups were dropped: no host wrote them."] if dropped else []
