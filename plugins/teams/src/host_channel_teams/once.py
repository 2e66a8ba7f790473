"""Things that may happen once, remembered across restarts."""

from __future__ import annotations

import time
from collections.abc import Callable

from agent_framework_hosting.errors import RecordExists
from agent_framework_hosting.ports import Delete, Insert, Store

KEEP_SECONDS = 3 * 86_400.0


class Once:
    """Say for each key whether this is its first time."""

    def __init__(self, store: Store, table: str, now: Callable[[], float] = time.time) -> None:
        self._store = store
        self._table = table
        self._now = now

    async def first(self, key: str) -> bool:
        """Return True the first time only. Raises ``StoreError``."""
        try:
            await self._store.commit([Insert(self._table, key, str(self._now()))])
        except RecordExists:
            return False
        return True

    async def forget(self, key: str) -> None:
        """Let a key happen again."""
        await self._store.commit([Delete(self._table, key)])

    async def sweep(self) -> None:
        """Forget what is too old to come again."""
        after = ""
        while rows := await self._store.scan(self._table, after=after, limit=500):
            after = rows[-1][0]
            old = [key for key, at in rows if float(at) < self._now() - KEEP_SECONDS]
            await self._store.commit([Delete(self._table, key) for key in old])
