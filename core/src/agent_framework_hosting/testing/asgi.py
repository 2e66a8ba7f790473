"""Call an ASGI app in this process, as a server would."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from starlette.types import ASGIApp, Message


@dataclass(frozen=True, slots=True)
class Answer:
    """What an app answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> object:
        """Return the body as JSON."""
        return json.loads(self.body)


async def call(
    app: ASGIApp,
    method: str,
    url: str,
    *,
    body: bytes | None = None,
    json_body: object = None,
    headers: Mapping[str, str] | None = None,
    client: tuple[str, int] = ("127.0.0.1", 50000),
    hang_up: asyncio.Event | None = None,
) -> Answer:
    """Send one request and read the whole answer, or what came of it until ``hang_up`` was set.

    An exception of the app passes.
    """
    content = body if body is not None else b"" if json_body is None else json.dumps(json_body).encode()
    parts = urlsplit(url)
    sent = {"host": "testserver", "content-length": str(len(content)), **(headers or {})}
    if json_body is not None:
        sent.setdefault("content-type", "application/json")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(parts.path),
        "raw_path": parts.path.encode(),
        "query_string": parts.query.encode(),
        "root_path": "",
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in sent.items()],
        "client": client,
        "server": ("testserver", 80),
        "state": {},
    }
    incoming: list[Message] = [{"type": "http.request", "body": content, "more_body": False}]
    status, received, chunks = 500, dict[str, str](), list[bytes]()

    async def receive() -> Message:
        if incoming:
            return incoming.pop()
        await (hang_up or asyncio.Event()).wait()  # a client that stays connected
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]
            received.update({name.decode().lower(): value.decode("latin-1") for name, value in message["headers"]})
        else:
            chunks.append(message.get("body", b""))

    await app(scope, receive, send)
    return Answer(status, received, b"".join(chunks))
