"""Ids: 128 random bits, made here and never taken from a client."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

NewId = Callable[[str], str]


def new_id(prefix: str) -> str:
    """Return ``<prefix>_`` and 32 hexadecimal digits."""
    return f"{prefix}_{os.urandom(16).hex()}"


def new_response_id() -> str:
    """Return an id that sorts by age: milliseconds first, then 128 random bits."""
    return f"resp_{int(time.time() * 1000):012x}{os.urandom(16).hex()}"
