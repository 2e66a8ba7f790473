"""Two plain icons for an app package: a colour one of 192 pixels and an outline of 32. Pure."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable

Pixel = tuple[int, int, int, int]

_CLEAR: Pixel = (0, 0, 0, 0)
_WHITE: Pixel = (255, 255, 255, 255)


def color_icon(accent: str) -> bytes:
    """Return a full square in the accent colour with a speech bubble; ``accent`` is ``#RRGGBB``."""
    ground: Pixel = (int(accent[1:3], 16), int(accent[3:5], 16), int(accent[5:7], 16), 255)
    return _png(192, lambda x, y: _WHITE if _in_bubble(x / 192, y / 192) else ground)


def outline_icon() -> bytes:
    """Return a white speech bubble on nothing, as Teams wants its outlines."""
    return _png(32, lambda x, y: _WHITE if _in_bubble(x / 32, y / 32) else _CLEAR)


def _in_bubble(x: float, y: float) -> bool:
    in_body = 0.2 <= x <= 0.8 and 0.25 <= y <= 0.65
    in_tail = 0.65 < y <= 0.8 and 0.3 <= x <= 0.3 + (0.8 - y)
    return in_body or in_tail


def _png(size: int, pixel: Callable[[int, int], Pixel]) -> bytes:
    rows = b"".join(b"\0" + b"".join(bytes(pixel(x, y)) for x in range(size)) for y in range(size))
    header = struct.pack(">IIBBBBB", size, size, 8, 6, 0, 0, 0)
    parts = (_chunk(b"IHDR", header), _chunk(b"IDAT", zlib.compress(rows, 9)), _chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
