"""A part of a store with table and lease names of its own, for one channel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..errors import CommitRefused, Fenced, RecordExists, RecordsDiffer
from ..ports import Fence, Lease, Put, Store, Stored, Write


class StoreNamespace:
    """Give one owner tables and leases nobody else can name; opening and closing stay the host's."""

    def __init__(self, store: Store, owner: str) -> None:
        self._store = store
        self._prefix = f"of.{owner}."

    @property
    def durable(self) -> bool:
        """Whether records outlive the process."""
        return self._store.durable

    def now(self) -> float:
        """Return the store's time."""
        return self._store.now()

    async def check(self) -> str | None:
        """Return why records cannot be written at present, or None."""
        return await self._store.check()

    async def open(self) -> None:
        """Do nothing: the host opens the store."""

    async def close(self) -> None:
        """Do nothing: the host closes the store."""

    async def get(self, table: str, key: str) -> str | None:
        """Return the text of one record or None."""
        return await self._store.get(self._prefix + table, key)

    async def read(self, table: str, key: str) -> Stored | None:
        """Return one record with its version, or None."""
        return await self._store.read(self._prefix + table, key)

    async def scan(
        self, table: str, *, prefix: str = "", after: str = "", limit: int = 1000
    ) -> Sequence[tuple[str, str]]:
        """Return up to ``limit`` (key, text) pairs in key order."""
        return await self._store.scan(self._prefix + table, prefix=prefix, after=after, limit=limit)

    async def find(
        self, table: str, field: str, value: str, *, after: str = "", limit: int = 1000
    ) -> Sequence[tuple[str, str]]:
        """Return up to ``limit`` (key, text) pairs whose lookup ``field`` is ``value``, sorted."""
        return await self._store.find(self._prefix + table, field, value, after=after, limit=limit)

    async def count(self, table: str) -> int:
        """Return the number of records in a table."""
        return await self._store.count(self._prefix + table)

    async def tables(self) -> Sequence[str]:
        """Return the names of the owner's tables that hold records, sorted."""
        return [self._name(table) for table in await self._store.tables() if table.startswith(self._prefix)]

    async def commit(self, writes: Sequence[Write]) -> int:
        """Apply all writes in one transaction, or none and raise; return the version of what was written."""
        try:
            return await self._store.commit([self._own(write) for write in writes])
        except CommitRefused as refusal:
            raise self._renamed(refusal) from refusal

    async def sweep(self) -> int:
        """Remove the records that have expired, whosever they are; return their number."""
        return await self._store.sweep()

    async def trim(self, table: str, most: int) -> int:
        """Remove what exceeds ``most`` records of a table, longest unwritten first; return how many went."""
        return await self._store.trim(self._prefix + table, most)

    async def acquire(self, name: str, owner: str, seconds: float) -> Lease | None:
        """Hold a name for ``seconds``; None while another owner does."""
        held = await self._store.acquire(self._prefix + name, owner, seconds)
        return None if held is None else replace(held, name=name)

    async def renew(self, lease: Lease, seconds: float) -> Lease:
        """Hold on for ``seconds`` from now. Raises ``Fenced`` when another owner came."""
        try:
            return replace(await self._store.renew(self._owned(lease), seconds), name=lease.name)
        except Fenced as refusal:
            raise self._renamed(refusal) from refusal

    async def release(self, lease: Lease) -> None:
        """Let go; does nothing when it is another's by now."""
        await self._store.release(self._owned(lease))

    async def holder(self, name: str) -> Lease | None:
        """Return who holds a name at this moment, or None."""
        held = await self._store.holder(self._prefix + name)
        return None if held is None else replace(held, name=name)

    def _own(self, write: Write) -> Write:
        if isinstance(write, Put):
            table = self._prefix + write.table
            return Put(table, write.key, write.text, write.expect, write.expires_at, write.lookups)
        if isinstance(write, Fence):
            return replace(write, name=self._prefix + write.name)
        return replace(write, table=self._prefix + write.table)

    def _owned(self, lease: Lease) -> Lease:
        return replace(lease, name=self._prefix + lease.name)

    def _name(self, name: str) -> str:
        return name.removeprefix(self._prefix)

    def _renamed(self, refusal: CommitRefused) -> CommitRefused:
        """Return a refusal in the names the owner knows."""
        if isinstance(refusal, Fenced):
            return Fenced(self._name(refusal.lease))
        if not isinstance(refusal, RecordsDiffer):
            return refusal
        records = self._records(refusal)
        return RecordExists(*records[0], records[1:]) if isinstance(refusal, RecordExists) else RecordsDiffer(records)

    def _records(self, refusal: RecordsDiffer) -> list[tuple[str, str]]:
        return [(self._name(table), key) for table, key in refusal.records]
