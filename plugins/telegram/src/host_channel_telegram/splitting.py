"""Cut a long text with entities into messages: at the limits, at good places, with nothing lost. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from .rich import Entity, Rich, end_of, start_of
from .utf16 import units

MESSAGE_UNITS = 4096
CAPTION_UNITS = 1024
MOST_ENTITIES = 95  # Telegram silently drops what is beyond about 100

_BREAKS = ("\n\n", "\n", " ")
_PARTS_OF_A_SIGN = {0x200D, 0x20E3, *range(0xFE00, 0xFE10)}  # joiner, keycap, variation selectors


def split(rich: Rich, limit: int = MESSAGE_UNITS, *, first_limit: int | None = None) -> list[Rich]:
    """Return a text as messages of at most ``limit`` units (the first of ``first_limit``) and 95 entities each.

    A message ends at a paragraph, a line or a word where it can; entities and code blocks that fit into one message
    stay whole, longer ones go on as the same entity. No message is blank; white space around cuts goes.
    """
    encoded = rich.text.encode("utf-16-le", "surrogatepass")
    entities = sorted(rich.entities, key=lambda entity: (start_of(entity), -end_of(entity)))
    total, at = len(encoded) // 2, 0
    chunks: list[Rich] = []
    most = limit if first_limit is None else first_limit
    while at < total:
        end = _end_of_chunk(encoded, entities, at, total, most)
        chunk = _piece(encoded, entities, at, end)
        if chunk is not None:
            chunks.append(chunk)
            most = limit
        at = end
    return chunks


def _end_of_chunk(encoded: bytes, entities: Sequence[Entity], at: int, total: int, limit: int) -> int:
    crowded = _crowded_at(entities, at, total)
    end = min(at + limit, crowded)
    if end >= total:
        return total
    window = encoded[2 * at : 2 * end].decode("utf-16-le", "surrogatepass")
    for mark in _BREAKS:
        found = len(window)
        for _ in range(4):
            found = window.rfind(mark, 0, found)
            if found < 0:
                break
            cut = at + units(window[: found + len(mark)])
            cut = _before_entities(entities, cut, at, limit)
            if cut - at >= (end - at) // 3 and cut <= end:
                return cut
    return _whole_signs(encoded, at, _before_entities(entities, end, at, limit))


def _crowded_at(entities: Sequence[Entity], at: int, total: int) -> int:
    """Return where the first entity begins that would be one too many."""
    reaching = [start_of(entity) for entity in entities if end_of(entity) > at]
    if len(reaching) <= MOST_ENTITIES:
        return total
    first_over = reaching[MOST_ENTITIES]
    return first_over if first_over > at else total


def _before_entities(entities: Sequence[Entity], cut: int, at: int, limit: int) -> int:
    """Move a cut out of the entities it would break, where they fit into a message of their own."""
    moved = True
    while moved:
        moved = False
        for entity in entities:
            start, end = start_of(entity), end_of(entity)
            if at < start < cut < end and end - start <= limit and (start - at) * 8 >= limit:
                cut, moved = start, True
    return cut


def _whole_signs(encoded: bytes, at: int, cut: int) -> int:
    """Move a cut back out of a surrogate pair or a sign that is built of several characters."""
    for candidate in range(cut, max(at + 1, cut - 32), -1):
        if 2 * candidate >= len(encoded):
            return candidate
        after = int.from_bytes(encoded[2 * candidate : 2 * candidate + 2], "little")
        before = int.from_bytes(encoded[2 * candidate - 2 : 2 * candidate], "little")
        if not 0xDC00 <= after <= 0xDFFF and after not in _PARTS_OF_A_SIGN and before != 0x200D:
            return candidate
    low = int.from_bytes(encoded[2 * cut : 2 * cut + 2], "little")
    return cut - 1 if 0xDC00 <= low <= 0xDFFF and cut - 1 > at else cut


def _piece(encoded: bytes, entities: Sequence[Entity], at: int, end: int) -> Rich | None:
    text = encoded[2 * at : 2 * end].decode("utf-16-le", "surrogatepass")
    shown = text.rstrip()
    if not shown:
        return None
    if at:
        unindented = shown.lstrip("\n")
        at += units(shown) - units(unindented)
        shown = unindented
    end = at + units(shown)
    kept: list[Entity] = []
    for entity in entities[: bisect_left(entities, end, key=start_of)]:
        start, stop = max(start_of(entity), at), min(end_of(entity), end)
        if start < stop:
            kept.append({**entity, "offset": start - at, "length": stop - start})
    return Rich(shown, tuple(kept[:MOST_ENTITIES]))
