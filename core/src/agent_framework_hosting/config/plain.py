"""The values a file can express, as JSON can hold them."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import cast


def plain(value: object) -> object:
    """Return what JSON can hold; raises ``ValueError`` with a sentence for what no file could say."""
    if _is_scalar(value):
        return value
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, Mapping):
        table = cast("Mapping[object, object]", value)
        if all(isinstance(key, str) and _is_encodable(key) for key in table):
            return {str(key): plain(item) for key, item in table.items()}
    elif isinstance(value, list | tuple):
        return [plain(item) for item in cast("Sequence[object]", value)]
    raise ValueError("must be plain data: text, finite numbers, true or false, lists and tables.")


def texts(value: object) -> Iterator[str]:
    """Yield every text in a plain value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in cast("Mapping[str, object]", value).values():
            yield from texts(item)
    elif isinstance(value, list):
        for item in cast("list[object]", value):
            yield from texts(item)


def _is_scalar(value: object) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    return value is None or isinstance(value, bool | int) or (isinstance(value, str) and _is_encodable(value))


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
