from __future__ import annotations

import errno
import os
import sqlite3
from pathlib import Path

import pytest

from agent_framework_hosting.state.faults import sentence

SECRET = "what-the-error-says"


@pytest.mark.parametrize(
    ("error", "named"),
    [
        (OSError(errno.EIO, SECRET), "(EIO)"),
        (NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), SECRET), "(ENOTDIR)"),
        (sqlite3.OperationalError(SECRET), "(OperationalError)"),
        (ValueError(SECRET), "(ValueError)"),
    ],
)
def test_an_error_is_named_and_not_quoted(error: Exception, named: str) -> None:
    said = sentence(error, Path("state"))
    assert named in said
    assert SECRET not in said


def test_an_error_of_the_database_is_named_by_its_code(tmp_path: Path) -> None:
    database = sqlite3.connect(":memory:")
    with pytest.raises(sqlite3.OperationalError) as raised:
        database.execute("SELECT * FROM nothing")
    database.close()
    assert "(SQLITE_ERROR)" in sentence(raised.value, tmp_path)
