"""Ids: 128 random bits, made here and never taken from a client."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable

OUTPUT = 0x80000
NewId = Callable[[str], str]

_ITEM = re.compile(r"[a-z]+_([0-9a-f]{44})[0-9a-f]{5,8}\Z")


class _Randomness:
    """128 random bits at a time, from the operating system in larger pieces: asking it costs more than the bits."""

    def __init__(self) -> None:
        self._bits = b""
        self._used = 0

    def take(self) -> str:
        if self._used + 16 > len(self._bits):
            self._bits, self._used = os.urandom(4096), 0
        self._used += 16
        return self._bits[self._used - 16 : self._used].hex()

    def forget(self) -> None:
        """Start anew: a forked process must not make the ids of its parent."""
        self._bits = b""


_randomness = _Randomness()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_randomness.forget)


def new_id(prefix: str) -> str:
    """Return ``<prefix>_`` and 32 hexadecimal digits."""
    return f"{prefix}_{_randomness.take()}"


def new_response_id() -> str:
    """Return an id that sorts by age: milliseconds first, then 128 random bits."""
    return f"resp_{int(time.time() * 1000):012x}{_randomness.take()}"


def item_ids(response_id: str, first: int = 0) -> NewId:
    """Return a maker of ids for the items of one response: they name it, so no index is needed to find them.

    Its input counts from 0, its output from ``OUTPUT``, so that both can be made apart.
    """
    stem, number = response_id.removeprefix("resp_"), first

    def make(prefix: str) -> str:
        nonlocal number
        number += 1
        return f"{prefix}_{stem}{number:05x}"

    return make


def response_of_item(item_id: str) -> str | None:
    """Return the response that an item of ours belongs to, None when the id was made by somebody else."""
    match = _ITEM.match(item_id)
    return None if match is None else f"resp_{match[1]}"
