"""JSON in and out. The one place that knows the encoder."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import msgspec

Json = dict[str, object]

_encode: Callable[[object], bytes] = msgspec.json.Encoder().encode


def encode(value: object) -> bytes:
    """Return compact UTF-8 JSON; text that is no valid Unicode is repaired, and NaN and infinities become null."""
    try:
        return _encode(value)
    except UnicodeEncodeError:
        return _encode(repaired(value))


def repaired(value: object) -> object:
    """Return the value with lone surrogates replaced in every text of it."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, dict):
        return {repaired(key): repaired(item) for key, item in cast("dict[object, object]", value).items()}
    if isinstance(value, list | tuple):
        return [repaired(item) for item in cast("list[object]", value)]
    return value


def decode_object(body: bytes) -> Json | None:
    """Return the JSON object in a body, or None when it holds anything else.

    NaN, numbers out of range, invalid UTF-8, lone surrogates and hostile nesting count as anything else.
    """
    try:
        value: object = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None
    return cast("Json", value) if isinstance(value, dict) else None


def json_text(value: object) -> str:
    """Return any value as JSON text; what JSON cannot carry is shown as text."""
    try:
        return encode(value).decode()
    except TypeError:
        return msgspec.json.encode(value, enc_hook=str).decode()
