"""The HTTP edge: guard, body, answer. Nothing here knows what a response is."""

from __future__ import annotations

import logging
import random
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias
from urllib.parse import parse_qs

from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from .errors import WireError, agent_failed
from .principals import Principals

logger = logging.getLogger(__name__)

Handler: TypeAlias = "Callable[[Call], Awaitable[None]]"

JSON_TYPE = (b"content-type", b"application/json")
SSE_HEADERS = (
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
)


class ClientGone(Exception):  # noqa: N818 - reads as the condition it names
    """The client closed its connection: nobody is left to answer."""


class Call:
    """One HTTP request and the way back."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Wrap the ASGI triple."""
        self.scope = scope
        self.receive = receive
        self.started = False
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.principal = ""
        self._send = send

    def header(self, name: bytes) -> str | None:
        """Return a header by its lower-case name."""
        value = self.headers.get(name)
        return None if value is None else str(value, "latin-1")

    def path(self, name: str) -> str:
        """Return a parameter of the path."""
        return str(self.scope["path_params"][name])

    def query(self) -> Mapping[str, list[str]]:
        """Return the query; ``include[]`` is the same as ``include``."""
        pairs = parse_qs(self.scope["query_string"].decode("latin-1"), keep_blank_values=True)
        return {name.removesuffix("[]"): values for name, values in pairs.items()}

    async def body(self, limit: int) -> bytes:
        """Read the body; raises ``WireError`` (413) when it is larger than ``limit`` bytes.

        Some of what is too much is read and dropped, so that a client that is still sending gets the answer.
        """
        pieces: list[bytes] = []
        size, more = 0, True
        length = self.headers.get(b"content-length", b"")
        declared = int(length) if length.isdigit() else -1
        while more and size != declared:  # the message that only says "no more" need not be waited for
            message = await self.receive()
            if message["type"] != "http.request":
                raise ClientGone
            piece, more = message.get("body", b""), message.get("more_body", False)
            size += len(piece)
            if size <= limit:
                pieces.append(piece)
            elif size > 2 * limit:
                break
        if size > limit:
            raise WireError(413, f"The body is larger than {limit} bytes.", code="request_too_large")
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def answer(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        """Send a whole JSON answer."""
        self.started = True
        shown = [JSON_TYPE, (b"content-length", b"%d" % len(body)), _request_id()]
        for name, value in (headers or {}).items():
            shown.append((name.encode(), value.encode("latin-1", "replace")))
        await self._send({"type": "http.response.start", "status": status, "headers": shown})
        await self._send({"type": "http.response.body", "body": body})

    async def start_events(self) -> None:
        """Begin a stream of events."""
        self.started = True
        headers = [*SSE_HEADERS, _request_id()]
        await self._send({"type": "http.response.start", "status": 200, "headers": headers})

    async def send_events(self, piece: bytes, *, more: bool) -> None:
        """Send whole events."""
        await self._send({"type": "http.response.body", "body": piece, "more_body": more})


class Endpoint:
    """An ASGI app for one path: guards it, picks the handler by method, gives every failure the API's shape."""

    def __init__(self, principals: Principals, handlers: Mapping[str, Handler]) -> None:
        """Serve ``handlers`` by method."""
        self._principals = principals
        self._handlers = handlers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        call = Call(scope, receive, send)
        try:
            client: tuple[str, int] | None = scope.get("client")
            peer = None if client is None else client[0]
            call.principal = self._principals.identify(call.header(b"authorization"), peer, call.header(b"origin"))
            await self._handlers.get(scope["method"], self._no_handler)(call)
        except WireError as refused:
            await self._refuse(call, refused)
        except HTTPException as refused:
            code = "request_too_large" if refused.status_code == 413 else None  # as when our own limit is met first
            await self._refuse(call, WireError(refused.status_code, refused.detail, code=code))
        except ClientGone:
            logger.debug("A client went away before it was answered.")
        except Exception as error:
            logger.exception("A request failed: %s", type(error).__name__)
            await self._refuse(call, agent_failed())

    async def _no_handler(self, call: Call) -> None:
        if not self._handlers:
            raise WireError(404, f"There is nothing at {call.scope['path'][:256]}.")
        allowed = {"allow": ", ".join(self._handlers)}
        raise WireError(405, "This path does not take that method.", headers=allowed)

    async def _refuse(self, call: Call, refused: WireError) -> None:
        if call.started:  # half an answer cannot be taken back: cut it off, so that nobody takes it for a whole one
            raise refused
        await call.answer(refused.status, refused.body(), refused.headers)


def _request_id() -> tuple[bytes, bytes]:
    return b"x-request-id", b"req_%016x" % random.getrandbits(64)  # names a line in a log, guards nothing
