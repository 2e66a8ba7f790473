"""From a model's Markdown to text with entities: what Telegram shows, with nothing it could refuse. Pure."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import pyromark
import telegramify_markdown
from telegramify_markdown.config import RenderConfig

from .utf16 import storable, units

logger = logging.getLogger(__name__)

Entity: TypeAlias = Mapping[str, object]

_ROUNDS = 3
_OPTIONS = (
    pyromark.Options.ENABLE_TABLES
    | pyromark.Options.ENABLE_STRIKETHROUGH
    | pyromark.Options.ENABLE_TASKLISTS
    | pyromark.Options.ENABLE_MATH
)


@dataclass(frozen=True, slots=True)
class Rich:
    """Text with entities; offsets and lengths count UTF-16 code units."""

    text: str
    entities: tuple[Entity, ...] = ()


def render(markdown: str) -> Rich:
    """Return Markdown as text with entities. What cannot be converted comes back as it is: nothing is swallowed."""
    source = storable(markdown)
    try:
        text, entities = telegramify_markdown.convert(_visible_html(source), latex_escape=False, config=_config())
    except Exception as error:  # a reply is never lost over its formatting
        logger.warning("An answer could not be formatted and goes out as plain text: %s", type(error).__name__)
        return Rich(source)
    text = storable(text)
    if not text.strip():
        return Rich(source)
    return Rich(text, clipped([_as_json(entity) for entity in entities], units(text)))


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


def _as_json(entity: telegramify_markdown.MessageEntity) -> Entity:
    told = {"type": entity.type, "offset": entity.offset, "length": entity.length}
    named = {"url": entity.url, "language": entity.language}
    return {**told, **{name: value for name, value in named.items() if value}}


def _config() -> RenderConfig:
    config = RenderConfig.isolated()
    for name in ("heading_level_1", "heading_level_2", "heading_level_3", "heading_level_4", "image", "link"):
        setattr(config.markdown_symbol, name, "")
    return config


def _visible_html(markdown: str) -> str:
    """Escape raw HTML: the converter would drop it, and with it ``List<String>`` and every ``<div>``."""
    source = markdown
    for _ in range(_ROUNDS):
        encoded = source.encode()
        if b"<" not in encoded:
            return source
        marks = _html_marks(source, encoded)
        if not marks:
            return source
        pieces: list[bytes] = []
        last = 0
        for mark in marks:
            pieces += [encoded[last:mark], b"\\"]
            last = mark
        source = b"".join([*pieces, encoded[last:]]).decode()
    return source


def _html_marks(source: str, encoded: bytes) -> list[int]:
    """Return the byte offset of every ``<`` that begins raw HTML."""
    marks: set[int] = set()
    for event, where in pyromark.events_with_range(source, options=_OPTIONS):
        if isinstance(event, dict) and ("Html" in event or "InlineHtml" in event):
            at = encoded.find(b"<", where["start"], where["end"])
            while at != -1:
                marks.add(at)
                at = encoded.find(b"<", at + 1, where["end"])
    return sorted(marks)
