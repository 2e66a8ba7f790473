"""Telegram counts text in UTF-16 code units. Pure."""

from __future__ import annotations


def units(text: str) -> int:
    """Return the length of a text in UTF-16 code units."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def cut(text: str, offset: int, length: int) -> str:
    """Return a piece of a text, counted in UTF-16 code units."""
    if text.isascii():
        return text[offset : offset + length]
    encoded = text.encode("utf-16-le", "surrogatepass")
    return encoded[2 * offset : 2 * (offset + length)].decode("utf-16-le", "replace")


def without(text: str, offset: int, length: int) -> str:
    """Return a text with one piece taken out, counted in UTF-16 code units."""
    return cut(text, 0, offset) + cut(text, offset + length, units(text))


def storable(text: str) -> str:
    """Return a text without lone surrogates, which no wire can carry."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")
