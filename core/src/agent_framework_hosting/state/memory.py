"""Records that live as long as the process."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence

from ..ports import Write
from .changes import RecordKey, changes_of


class MemoryStore:
    """Keep records in dictionaries. Nothing outlives the process; a commit never yields to the event loop."""

    def __init__(self) -> None:
        self._tables: dict[str, _Table] = {}

    @property
    def durable(self) -> bool:
        """Whether records outlive the process: never."""
        return False

    @property
    def fault(self) -> str | None:
        """Why the last commit failed: memory never does."""
        return None

    async def check(self) -> str | None:
        """Return ``fault``."""
        return None

    async def open(self) -> None:
        """Do nothing: memory needs no owner."""

    async def close(self) -> None:
        """Do nothing: the records stay until the store itself is gone."""

    async def get(self, table: str, key: str) -> str | None:
        """Return one record or None."""
        held = self._tables.get(table)
        return None if held is None else held.texts.get(key)

    async def scan(
        self, table: str, *, prefix: str = "", after: str = "", limit: int = 1000
    ) -> Sequence[tuple[str, str]]:
        """Return up to ``limit`` (key, text) pairs in key order, keys starting with ``prefix`` and above ``after``."""
        held = self._tables.get(table)
        if held is None:
            return []
        page: list[tuple[str, str]] = []
        for key in held.keys_from(prefix, after):
            if len(page) >= limit or not key.startswith(prefix):
                break
            page.append((key, held.texts[key]))
        return page

    async def count(self, table: str) -> int:
        """Return the number of records in a table."""
        held = self._tables.get(table)
        return 0 if held is None else len(held.texts)

    async def commit(self, writes: Sequence[Write]) -> None:
        """Apply all writes, or none and raise ``RecordExists``."""
        for (table, key), text in changes_of(writes, {}, self._exists).items():
            held = self._tables.get(table)
            if held is None:
                held = self._tables[table] = _Table()
            if text is None:
                held.remove(key)
            else:
                held.put(key, text)

    def _exists(self, record: RecordKey) -> bool:
        held = self._tables.get(record[0])
        return held is not None and record[1] in held.texts


class _Table:
    """Texts by key, and the keys in order.

    The order is repaired when it is asked for, so that a write costs the same at any size: new keys wait in ``_new``
    and removed ones stay in ``_order`` until half of it is dead.
    """

    __slots__ = ("_dead", "_new", "_order", "texts")

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}
        self._order: list[str] = []
        self._new: list[str] = []
        self._dead: set[str] = set()

    def put(self, key: str, text: str) -> None:
        if key not in self.texts:
            if key in self._dead:
                self._dead.discard(key)
            elif not self._new and (not self._order or key > self._order[-1]):
                self._order.append(key)
            else:
                self._new.append(key)
        self.texts[key] = text

    def remove(self, key: str) -> None:
        if self.texts.pop(key, None) is None:
            return
        self._dead.add(key)
        if len(self._dead) > 64 and len(self._dead) > len(self.texts):
            self._order = sorted(self.texts)
            self._new = []
            self._dead = set()

    def keys_from(self, prefix: str, after: str) -> Iterator[str]:
        if self._new:
            self._order += self._new
            self._order.sort()
            self._new = []
        first = max(bisect_left(self._order, prefix), bisect_right(self._order, after) if after else 0)
        for index in range(first, len(self._order)):
            if self._order[index] not in self._dead:
                yield self._order[index]
