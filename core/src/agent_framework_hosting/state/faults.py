"""What is wrong with a disk, said so that an operator can act."""

from __future__ import annotations

import errno
import sqlite3
from pathlib import Path


def sentence(error: Exception, directory: Path) -> str:
    """Say what is wrong and what to do."""
    code = _code(error)
    if code == sqlite3.SQLITE_FULL or (isinstance(error, OSError) and error.errno == errno.ENOSPC):
        return f"The disk with the state directory {directory} is full; free some space and the host goes on by itself."
    if code in {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN} or isinstance(
        error, PermissionError
    ):
        return f"The state directory {directory} cannot be written; give this user write access to it and its files."
    if passes_by_itself(error):
        return f"Another program keeps the state database in {directory} locked; close it."
    if code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
        return f"The state database in {directory} is damaged; stop the host and restore it from a backup."
    return f"The state directory {directory} cannot be used ({type(error).__name__}: {error}); check the disk."


def passes_by_itself(error: Exception) -> bool:
    """Whether the database is in order and only held by someone else for the moment."""
    return _code(error) in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


def _code(error: Exception) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF  # the low byte is the kind, the rest its detail
