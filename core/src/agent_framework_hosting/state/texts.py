"""What a store takes as text, the same for every store."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

from ..errors import StoreError
from ..ports import Delete, Expect, Fence, Insert, Put, Write

_LONGEST_TEXT = 2**28  # characters; SQLite ends at 10**9 bytes


def check_writes(writes: Sequence[Write]) -> None:
    """Refuse with ``StoreError`` what a store cannot keep; nothing of the commit is applied."""
    for write in writes:
        if isinstance(write, Fence):
            check_name(write.name)
            continue
        check_name(write.table)
        key = write.key
        if "\0" in key or not (key.isascii() or _is_unicode(key)):
            raise _no_text(write)
        if isinstance(write, (Put, Insert)):
            text = write.text
            if "\0" in text or not (text.isascii() or _is_unicode(text)):
                raise _no_text(write)
            if len(text) > _LONGEST_TEXT:
                raise StoreError(f"{_record(write)} is too long ({len(text)} characters).")
            if write.lookups or write.expires_at is not None:
                _check_ends_and_lookups(write)


def fault_of(writes: Sequence[Write]) -> StoreError | None:
    """Return why a store cannot keep a commit, or None."""
    try:
        check_writes(writes)
    except StoreError as error:
        return error
    return None


def _check_ends_and_lookups(write: Put | Insert) -> None:
    if write.expires_at is not None and not math.isfinite(write.expires_at):
        raise StoreError(f"{_record(write)} expires at no moment of time ({write.expires_at}).")
    for field, value in write.lookups.items():
        check_name(field)
        if not is_text(value):
            raise _no_text(write)


def check_reading(table: str, *texts: str) -> None:
    """Refuse with ``StoreError`` to look for what no store can hold."""
    check_name(table)
    for text in texts:
        if not is_text(text):
            raise StoreError(f"Table {table!r} cannot hold {text!r}: it is no valid Unicode text, or has a NUL in it.")


@lru_cache(1024)
def check_name(name: str) -> None:
    """Refuse with ``StoreError`` what cannot name a table, a lookup field, a lease or its owner."""
    if not is_text(name) or any(unicodedata.category(character) == "Cc" for character in name):
        raise StoreError(f"The name {name!r} holds a control character, or is no valid Unicode text.")


def is_text(text: str) -> bool:
    """Return whether a text has no NUL and no half of a surrogate pair."""
    return "\0" not in text and (text.isascii() or _is_unicode(text))


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _no_text(write: Put | Insert | Delete | Expect) -> StoreError:
    return StoreError(f"{_record(write)} is no valid Unicode text, or has a NUL in it.")


def _record(write: Put | Insert | Delete | Expect) -> str:
    return f"The record {write.key!r} of table {write.table!r}"
