"""What a check has to say."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

Severity: TypeAlias = Literal["fault", "warning", "ok"]

_COMMAND = re.compile(r"(?:pip|agent-host|export) .+$")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. ``why`` it matters and what to ``do`` are empty when it is fine."""

    severity: Severity
    check: str
    what: str
    why: str = ""
    do: str = ""


def command_in(sentence: str, otherwise: str) -> str:
    """Return the command that a message ends with, or the other advice."""
    found = _COMMAND.search(sentence)
    if found is None:
        return otherwise
    return found[0] if found[0].endswith("...") else found[0].removesuffix(".")
