"""A part of a store with table names of its own, for one channel."""

from __future__ import annotations

from collections.abc import Sequence

from ..ports import Delete, Store, Write


class StoreNamespace:
    """Give one owner tables nobody else can name; opening and closing stay the host's."""

    def __init__(self, store: Store, owner: str) -> None:
        self._store = store
        self._prefix = f"of.{owner}."

    @property
    def durable(self) -> bool:
        """Whether records outlive the process."""
        return self._store.durable

    async def check(self) -> str | None:
        """Return why records cannot be written at present, or None."""
        return await self._store.check()

    async def open(self) -> None:
        """Do nothing: the host opens the store."""

    async def close(self) -> None:
        """Do nothing: the host closes the store."""

    async def get(self, table: str, key: str) -> str | None:
        """Return one record or None."""
        return await self._store.get(self._prefix + table, key)

    async def scan(
        self, table: str, *, prefix: str = "", after: str = "", limit: int = 1000
    ) -> Sequence[tuple[str, str]]:
        """Return up to ``limit`` (key, text) pairs in key order."""
        return await self._store.scan(self._prefix + table, prefix=prefix, after=after, limit=limit)

    async def count(self, table: str) -> int:
        """Return the number of records in a table."""
        return await self._store.count(self._prefix + table)

    async def commit(self, writes: Sequence[Write]) -> None:
        """Apply all writes in one transaction, or none and raise."""
        await self._store.commit([self._own(write) for write in writes])

    def _own(self, write: Write) -> Write:
        table = self._prefix + write.table
        return Delete(table, write.key) if isinstance(write, Delete) else type(write)(table, write.key, write.text)
