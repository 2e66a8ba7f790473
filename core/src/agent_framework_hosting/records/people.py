"""Whether a record is about somebody: by the fields its table names, or, where it cannot be read, by its words."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import msgspec

from ..model.table import BY_KEY, key_of

KEY_SEPARATOR = "\x1f"
"""What stands between a person's isolation key and the rest of a record's key."""


@dataclass(frozen=True, slots=True)
class Names:
    """What one person is known by: isolation keys, those of rooms they were in included, and accounts on channels."""

    keys: frozenset[str]
    accounts: frozenset[tuple[str, str]]

    def among(self, found: object, channel: str | None) -> bool:
        """Say whether a stored value names the person; a bare text may be a native id on ``channel``, or an address."""
        if isinstance(found, str):
            on_channel = channel is not None and (channel, found) in self.accounts
            return on_channel or found in self.keys or self._are_addressed(found)
        if isinstance(found, dict):
            fields = cast("Mapping[str, object]", found)
            account = (fields.get("channel"), fields.get("native_id", fields.get("id")))  # the first edition wrote id
            return all(isinstance(each, str) for each in account) and account in self.accounts
        return isinstance(found, list) and any(self.among(each, channel) for each in cast("list[object]", found))

    def in_key(self, key: str, channel: str | None) -> bool:
        """Say whether a record's key names the person: by itself, before its separator, or as a JSON list."""
        owner = key.partition(KEY_SEPARATOR)[0]
        if owner in {key_of(each) for each in self.keys} or self.among(owner, channel):
            return True
        return self._are_addressed(key)

    def in_words(self, key: str, text: str, channel: str | None) -> bool:
        """Say whether a name of the person stands in a record as a whole string."""
        natives = {native for where, native in self.accounts if channel is None or where == channel}
        spelled = [json.dumps(name, ensure_ascii=ascii_) for name in self.keys | natives for ascii_ in (True, False)]
        return any(each in text or each in key for each in spelled)

    def in_record(self, paths: Sequence[str], key: str, text: str, channel: str | None) -> bool:
        """Say whether a record is about the person: one of ``paths`` names them, or, in a damaged one, its words do."""
        if BY_KEY in paths and self.in_key(key, channel):
            return True
        stored = _json(text)
        if not isinstance(stored, dict):
            return bool(paths) and self.in_words(key, text, channel)
        envelope = cast("dict[str, object]", stored)
        fields = envelope["data"] if envelope.keys() == {"kind", "v", "data"} else envelope
        return any(self.among(found, channel) for path in paths if path != BY_KEY for found in _at(fields, path))

    def _are_addressed(self, text: str) -> bool:
        """Say whether a text is a JSON list that begins with the person's channel and native id."""
        parts = _json(text) if text.startswith("[") else None
        return isinstance(parts, list) and tuple(map(str, cast("list[object]", parts)[:2])) in self.accounts


def _at(fields: object, path: str) -> Iterator[object]:
    for name in path.split("."):
        if not isinstance(fields, dict):
            return
        fields = cast("dict[str, object]", fields).get(name)
    if fields is not None:
        yield fields


def _json(text: str) -> object:
    try:
        return msgspec.json.decode(text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
