"""Texts as Teams shows them, in pieces it takes. Pure.

Nothing here looks ahead further than ``settled`` allows for, so a text that grows only ever grows at its end, which is
what a streamed answer must do.
"""

from __future__ import annotations

import re

BUDGET_BYTES = 24 * 1024

_TAG = re.compile(r"<(?=[A-Za-z/!?])")
_CODE = re.compile(r"(`+)|<(?=[A-Za-z/!?])")
_FENCE = re.compile(r"^(`{3,}|~{3,})(.*)$")


def for_teams(text: str) -> str:
    """Return Markdown without raw HTML: outside of code a tag is shown as it was written, and mentions nobody."""
    out: list[str] = []
    position, opened = 0, ""
    for found in _CODE.finditer(text):
        ticks = found[1]
        if ticks and not opened:
            opened = ticks
        elif ticks and ticks == opened:
            opened = ""
        elif not ticks and not opened:
            out += [text[position : found.start()], "&lt;"]
            position = found.end()
    return "".join([*out, text[position:]])


def settled(text: str) -> str:
    """Return the part of a growing text whose look cannot change any more."""
    return text.rstrip("`<")


def split(text: str, budget: int = BUDGET_BYTES, first: int = 0) -> list[str]:
    """Cut a text into pieces of at most ``budget`` bytes of UTF-8, best at a paragraph, a line, a sentence, a word.

    A fence of code that is cut is closed and opened again. ``first`` is how many characters the first piece must hold
    at least: what has been shown already.
    """
    pieces: list[str] = []
    fence = ""
    while text:
        room = budget - len(fence.encode()) - 8
        if len(text.encode()) + len(fence.encode()) <= budget:
            return [*pieces, f"{fence}{text}"]
        cut = _cut(text, room, first if not pieces else 0)
        piece, text = text[:cut], text[cut:]
        if not piece.endswith("\n\n"):
            text = text.removeprefix("\n") if fence or _open_fence(fence + piece) else text.lstrip("\n ")
        shown = fence + piece
        fence = _open_fence(shown)
        closing = f"\n{fence.split(maxsplit=1)[0][: len(fence) - len(fence.lstrip('`~'))]}" if fence else ""
        pieces.append(shown.rstrip("\n") + closing if fence else shown.rstrip())
    return [piece for piece in pieces if piece] or [""]


def _cut(text: str, room: int, at_least: int) -> int:
    """Return where to cut so that the head fits into ``room`` bytes and no character is torn."""
    most = len(text.encode()[:room].decode(errors="ignore"))
    floor = max(at_least, most // 2)
    for mark in ("\n\n", "\n", ". ", "! ", "? ", "。", " "):
        found = text.rfind(mark, floor, most)
        if found > 0:
            return found + len(mark)
    return max(most, 1)


def _open_fence(text: str) -> str:
    """Return the line that opened the fence a text ends in, with its line break; empty outside of one."""
    opened = ""
    for line in text.split("\n"):
        found = _FENCE.match(line)
        if found is None:
            continue
        if not opened:
            opened = line
        elif found[1].startswith(opened[: len(opened) - len(opened.lstrip(opened[0]))]) and not found[2].strip():
            opened = ""
    return f"{opened}\n" if opened else ""
