"""Whether a record is about somebody: by the fields its table names, or, where it cannot be read, by its words."""

from __future__ import annotations

import json
import re
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
        """Say whether a stored value names the person; a bare text may be a native id on ``channel``, or an address.

        A number counts as its digits, a list or a mapping as all that is in it.
        """
        if isinstance(found, int):
            found = str(found)
        if isinstance(found, str):
            on_channel = channel is not None and (channel, found) in self.accounts
            return on_channel or found in self.keys or self._are_addressed(found)
        if isinstance(found, dict):
            fields = cast("Mapping[str, object]", found)
            account = (fields.get("channel"), fields.get("native_id", fields.get("id")))  # the first edition wrote id
            if all(isinstance(each, str) for each in account):
                return account in self.accounts
            return any(self.among(each, channel) for each in (*fields, *fields.values()))
        return isinstance(found, list) and any(self.among(each, channel) for each in cast("list[object]", found))

    def in_key(self, key: str, channel: str | None) -> bool:
        """Say whether a record's key names the person: by itself, before its separator, or as a JSON list."""
        owner = key.partition(KEY_SEPARATOR)[0]
        if owner in {key_of(each) for each in self.keys} or self.among(owner, channel):
            return True
        return self._are_addressed(key)

    def in_words(self, key: str, text: str, channel: str | None) -> bool:
        """Say whether a name of the person stands in a record: as a whole string in JSON, else as a word."""
        if fields_in(text) is None:
            return self.in_ruins(key, text, channel)
        spelled = [json.dumps(each, ensure_ascii=plain) for each in self._all(channel) for plain in (True, False)]
        return any(each in text or each in key for each in spelled)

    def in_ruins(self, key: str, text: str, channel: str | None) -> bool:
        """Say whether a name of the person stands as a word in what is no JSON, or cannot be read."""
        names = self._all(channel)
        spelled = {json.dumps(each, ensure_ascii=plain)[1:-1] for each in names for plain in (True, False)} | names
        words = "|".join(rf"(?<!\w){re.escape(each)}(?!\w)" for each in sorted(spelled))
        return bool(spelled) and any(re.search(words, each) for each in (text, key))

    def in_fields(self, paths: Sequence[str], key: str, fields: object, channel: str | None) -> bool:
        """Say whether a record is about the person: its key, where ``paths`` says so, or a field names them."""
        if BY_KEY in paths and self.in_key(key, channel):
            return True
        return any(self.among(found, channel) for path in paths if path != BY_KEY for found in _at(fields, path))

    def in_record(self, paths: Sequence[str], key: str, text: str, channel: str | None) -> bool:
        """Say whether a stored record is about the person: by its fields, or, where it has none, by its words."""
        fields = fields_in(text)
        if fields is None or not (BY_KEY in paths or any(True for path in paths for _ in _at(fields, path))):
            return bool(paths) and (self.in_key(key, channel) or self.in_ruins(key, text, channel))
        return self.in_fields(paths, key, fields, channel)

    def _all(self, channel: str | None) -> frozenset[str]:
        return self.keys | {native for where, native in self.accounts if channel is None or where == channel}

    def _are_addressed(self, text: str) -> bool:
        """Say whether a text is a JSON list that begins with the person's channel and native id."""
        parts = _json(text) if text.startswith("[") else None
        return isinstance(parts, list) and tuple(map(str, cast("list[object]", parts)[:2])) in self.accounts


def fields_in(text: str) -> object | None:
    """Return the fields of a stored record as they stand in its text, None for what is no JSON object."""
    stored = _json(text)
    if not isinstance(stored, dict):
        return None
    envelope = cast("dict[str, object]", stored)
    return envelope["data"] if envelope.keys() == {"kind", "v", "data"} else envelope


def fields_of(record: object) -> object:
    """Return the fields of a record that was read, as plain values; those of a class of any kind by their names."""
    try:
        return msgspec.to_builtins(record, enc_hook=_plain)
    except (TypeError, ValueError, RecursionError):
        return getattr(record, "__dict__", record)


def _plain(value: object) -> object:
    return msgspec.json.decode(value) if isinstance(value, msgspec.Raw) else getattr(value, "__dict__", str(value))


def _at(fields: object, path: str) -> Iterator[object]:
    """Go through what stands at a path, in each item of a list on the way."""
    if not path:
        if fields is not None:
            yield fields
    elif isinstance(fields, list):
        for item in cast("list[object]", fields):
            yield from _at(item, path)
    elif isinstance(fields, dict):
        name, _, rest = path.partition(".")
        yield from _at(cast("dict[str, object]", fields).get(name), rest)


def _json(text: str) -> object:
    try:
        return msgspec.json.decode(text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
