"""From a model's Markdown to text with entities: what Telegram shows, with nothing it could refuse. Pure."""

from __future__ import annotations

import logging

import telegramify_markdown
from telegramify_markdown.config import RenderConfig

from .links import openable
from .repairs import repaired
from .rich import Entity, Rich, clipped
from .utf16 import storable, units

logger = logging.getLogger(__name__)


def render(markdown: str) -> Rich:
    """Return Markdown as text with entities. What cannot be converted comes back as it is: nothing is swallowed."""
    source = storable(markdown)
    try:
        text, entities = telegramify_markdown.convert(repaired(source), latex_escape=False, config=_config())
    except Exception as error:  # a reply is never lost over its formatting
        logger.warning("An answer could not be formatted and goes out as plain text: %s", type(error).__name__)
        return Rich(source)
    text = storable(text)
    if not text.strip():
        return Rich(source)
    return openable(Rich(text, clipped([_as_json(entity) for entity in entities], units(text))))


def _as_json(entity: telegramify_markdown.MessageEntity) -> Entity:
    told = {"type": entity.type, "offset": entity.offset, "length": entity.length}
    named = {"url": entity.url, "language": entity.language}
    return {**told, **{name: value for name, value in named.items() if value}}


def _config() -> RenderConfig:
    config = RenderConfig.isolated()
    for name in ("heading_level_1", "heading_level_2", "heading_level_3", "heading_level_4", "image", "link"):
        setattr(config.markdown_symbol, name, "")
    return config
