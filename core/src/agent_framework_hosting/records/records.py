"""Typed records: as versioned JSON text, and as a table of a store, paged and set aside in one place."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar, cast

import msgspec

from ..errors import RecordsDiffer, UnreadableRecord
from ..model.table import Table, key_of
from ..ports import Delete, Insert, Put, Store, Stored, Write

logger = logging.getLogger(__name__)

RecordT = TypeVar("RecordT")
_PAGE = 500
_NONE: Mapping[str, str] = {}
Migration: TypeAlias = Callable[[dict[str, object]], dict[str, object]]
BARE = 0
"""The version of a record that was written without an envelope."""
_Page: TypeAlias = Callable[[str], Awaitable[Sequence[tuple[str, str]]]]


class _Envelope(msgspec.Struct, frozen=True):
    kind: str
    v: int
    data: msgspec.Raw


_open_envelope = msgspec.json.Decoder(_Envelope).decode


class RecordCodec(Generic[RecordT]):
    """Turn frozen dataclasses into text and back, strictly typed.

    ``migrations[n]`` turns the fields of version n into those of version n + 1; each version below ``version`` needs
    one. ``migrations[0]`` is optional and gets what was written without an envelope: the fields of a JSON object, or
    any other text as ``{"text": text}``. Raise ``version`` whenever a stored field changes its meaning, its type or
    its name; a new field with a default needs no new version.
    """

    def __init__(
        self, kind: str, version: int, record_type: type[RecordT], migrations: Mapping[int, Migration] | None = None
    ) -> None:
        self.record_type = record_type
        self._kind = kind
        self.version = self._version = version
        self._migrations = dict(migrations or {})
        if sorted(self._migrations.keys() - {BARE}) != list(range(1, version)):
            raise ValueError(f"Records of kind {kind!r} need one migration for each version from 1 to {version - 1}.")
        self._head = f'{{"kind":{msgspec.json.encode(kind).decode()},"v":{version},"data":'
        self._encode = msgspec.json.Encoder().encode
        self._decode = msgspec.json.Decoder(record_type).decode

    def dump(self, value: RecordT, /) -> str:
        """Return the text of a record. Lone surrogates, which no wire can carry, become U+FFFD."""
        try:
            encoded = self._encode(value)
        except UnicodeEncodeError:
            plain = msgspec.to_builtins(value, enc_hook=msgspec.json.decode)  # of JSON that a record holds as it is
            encoded = self._encode(_without_surrogates(plain))
        return f"{self._head}{encoded.decode()}}}"

    def load(self, text: str, /) -> RecordT:
        """Return the record, migrated when it is older. Raises ``UnreadableRecord`` when damaged or newer."""
        try:
            envelope = _open_envelope(text)
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            if BARE in self._migrations:
                return self._load_bare(text)
            raise UnreadableRecord(f"The record is damaged: {error}.") from error
        if envelope.kind != self._kind:
            raise UnreadableRecord(f"The record is of kind {envelope.kind!r}, not {self._kind!r}.")
        if envelope.v > self._version:
            raise UnreadableRecord(
                f"The record has version {envelope.v} and this host-core reads {self._kind!r} up to {self._version}: "
                "it was written by a newer host-core. Upgrade host-core to use it."
            )
        try:
            data = envelope.data if envelope.v == self._version else self._migrated(envelope.v, envelope.data)
            return self._decode(data)
        except Exception as error:
            raise self._damaged(envelope.v, error) from error

    def _load_bare(self, text: str) -> RecordT:
        try:
            return self._decode(self._migrated(BARE, text.encode()))
        except Exception as error:
            raise self._damaged(BARE, error) from error

    def _migrated(self, version: int, data: bytes | msgspec.Raw) -> bytes:
        try:
            fields = msgspec.json.decode(data, type=dict[str, object])
        except msgspec.MsgspecError:
            if version != BARE:
                raise
            fields = dict[str, object](text=bytes(data).decode())
        for each in range(version, self._version):
            fields = self._migrations[each](fields)
        return self._encode(fields)

    def _damaged(self, version: int, error: Exception) -> UnreadableRecord:
        return UnreadableRecord(
            f"The record of kind {self._kind!r}, version {version}, is damaged: {type(error).__name__}: {error}."
        )


def _without_surrogates(value: object) -> object:
    if isinstance(value, str):
        return replace_surrogates(value)
    if isinstance(value, dict):
        items = cast("dict[object, object]", value).items()
        return {_without_surrogates(key): _without_surrogates(item) for key, item in items}
    if isinstance(value, (list, tuple)):
        return [_without_surrogates(item) for item in cast("list[object]", value)]
    return value


def replace_surrogates(text: str) -> str:
    """Join surrogate pairs and replace lone halves by U+FFFD, so that the text can be encoded."""
    return text if text.isascii() else text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


@dataclass(frozen=True, slots=True)
class Versioned(Generic[RecordT]):
    """A record and the version it has in the store."""

    value: RecordT
    version: int


class Records(Generic[RecordT]):
    """The records of one table.

    What cannot be read counts as absent: it is set aside, or dropped, as the table says, and named in the log.
    """

    def __init__(self, store: Store, table: Table[RecordT]) -> None:
        self.table = table
        self._store = store
        self._name, self._dump = table.name, table.codec.dump
        self._lasts = table.expiry.seconds

    async def get(self, key: str) -> RecordT | None:
        """Return one record or None, also for a key that no store can hold."""
        if not is_key(key):
            return None
        text = await self._store.get(self.table.name, key)
        return None if text is None else await self._loaded(key, text)

    async def read(self, key: str) -> Versioned[RecordT] | None:
        """Return one record with its version, or None."""
        if not is_key(key):
            return None
        stored = await self._store.read(self.table.name, key)
        record = None if stored is None else await self._loaded(key, stored.text)
        return None if stored is None or record is None else Versioned(record, stored.version)

    async def all(self, *, prefix: str = "", after: str = "") -> AsyncIterator[tuple[str, RecordT]]:
        """Go through the table in key order: keys starting with ``prefix`` and above ``after``."""
        async for each in self._pages(
            lambda last: self._store.scan(self.table.name, prefix=prefix, after=last, limit=_PAGE), after
        ):
            yield each

    async def find(self, field: str, value: str) -> AsyncIterator[tuple[str, RecordT]]:
        """Go through the records whose indexed ``field`` is ``value``."""
        wanted = key_of(value)
        async for each in self._pages(
            lambda last: self._store.find(self.table.name, field, wanted, after=last, limit=_PAGE)
        ):
            yield each

    async def count(self) -> int:
        """Return how many there are."""
        return await self._store.count(self.table.name)

    def put(self, key: str, record: RecordT, *, expect: int | None = None, ends: bool = True) -> Put:
        """Return what writes a record; ``expect`` is the version it must have.

        ``ends`` is False for one that is kept although the table's records expire by age.
        """
        end = None if self._lasts is None or not ends else self._store.now() + self._lasts
        lookups = self.table.lookups(record) if self.table.indexed else _NONE
        return Put(self._name, key, self._dump(record), expect, end, lookups)

    def insert(self, key: str, record: RecordT) -> Insert:
        """Return what writes a record that must not be there yet."""
        end = None if self._lasts is None else self._store.now() + self._lasts
        lookups = self.table.lookups(record) if self.table.indexed else _NONE
        return Insert(self._name, key, self._dump(record), end, lookups)

    def delete(self, key: str, *, expect: int | None = None) -> Delete:
        """Return what removes a record."""
        return Delete(self._name, key, expect)

    async def _pages(self, page: _Page, after: str = "") -> AsyncIterator[tuple[str, RecordT]]:
        while rows := await page(after):
            for key, text in rows:
                record = await self._loaded(key, text)
                if record is not None:
                    yield key, record
            after = rows[-1][0]

    async def _loaded(self, key: str, text: str) -> RecordT | None:
        try:
            return self.table.load(text)
        except UnreadableRecord as error:
            stored = await self._store.read(self.table.name, key)
            if stored is not None and stored.text == text:  # else it was written anew meanwhile
                await self._move_away(stored, text, str(error))
            return None

    async def set_aside(self, key: str, text: str, why: str) -> None:
        """Move a record out of the way, as the table says, and name it in the log; ``text`` is what is kept of it."""
        stored = await self._store.read(self.table.name, key)
        if stored is not None:
            await self._move_away(stored, text, why)

    async def _move_away(self, stored: Stored, text: str, why: str) -> None:
        table, name = self.table, stored.key if self.table.keys_are_ids else name_of(stored.key)
        fields = {"table": table.name, "record": name}
        writes: list[Write] = [Delete(table.name, stored.key, stored.version)]
        if table.unreadable == "drop":
            logger.warning("Record %s of table %s was removed: %s", name, table.name, why, extra=fields)
        else:
            logger.error("Record %s was set aside in table %s: %s", name, table.aside, why, extra=fields)
            writes.append(Put(table.aside, stored.key, text, expires_at=stored.expires_at))
        with suppress(RecordsDiffer):  # another host was first, or wrote it anew
            await self._store.commit(writes)


def is_key(key: str) -> bool:
    """Say whether a store can hold a key: it has no NUL and no half of a surrogate pair."""
    return "\0" not in key and (key.isascii() or replace_surrogates(key) == key)


def name_of(key: str) -> str:
    """Return a short name for a record: keys may be secrets, or hold a person's id."""
    return hashlib.blake2b(key.encode("utf-8", "replace"), digest_size=6).hexdigest()
