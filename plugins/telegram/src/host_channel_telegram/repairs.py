"""Keep in sight what Markdown would swallow: raw HTML, footnotes, cells a table has no column for. Pure."""

from __future__ import annotations

import re

import pyromark

_ROUNDS = 20  # each finds what the one before uncovered; most texts need one or none
_OPTIONS = (
    pyromark.Options.ENABLE_TABLES
    | pyromark.Options.ENABLE_STRIKETHROUGH
    | pyromark.Options.ENABLE_TASKLISTS
    | pyromark.Options.ENABLE_MATH
)
_ADDRESS = re.compile(r"(?:[a-z][a-z0-9+.-]*:|www\.|[/.#<])", re.IGNORECASE)


def repaired(markdown: str) -> str:
    """Return the same text with a backslash before each sign that would make words disappear."""
    source = markdown
    for _ in range(_ROUNDS):
        encoded = source.encode()
        marks = sorted(_swallowing(source, encoded))
        if not marks:
            return source
        pieces, last = list[bytes](), 0
        for mark in marks:
            pieces += [encoded[last:mark], b"\\"]
            last = mark
        source = b"".join([*pieces, encoded[last:]]).decode()
    return source


def _swallowing(source: str, encoded: bytes) -> set[int]:
    """Return the byte offsets of the signs to escape."""
    marks: set[int] = set()
    if b"]:" in encoded:
        for label, definition in pyromark.reference_definitions(source, options=_OPTIONS).items():
            if label.startswith("^") or not _ADDRESS.match(definition["dest"]):
                marks.add(definition["span"]["start"])
    if b"<" not in encoded and b"|" not in encoded:
        return marks
    cell_end = 0
    for event, where in pyromark.events_with_range(source, options=_OPTIONS):
        if not isinstance(event, dict):
            continue
        if "Html" in event or "InlineHtml" in event:
            marks |= _found(encoded, b"<", where["start"], where["end"])
        elif event.get("End") == "TableCell":
            cell_end = where["end"]
        elif event.get("End") in ("TableRow", "TableHead"):
            pipes = sorted(_found(encoded, b"|", max(cell_end, where["start"]), where["end"]))
            marks.update(pipes[:-1])
    return marks


def _found(encoded: bytes, sign: bytes, start: int, end: int) -> set[int]:
    found: set[int] = set()
    at = encoded.find(sign, start, end)
    while at != -1:
        if encoded[at - 1 : at] != b"\\":
            found.add(at)
        at = encoded.find(sign, at + 1, end)
    return found
