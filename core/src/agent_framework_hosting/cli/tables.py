"""What an operator reads: tables, times, and nothing that a wire could smuggle into a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

_WIDEST = 60


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return rows under their heads, each column as wide as it needs to be; the last one is cut at 60 characters."""
    cells = [list(head), *([shown(cell) for cell in row] for row in rows)]
    for line in cells[1:]:
        line[-1] = line[-1] if len(line[-1]) <= _WIDEST else f"{line[-1][: _WIDEST - 1]}…"
    widths = [max(len(line[column]) for line in cells) for column in range(len(head))]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip() for line in cells
    )


def facts(pairs: Sequence[tuple[str, object]]) -> str:
    """Return named values, one a line; what is None is left out."""
    told = [(name, shown(str(value))) for name, value in pairs if value is not None]
    width = max((len(name) for name, _ in told), default=0)
    return "\n".join(f"{name.ljust(width)}  {value}" for name, value in told)


def shown(text: str) -> str:
    """Return a text without control characters: ids come from wires, and terminals obey escapes."""
    return "".join(character if character.isprintable() else "?" for character in text) or "-"


def when(seconds: float | None) -> str:
    """Return a time, given in seconds since the epoch, as local time."""
    return "-" if seconds is None else f"{datetime.fromtimestamp(seconds).astimezone():%Y-%m-%d %H:%M:%S}"
