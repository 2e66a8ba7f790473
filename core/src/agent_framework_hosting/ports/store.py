"""Where records live, who may change them, and for how long."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Protocol, TypeAlias, runtime_checkable

ABSENT: Final = 0
"""The version of a record that does not exist."""


_NOTHING: Mapping[str, str] = MappingProxyType({})


def _nothing() -> Mapping[str, str]:
    return _NOTHING


@dataclass(frozen=True, slots=True)
class Put:
    """Write a record, replacing what is there.

    ``expect`` is the version it must have (``ABSENT``: it must not exist); None writes whatever is there.
    ``expires_at`` is when it ends, in seconds since the epoch by the store's own clock; None keeps it.
    ``lookups`` are the fields it can be found by, each with its value; they replace those it had.
    """

    table: str
    key: str
    text: str
    expect: int | None = None
    expires_at: float | None = None
    lookups: Mapping[str, str] = field(default_factory=_nothing, hash=False)


@dataclass(frozen=True, slots=True)
class Insert:
    """Write a record that must not exist yet, as a ``Put`` with ``expect=ABSENT`` does.

    When it exists, the whole commit is refused; with ``RecordExists``, if nothing else is wrong with it.
    """

    table: str
    key: str
    text: str
    expires_at: float | None = None
    lookups: Mapping[str, str] = field(default_factory=_nothing, hash=False)


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove a record; removing what is not there is no error, unless ``expect`` names the version it must have."""

    table: str
    key: str
    expect: int | None = None


@dataclass(frozen=True, slots=True)
class Expect:
    """Let a commit through only while a record has this version: what was decided on was read, not written."""

    table: str
    key: str
    version: int


@dataclass(frozen=True, slots=True)
class Fence:
    """Let a commit through only while the lease ``name`` has this number; else it ends in ``Fenced``.

    It has it until it is released or another owner acquires it. That its time ran out is no reason by itself: a host
    that slept goes on with what nobody took over.
    """

    name: str
    number: int


Write: TypeAlias = Put | Insert | Delete | Expect | Fence


@dataclass(frozen=True, slots=True)
class Stored:
    """One record as it is in the store. Its version is the number of the commit that wrote it, which only grows."""

    key: str
    text: str
    version: int
    expires_at: float | None = None


@dataclass(frozen=True, slots=True)
class Lease:
    """A name held by one owner until ``expires_at``, in the store's time, or until it is renewed or released.

    ``number`` stays while the lease is renewed and is larger for each later holder.
    """

    name: str
    owner: str
    number: int
    expires_at: float

    @property
    def fence(self) -> Fence:
        """What a commit carries to be refused once the lease is somebody else's."""
        return Fence(self.name, self.number)


class Leases(Protocol):
    """Let one owner at a time hold a name. Failures raise ``StoreError``."""

    async def acquire(self, name: str, owner: str, seconds: float) -> Lease | None:
        """Hold a name for ``seconds``, more than 0; None while another owner does.

        An owner that holds it already, or held it last and did not let go, goes on under the same number.
        """
        ...

    async def renew(self, lease: Lease, seconds: float) -> Lease:
        """Hold on for ``seconds`` from now, more than 0, even if the time ran out.

        Raises ``Fenced`` when it was released, or another owner came.
        """
        ...

    async def release(self, lease: Lease) -> None:
        """Let go; does nothing when it is another's by now."""
        ...

    async def holder(self, name: str) -> Lease | None:
        """Return who holds a name at this moment, or None."""
        ...


@runtime_checkable
class ErasesRemoved(Protocol):
    """A store whose files keep what was removed until it is overwritten, unless it is told to erase it."""

    async def erase_removed(self) -> None:
        """Rewrite the files so that nothing that was removed, or has expired, can be read from them.

        Raises ``StoreError``.
        """
        ...


class Store(Leases, Protocol):
    """Keep records of text under (table, key), for any number of writers.

    Keys sort by code point. Everything is Unicode text without NUL; names of tables, lookup fields, leases and their
    owners have no control characters. Anything else is refused with ``StoreError``, also when it is only asked for, as
    a prefix, to go on after it, or by a fence. A record that has expired is not there: no read returns it and no
    condition meets it. A commit applies whole or not at all. When ``durable``, a commit that returned survives
    ``kill -9`` and power loss. A commit whose condition does not hold raises ``CommitRefused`` (``RecordsDiffer``,
    ``RecordExists``, ``Fenced``) and trying it again cannot help; other failures raise ``StoreError``.
    """

    @property
    def durable(self) -> bool:
        """Whether records outlive the process."""
        ...

    def now(self) -> float:
        """Return the store's time, in seconds since the epoch: what expiry and leases are measured by."""
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
        """Return the text of one record or None."""
        ...

    async def read(self, table: str, key: str) -> Stored | None:
        """Return one record with its version, or None."""
        ...

    async def scan(
        self, table: str, *, prefix: str = "", after: str = "", limit: int = 1000
    ) -> Sequence[tuple[str, str]]:
        """Return up to ``limit`` (key, text) pairs in key order, keys starting with ``prefix`` and above ``after``.

        An empty ``after`` is none: the empty key comes first.
        """
        ...

    async def find(
        self, table: str, field: str, value: str, *, after: str = "", limit: int = 1000
    ) -> Sequence[tuple[str, str]]:
        """Return up to ``limit`` (key, text) pairs whose lookup ``field`` is ``value``, sorted, above ``after``.

        An empty ``after`` is none.
        """
        ...

    async def count(self, table: str) -> int:
        """Return the number of records in a table."""
        ...

    async def tables(self) -> Sequence[str]:
        """Return the names of the tables that hold records, sorted."""
        ...

    async def commit(self, writes: Sequence[Write]) -> int:
        """Apply all writes in one transaction, or none and raise; return the version of what was written.

        A condition sees the writes before it in the same commit; of two writes to one record the last stays.
        """
        ...

    async def sweep(self) -> int:
        """Remove the records that have expired and return their number; any writer may, at any time."""
        ...

    async def trim(self, table: str, most: int) -> int:
        """Remove what exceeds ``most`` records of a table, longest unwritten first; return how many went.

        Those of one commit go in key order.
        """
        ...
