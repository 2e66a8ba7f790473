"""The parameters of a call, however they were sent: query, JSON, form or multipart."""

from __future__ import annotations

import json
import re
from urllib.parse import parse_qsl

from starlette.requests import Request

from ..reading import Json, as_object

_TEXTS = frozenset({"text", "caption", "url", "secret_token", "callback_query_id", "file_id"})
_NAME = re.compile(rb'name="([^"]*)"')


async def read(request: Request) -> tuple[Json, dict[str, bytes]]:
    """Return the parameters of a call, and its files."""
    params: dict[str, object] = {name: _value(name, value) for name, value in request.query_params.items()}
    files: dict[str, bytes] = {}
    kind, body = request.headers.get("content-type", ""), await request.body()
    if kind.startswith("application/json"):
        params |= as_object(json.loads(body))
    elif kind.startswith("application/x-www-form-urlencoded"):
        params |= {name: _value(name, value) for name, value in parse_qsl(body.decode(), keep_blank_values=True)}
    elif kind.startswith("multipart/form-data"):
        boundary = kind.partition("boundary=")[2].strip('"')
        for name, is_file, content in _parts(body, boundary.encode()):
            if is_file:
                files[name] = content
            else:
                params[name] = _value(name, content.decode())
    return params, files


def _parts(body: bytes, boundary: bytes) -> list[tuple[str, bool, bytes]]:
    """Return (name, is a file, content) of every part of a multipart body."""
    found: list[tuple[str, bool, bytes]] = []
    for piece in body.split(b"--" + boundary):
        head, separator, content = piece.partition(b"\r\n\r\n")
        named = _NAME.search(head)
        if separator and named is not None:
            found.append((named[1].decode(), b"filename=" in head, content.removesuffix(b"\r\n")))
    return found


def _value(name: str, given: str) -> object:
    if name in _TEXTS:
        return given
    try:
        return json.loads(given)
    except ValueError:
        return given
