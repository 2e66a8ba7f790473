"""Which keys may name a directory."""

from __future__ import annotations

import os
import re
from collections.abc import Callable

# A channel may be named by one lower-case letter, and its keys ("a:42") are ordinary where drives have no letters.
_DRIVE = re.compile(r"[A-Za-z]:" if os.name == "nt" else r"[A-Z]:|[a-z]:$")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def danger_of(key: str) -> str | None:
    """Return why ``key`` cannot be a directory's name, unmodified, or None when it can."""
    return next((reason for reason, is_so in _DANGERS.items() if is_so(key)), None)


def _is_not_unicode(key: str) -> bool:
    try:
        key.encode()
    except UnicodeEncodeError:
        return True
    return False


_DANGERS: dict[str, Callable[[str], object]] = {
    "it is empty": lambda key: not key,
    "it holds a path separator": lambda key: "/" in key or "\\" in key,
    "it consists of dots": lambda key: not key.strip("."),
    "it starts like a drive letter": _DRIVE.match,
    "it holds a control character": _CONTROL.search,
    "it is not valid Unicode": _is_not_unicode,
    "it is longer than 255 bytes": lambda key: len(key.encode()) > 255,
}
