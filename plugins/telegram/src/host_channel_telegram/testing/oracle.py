"""The judge of text: TDLib, the parser that Telegram's own server runs. Needs the extra ``test``."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import cache
from importlib import import_module
from typing import cast

from ..reading import Json, as_object, number, parts, text
from ..utf16 import units

_NAMES = {
    "bold": "Bold",
    "italic": "Italic",
    "underline": "Underline",
    "strikethrough": "Strikethrough",
    "spoiler": "Spoiler",
    "code": "Code",
    "blockquote": "BlockQuote",
    "expandable_blockquote": "ExpandableBlockQuote",
    "mention": "Mention",
    "url": "Url",
    "bot_command": "BotCommand",
    "hashtag": "Hashtag",
    "email": "EmailAddress",
}


def refusal_of(said: str, entities: Sequence[Json]) -> str | None:
    """Return why Telegram would refuse a text with these entities, in its own words; None when it takes it."""
    for entity in entities:
        if (number(entity, "length") or 0) <= 0:
            return "Bad Request: entity length must be positive"
    translated = [_translated(entity) for entity in entities]
    if any(each is None for each in translated):
        return "Bad Request: unsupported entity type"
    answer = _ask(
        {"@type": "getMarkdownText", "text": {"@type": "formattedText", "text": said, "entities": translated}}
    )
    return f"Bad Request: {text(answer, 'message')}" if text(answer, "@type") == "error" else None


def parsed(said: str, mode: str) -> tuple[str, list[Json]] | str:
    """Return text and entities of a text in a parse mode, or the server's refusal."""
    kinds = {"markdownv2": ("textParseModeMarkdown", 2), "markdown": ("textParseModeMarkdown", 1)}
    name, version = kinds.get(mode.lower(), ("textParseModeHTML", 0))
    answer = _ask({"@type": "parseTextEntities", "text": said, "parse_mode": {"@type": name, "version": version}})
    if text(answer, "@type") == "error":
        return f"Bad Request: {text(answer, 'message')[:1].lower()}{text(answer, 'message')[1:]}"
    return text(answer, "text"), parts(answer, "entities")


def visible_units(said: str) -> int:
    """Return how many units a text has after the server trimmed it."""
    return units(said.strip())


def _translated(entity: Json) -> Json | None:
    kind = text(entity, "type")
    where: dict[str, object] = {
        "@type": "textEntity",
        "offset": entity.get("offset"),
        "length": entity.get("length"),
    }
    if kind == "text_link":
        return {**where, "type": {"@type": "textEntityTypeTextUrl", "url": text(entity, "url")}}
    if kind == "pre":
        language = text(entity, "language")
        name = "PreCode" if language else "Pre"
        return {**where, "type": {"@type": f"textEntityType{name}", **({"language": language} if language else {})}}
    name = _NAMES.get(kind)
    return None if name is None else {**where, "type": {"@type": f"textEntityType{name}"}}


@cache
def _execute() -> Callable[[bytes], bytes]:
    try:
        library = import_module("tdjson")
    except ImportError as error:
        raise RuntimeError("The fake Bot API judges text with TDLib: install host-channel-telegram[test].") from error
    run = cast("Callable[[bytes], bytes]", library.td_execute)
    run(b'{"@type":"setLogVerbosityLevel","new_verbosity_level":0}')
    return run


def _ask(question: object) -> Json:
    return as_object(json.loads(_execute()(json.dumps(question).encode())))
