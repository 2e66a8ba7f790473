"""What is wrong with a disk, said so that an operator can act."""

from __future__ import annotations

import errno
import sqlite3
from pathlib import Path


class MovedAway(OSError):  # noqa: N818 - reads as the condition it names
    """The database was moved, replaced or deleted while it was open."""


def sentence(error: Exception, directory: Path) -> str:
    """Say what is wrong and what to do."""
    code = _code(error)
    if isinstance(error, MovedAway):
        return f"The state database {error} was moved, replaced or deleted under the running host; put it back."
    if code == sqlite3.SQLITE_FULL or (isinstance(error, OSError) and error.errno == errno.ENOSPC):
        return f"The disk with the state directory {directory} is full; free some space and the host goes on by itself."
    if code in {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN} or isinstance(
        error, PermissionError
    ):
        return f"The state directory {directory} cannot be written; give this user write access to it and its files."
    if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return f"Another program keeps the state database in {directory} locked; close it."
    if code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
        return f"The state database in {directory} is damaged; stop the host and restore it from a backup."
    return f"The state directory {directory} cannot be used ({_name(error)}); check the disk."


def _name(error: Exception) -> str:
    """Name an error without its text: readiness shows these sentences to whoever asks."""
    known = errno.errorcode.get(error.errno or 0) if isinstance(error, OSError) else None
    name: str = known or getattr(error, "sqlite_errorname", "") or type(error).__name__
    return name


def _code(error: Exception) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF  # the low byte is the kind, the rest its detail
