"""Records that live as long as the process."""

from __future__ import annotations

import time
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import count
from typing import TypeAlias

from ..ports import ABSENT, Insert, Lease, Put, Stored, Write
from .changes import RecordKey, changes_of, has_expired
from .leases import LeaseBook
from .texts import check_name, check_reading, check_writes


class MemoryStore:
    """Keep records in dictionaries. Nothing outlives the process; a commit never yields to the event loop.

    ``clock`` tells the store's time, in seconds since the epoch. Several hosts of one process may share the store, so
    closing it changes nothing: records and leases stay.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._numbers = count(1)
        self._tables: dict[str, _Table] = {}
        self._leases = LeaseBook(clock, self._next_number)

    @property
    def durable(self) -> bool:
        """Whether records outlive the process: never."""
        return False

    @property
    def fault(self) -> str | None:
        """Why the last commit failed: memory never does."""
        return None

    def now(self) -> float:
        """Return the store's time."""
        return self._clock()

    async def check(self) -> str | None:
        """Return ``fault``."""
        return None

    async def open(self) -> None:
        """Do nothing: memory needs no owner."""

    async def close(self) -> None:
        """Do nothing: the records stay until the store itself is gone."""

    async def get(self, table: str, key: str) -> str | None:
        """Return the text of one record or None."""
        check_reading(table, key)
        found = self._find((table, key))
        return None if found is None else found.text

    async def read(self, table: str, key: str) -> Stored | None:
        """Return one record with its version, or None."""
        check_reading(table, key)
        return self._find((table, key))

    async def scan(
        self, table: str, *, prefix: str = "", after: str = "", limit: int = 1000
    ) -> Sequence[tuple[str, str]]:
        """Return up to ``limit`` (key, text) pairs in key order, keys starting with ``prefix`` and above ``after``."""
        check_reading(table, prefix, after)
        held, now = self._tables.get(table), self._clock()
        if held is None:
            return []
        page: list[tuple[str, str]] = []
        for key in held.keys_from(prefix, after):
            if len(page) >= limit or not key.startswith(prefix):
                break
            if held.is_there(key, now):
                page.append((key, held.records[key][0]))
        return page

    async def find(
        self, table: str, field: str, value: str, *, after: str = "", limit: int = 1000
    ) -> Sequence[tuple[str, str]]:
        """Return up to ``limit`` (key, text) pairs whose lookup ``field`` is ``value``, sorted, above ``after``."""
        check_name(field)
        check_reading(table, value, after)
        held, now = self._tables.get(table), self._clock()
        if held is None:
            return []
        keys = (key for key in held.found_by(field, value) if (not after or key > after) and held.is_there(key, now))
        return [(key, held.records[key][0]) for key in sorted(keys)[:limit]]

    async def count(self, table: str) -> int:
        """Return the number of records in a table."""
        check_reading(table)
        held = self._tables.get(table)
        return 0 if held is None else held.count(self._clock())

    async def tables(self) -> Sequence[str]:
        """Return the names of the tables that hold records, sorted."""
        now = self._clock()
        return sorted(name for name, held in self._tables.items() if held.count(now))

    async def commit(self, writes: Sequence[Write]) -> int:
        """Apply all writes, or none and raise; return the version of what was written."""
        check_writes(writes)
        number = self._next_number()
        changes = changes_of(writes, number, self._clock(), self._version, self._leases.is_held)
        for (table, key), (_, write) in changes.items():
            held = self._tables.get(table)
            if held is None:
                held = self._tables[table] = _Table()
            if write is None:
                held.remove(key)
            else:
                held.put(write, number)
        return number

    async def sweep(self) -> int:
        """Remove the records that have expired and return their number."""
        now = self._clock()
        return sum(held.remove_all(held.expired(now)) for held in self._tables.values())

    async def trim(self, table: str, most: int) -> int:
        """Remove what exceeds ``most`` records of a table, longest unwritten first; return how many went."""
        check_reading(table)
        held, now = self._tables.get(table), self._clock()
        if held is None:
            return 0
        there = [(version, key) for key, (_, version, _) in held.records.items() if held.is_there(key, now)]
        there.sort()
        return held.remove_all([key for _, key in there[: max(0, len(there) - most)]])

    async def acquire(self, name: str, owner: str, seconds: float) -> Lease | None:
        """Hold a name for ``seconds``; None while another owner does."""
        return self._leases.acquire(name, owner, seconds)

    async def renew(self, lease: Lease, seconds: float) -> Lease:
        """Hold on for ``seconds`` from now. Raises ``Fenced`` when another owner came."""
        return self._leases.renew(lease, seconds)

    async def release(self, lease: Lease) -> None:
        """Let go; does nothing when it is another's by now."""
        self._leases.release(lease)

    async def holder(self, name: str) -> Lease | None:
        """Return who holds a name at this moment, or None."""
        return self._leases.holder(name)

    def _next_number(self) -> int:
        return next(self._numbers)

    def _find(self, record: RecordKey) -> Stored | None:
        held = self._tables.get(record[0])
        if held is None or not held.is_there(record[1], self._clock()):
            return None
        return Stored(record[1], *held.records[record[1]])

    def _version(self, record: RecordKey) -> int:
        held = self._tables.get(record[0])
        kept = None if held is None else held.records.get(record[1])
        return ABSENT if kept is None or has_expired(kept[2], self._clock()) else kept[1]


_Kept: TypeAlias = tuple[str, int, float | None]
"""Text, version and end of a record; the garbage collector passes tuples of such values over."""


class _Table:
    """Records by key, the keys in order, and the keys by lookup.

    The order is repaired when it is asked for, so that a write costs the same at any size: new keys wait in ``_new``
    and removed ones stay in ``_order`` until half of it is dead.
    """

    __slots__ = ("_dead", "_ending", "_found", "_lookups", "_new", "_order", "records")

    def __init__(self) -> None:
        self.records: dict[str, _Kept] = {}
        self._lookups: dict[str, Mapping[str, str]] = {}  # by key
        self._found: dict[tuple[str, str], set[str]] = {}  # keys by field and value
        self._ending: set[str] = set()  # keys of the records that expire
        self._order: list[str] = []
        self._new: list[str] = []
        self._dead: set[str] = set()

    def put(self, write: Put | Insert, version: int) -> None:
        key = write.key
        if key not in self.records:
            if key in self._dead:
                self._dead.discard(key)
            elif not self._new and (not self._order or key > self._order[-1]):
                self._order.append(key)
            else:
                self._new.append(key)
        self.records[key] = (write.text, version, write.expires_at)
        if write.expires_at is not None:
            self._ending.add(key)
        elif self._ending:
            self._ending.discard(key)
        if write.lookups or key in self._lookups:
            self._look_up(key, dict(write.lookups))

    def remove(self, key: str) -> None:
        if self.records.pop(key, None) is None:
            return
        self._ending.discard(key)
        self._look_up(key, {})
        self._dead.add(key)
        if len(self._dead) > 64 and len(self._dead) > len(self.records):
            self._order = sorted(self.records)
            self._new = []
            self._dead = set()

    def remove_all(self, keys: Sequence[str]) -> int:
        for key in keys:
            self.remove(key)
        return len(keys)

    def is_there(self, key: str, now: float) -> bool:
        record = self.records.get(key)
        return record is not None and not has_expired(record[2], now)

    def expired(self, now: float) -> Sequence[str]:
        return [key for key in self._ending if has_expired(self.records[key][2], now)]

    def count(self, now: float) -> int:
        return len(self.records) - (len(self.expired(now)) if self._ending else 0)

    def found_by(self, field: str, value: str) -> Iterable[str]:
        return self._found.get((field, value), ())

    def keys_from(self, prefix: str, after: str) -> Iterator[str]:
        if self._new:
            self._order += self._new
            self._order.sort()
            self._new = []
        first = max(bisect_left(self._order, prefix), bisect_right(self._order, after) if after else 0)
        for index in range(first, len(self._order)):
            if self._order[index] not in self._dead:
                yield self._order[index]

    def _look_up(self, key: str, lookups: Mapping[str, str]) -> None:
        for found_by in self._lookups.pop(key, {}).items():
            keys = self._found[found_by]
            keys.discard(key)
            if not keys:
                del self._found[found_by]
        for found_by in lookups.items():
            self._found.setdefault(found_by, set()).add(key)
        if lookups:
            self._lookups[key] = lookups
