"""Addresses behind words: Telegram refuses a whole message for one that it cannot open. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from .rich import Entity, Rich, end_of, start_of
from .utf16 import cut, units

_HOST = re.compile(r"(?:[^\W_]|[^\W_][\w-]*[^\W_])(?:\.(?:[^\W_]|[^\W_][\w-]*[^\W_]))+")
_PRINTED_UNITS = 300


def opens(url: str) -> bool:
    """Whether Telegram takes an address: http, https with a full host name, mailto or one of its own."""
    if re.search(r"[\s\x00-\x20\x7f]", url) or len(url) > 2000:
        return False
    try:
        address = urlsplit(url)
        port, host = address.port, address.hostname or ""
    except ValueError:
        return False
    if address.scheme in ("http", "https"):
        return _HOST.fullmatch(host) is not None and port != 0
    if address.scheme == "mailto":
        return re.fullmatch(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+", address.path) is not None
    return re.fullmatch(r"tg://[a-z]+\?[\w=&.-]+", url) is not None


def openable(rich: Rich) -> Rich:
    """Return a text whose links all open; the address of any other is written out after its words."""
    text, entities = rich.text, list(rich.entities)
    closed = [entity for entity in entities if entity["type"] == "text_link" and not opens(str(entity.get("url", "")))]
    if not closed:
        return rich
    entities = [entity for entity in entities if entity not in closed]
    for link in sorted(closed, key=end_of, reverse=True):
        url = " ".join(str(link.get("url", "")).split())[:_PRINTED_UNITS]
        if url and url != cut(text, start_of(link), end_of(link) - start_of(link)):
            text, entities = _inserted(text, entities, end_of(link), f" ({url})")
    return Rich(text, tuple(entities))


def _inserted(text: str, entities: Sequence[Entity], at: int, more: str) -> tuple[str, list[Entity]]:
    """Put a text in, and move or stretch the entities after or around it."""
    longer = units(more)
    moved: list[Entity] = []
    for entity in entities:
        start, end = start_of(entity), end_of(entity)
        if start >= at:
            moved.append({**entity, "offset": start + longer})
        elif end > at:
            moved.append({**entity, "length": end - start + longer})
        else:
            moved.append(entity)
    return cut(text, 0, at) + more + cut(text, at, units(text) - at), moved
