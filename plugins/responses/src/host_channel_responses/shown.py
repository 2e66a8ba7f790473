"""What one request may see of an answer."""

from __future__ import annotations

import msgspec


class Shown(msgspec.Struct, frozen=True):
    """What one request may see: the functions it declared, host tools, reasoning, and whether a format is set.

    ``questions`` shows calls that nobody declared but that wait for an answer: what a workflow asks.
    """

    functions: frozenset[str] = frozenset()
    host_tools: bool = False
    summaries: bool = False
    encrypted: bool = False
    structured: bool = False
    questions: bool = False
