"""Things that may happen once, remembered across restarts."""

from __future__ import annotations

from dataclasses import dataclass

from agent_framework_hosting import Expiry, RecordCodec, RecordExists, Records, Store, Table

from .references import MOST_KEPT


@dataclass(frozen=True, slots=True)
class Happened:
    """That something did; ``person`` is who did it, or whose conversation it was in."""

    person: str | None = None


_happened = RecordCodec("happened", 1, Happened, {0: lambda _: {}})
THREE_DAYS = Expiry(seconds=3 * 86_400.0)
COMMANDS = Table("commands", _happened, person="person", expiry=THREE_DAYS, holds="commands that were taken")
EXCHANGES = Table("exchanges", _happened, person="person", expiry=THREE_DAYS, holds="tokens that were exchanged")
WELCOMED = Table(
    "welcomed", _happened, person="person", expiry=Expiry(most=MOST_KEPT), holds="conversations that were welcomed"
)


class Once:
    """Say for each key whether this is its first time."""

    def __init__(self, store: Store, table: Table[Happened]) -> None:
        self._store = store
        self._records = Records(store, table)

    async def first(self, key: str, person: str | None) -> bool:
        """Return True the first time only. Raises ``StoreError``."""
        try:
            await self._store.commit([self._records.insert(key, Happened(person))])
        except RecordExists:
            return False
        return True

    async def forget(self, key: str) -> None:
        """Let a key happen again."""
        await self._store.commit([self._records.delete(key)])
