"""Typed records as versioned JSON text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Generic, TypeAlias, TypeVar, cast

import msgspec

from ..errors import UnreadableRecord

RecordT = TypeVar("RecordT")
Migration: TypeAlias = Callable[[dict[str, object]], dict[str, object]]


class _Envelope(msgspec.Struct, frozen=True):
    kind: str
    v: int
    data: msgspec.Raw


_open_envelope = msgspec.json.Decoder(_Envelope).decode


class RecordCodec(Generic[RecordT]):
    """Turn frozen dataclasses into text and back, strictly typed.

    ``migrations[n]`` turns the fields of version n into those of version n + 1; each version below ``version`` needs
    one. Raise ``version`` whenever a stored field changes its meaning, its type or its name; a new field with a
    default needs no new version.
    """

    def __init__(
        self, kind: str, version: int, record_type: type[RecordT], migrations: Mapping[int, Migration] | None = None
    ) -> None:
        self._kind = kind
        self._version = version
        self._migrations = dict(migrations or {})
        if sorted(self._migrations) != list(range(1, version)):
            raise ValueError(f"Records of kind {kind!r} need one migration for each version from 1 to {version - 1}.")
        self._head = f'{{"kind":{msgspec.json.encode(kind).decode()},"v":{version},"data":'
        self._encode = msgspec.json.Encoder().encode
        self._decode = msgspec.json.Decoder(record_type).decode

    def dump(self, value: RecordT) -> str:
        """Return the text of a record. Lone surrogates, which no wire can carry, become U+FFFD."""
        try:
            encoded = self._encode(value)
        except UnicodeEncodeError:
            encoded = self._encode(_without_surrogates(msgspec.to_builtins(value)))
        return f"{self._head}{encoded.decode()}}}"

    def load(self, text: str) -> RecordT:
        """Return the record, migrated when it is older. Raises ``UnreadableRecord`` when damaged or newer."""
        try:
            envelope = _open_envelope(text)
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            raise UnreadableRecord(f"The record is damaged: {error}.") from error
        if envelope.kind != self._kind:
            raise UnreadableRecord(f"The record is of kind {envelope.kind!r}, not {self._kind!r}.")
        if envelope.v > self._version:
            raise UnreadableRecord(
                f"The record has version {envelope.v} and this host-core reads {self._kind!r} up to {self._version}: "
                "it was written by a newer host-core. Upgrade host-core to use it."
            )
        try:
            data = envelope.data if envelope.v == self._version else self._migrated(envelope)
            return self._decode(data)
        except Exception as error:
            raise UnreadableRecord(
                f"The record of kind {self._kind!r}, version {envelope.v}, is damaged: {type(error).__name__}: {error}."
            ) from error

    def _migrated(self, envelope: _Envelope) -> bytes:
        fields = msgspec.json.decode(envelope.data, type=dict[str, object])
        for version in range(envelope.v, self._version):
            fields = self._migrations[version](fields)
        return self._encode(fields)


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
