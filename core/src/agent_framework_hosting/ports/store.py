"""Where records live."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias, runtime_checkable


@dataclass(frozen=True, slots=True)
class Put:
    """Write a record, replacing what is there."""

    table: str
    key: str
    text: str


@dataclass(frozen=True, slots=True)
class Insert:
    """Write a record that must not exist yet; when it does, the whole commit is refused with ``RecordExists``."""

    table: str
    key: str
    text: str


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove a record; removing what is not there is no error."""

    table: str
    key: str


Write: TypeAlias = Put | Insert | Delete


@runtime_checkable
class ErasesRemoved(Protocol):
    """A store whose files keep what was removed until it is overwritten, unless it is told to erase it."""

    async def erase_removed(self) -> None:
        """Rewrite the files so that nothing that was removed can be read from them. Raises ``StoreError``."""
        ...


class Store(Protocol):
    """Keep records of text under (table, key). Keys sort as text.

    A commit applies whole or not at all. When ``durable``, a commit that returned survives ``kill -9`` and power loss.
    Failures raise ``StoreError``.
    """

    @property
    def durable(self) -> bool:
        """Whether records outlive the process."""
        ...

    async def check(self) -> str | None:
        """Return why records cannot be written at present, in a sentence for the operator, or None."""
        ...

    async def open(self) -> None:
        """Take ownership; raises ``StateDirectoryInUse`` when another process holds the state."""
        ...

    async def close(self) -> None:
        """Finish waiting commits and give ownership back. A closed store may be opened again."""
        ...

    async def get(self, table: str, key: str) -> str | None:
        """Return one record or None."""
        ...

    async def scan(
        self, table: str, *, prefix: str = "", after: str = "", limit: int = 1000
    ) -> Sequence[tuple[str, str]]:
        """Return up to ``limit`` (key, text) pairs in key order, keys starting with ``prefix`` and above ``after``."""
        ...

    async def count(self, table: str) -> int:
        """Return the number of records in a table."""
        ...

    async def commit(self, writes: Sequence[Write]) -> None:
        """Apply all writes in one transaction, or none and raise."""
        ...
