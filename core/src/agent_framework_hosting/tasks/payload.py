"""Values as JSON text; what cannot be stored is refused where it is handed in."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from typing import cast

from ..errors import PushPayloadNotSerializable
from ..records import replace_surrogates

_DEEPEST = 200
_PLAIN = frozenset({str, int, bool})
_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, check_circular=False, separators=(",", ":")).encode


def to_json(value: object, what: str) -> str:
    """Return the JSON text of a value; ``what`` names it in the error.

    Raises ``PushPayloadNotSerializable`` with the path of the first value that JSON has no form for. Lone surrogates,
    which no wire can carry, become U+FFFD.
    """
    fault = _fault_in(value, _DEEPEST)
    if fault is not None:
        *path, reason = reversed(fault)
        raise PushPayloadNotSerializable(f"The {what} cannot be stored as JSON: {''.join(path) or 'it'} {reason}.")
    try:
        text = _encode(value)
    except (ValueError, RecursionError) as error:
        raise PushPayloadNotSerializable(f"The {what} cannot be stored as JSON: {error}.") from error
    return text if text.isascii() else replace_surrogates(text)


def mapping_to_json(value: object, what: str) -> str:
    """Return the JSON text of a mapping. Raises ``PushPayloadNotSerializable``, also for what is no mapping."""
    if not isinstance(value, Mapping):
        raise PushPayloadNotSerializable(f"The {what} must be a mapping of JSON values, not {type(value).__name__}.")
    return to_json(dict(cast("Mapping[object, object]", value)), what)


def from_json(text: bytes) -> object:
    """Return the value of a JSON text."""
    return json.loads(text)


def _fault_in(value: object, depth: int) -> list[str] | None:
    """Return None, or what is wrong preceded (in reverse) by the way to it."""
    if value is None or isinstance(value, (str, int)):
        return None
    if isinstance(value, float):
        return None if math.isfinite(value) else [f"is {value}, which JSON does not know"]
    if isinstance(value, dict):
        return _fault_among(cast("dict[object, object]", value).items(), str, depth)
    if isinstance(value, (list, tuple)):
        return _fault_among(enumerate(cast("list[object]", value)), int, depth)
    return [f"is of type {type(value).__name__}"]


def _fault_among(items: Iterable[tuple[object, object]], key_type: type, depth: int) -> list[str] | None:
    if not depth:
        return ["is nested too deeply, or holds itself"]
    for key, item in items:
        if not isinstance(key, key_type):
            return [f"has the key {key!r}, which is no string"]
        if item is None or type(item) in _PLAIN:  # most are, and need no look into them
            continue
        if (fault := _fault_in(item, depth - 1)) is not None:
            return [*fault, f"[{key!r}]"]
    return None
