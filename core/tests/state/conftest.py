from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeAlias

import diskcache
import pytest

FirstEdition: TypeAlias = Callable[[Path, Iterable[tuple[str, str, str]]], None]


@pytest.fixture
def first_edition() -> FirstEdition:
    """Write a state directory as the first edition left it: (table, key, text) in rows of diskcache's own making."""

    def write(directory: Path, records: Iterable[tuple[str, str, str]]) -> None:
        with diskcache.Cache(
            str(directory), eviction_policy="none", cull_limit=0, disk_min_file_size=2**31 - 1
        ) as cache:
            for table, key, text in records:
                cache.set(f"{table}\x1f{key}", text)

    return write
