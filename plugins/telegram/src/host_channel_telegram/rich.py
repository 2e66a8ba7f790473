"""Text with entities, as Telegram takes it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from .utf16 import storable, units

Entity: TypeAlias = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Rich:
    """Text with entities; offsets and lengths count UTF-16 code units."""

    text: str
    entities: tuple[Entity, ...] = ()


def clipped(entities: Sequence[Entity], length: int) -> tuple[Entity, ...]:
    """Return the entities that lie in a text of this length, shortened to it; empty ones are left out."""
    kept: list[Entity] = []
    for entity in entities:
        start, end = start_of(entity), min(end_of(entity), length)
        if 0 <= start < end:
            kept.append({**entity, "offset": start, "length": end - start})
    return tuple(kept)


def start_of(entity: Entity) -> int:
    """Return where an entity begins."""
    value = entity["offset"]
    return value if isinstance(value, int) else 0


def end_of(entity: Entity) -> int:
    """Return where an entity ends."""
    value = entity["length"]
    return start_of(entity) + (value if isinstance(value, int) else 0)


def quoted(text: str) -> Rich:
    """Return a text as a quotation."""
    shown = storable(text)
    return Rich(shown, ({"type": "blockquote", "offset": 0, "length": units(shown)},) if shown else ())
