"""ASGI middleware of the host: partition hints from headers, and limits on what a request may send."""

from __future__ import annotations

import asyncio

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .model.isolation import (
    ISOLATION_HEADER_CHAT,
    ISOLATION_HEADER_USER,
    IsolationKeys,
    reset_current_isolation_keys,
    set_current_isolation_keys,
)

_USER = ISOLATION_HEADER_USER.encode()
_CHAT = ISOLATION_HEADER_CHAT.encode()


class IsolationHeadersMiddleware:
    """Lift the isolation headers into a context variable for the request; an empty header is an absent one."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        user = chat = None
        for name, value in scope["headers"]:
            if name == _USER:
                user = value.decode("latin-1").strip() or None
            elif name == _CHAT:
                chat = value.decode("latin-1").strip() or None
        if user is None and chat is None:
            await self._app(scope, receive, send)
            return
        token = set_current_isolation_keys(IsolationKeys(user, chat))
        try:
            await self._app(scope, receive, send)
        finally:
            reset_current_isolation_keys(token)


class RequestLimitsMiddleware:
    """Bound the bytes of a request body, and the seconds it may take to arrive once the app asks for it.

    Reading what is too large or too late raises ``HTTPException`` (413, 408): the app may give it the shape of its own
    errors, and Starlette answers it otherwise.
    """

    def __init__(self, app: ASGIApp, *, max_body_bytes: int, body_timeout_seconds: float | None) -> None:
        self._app = app
        self._max_body_bytes = max_body_bytes
        self._body_timeout_seconds = body_timeout_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "http":
            declared = next((value for name, value in scope["headers"] if name == b"content-length"), b"")
            size = int(declared[:20]) if declared.isdigit() else 0
            receive = _LimitedBody(receive, size, self._max_body_bytes, self._body_timeout_seconds).receive
        await self._app(scope, receive, send)


class _LimitedBody:
    """Read one request body."""

    def __init__(self, receive: Receive, declared: int, max_bytes: int, timeout_seconds: float | None) -> None:
        self._receive = receive
        self._max_bytes = max_bytes
        self._timeout_seconds = timeout_seconds
        self._deadline: float | None = None
        self._too_large = declared > max_bytes
        self._received = 0
        self._complete = False

    async def receive(self) -> Message:
        if self._complete and not self._too_large:
            return await self._receive()
        if self._deadline is None and self._timeout_seconds is not None:
            self._deadline = asyncio.get_running_loop().time() + self._timeout_seconds
        message = None if self._too_large else await self._next()
        if message is None or self._received > self._max_bytes:
            self._too_large = True
            await self._drop()
            raise HTTPException(413, "The request body is too large.")
        return message

    async def _drop(self) -> None:
        """Read some of what is too much: a client that is still sending gets no answer from a closed connection."""
        while not self._complete and self._received <= 2 * self._max_bytes:
            await self._next()

    async def _next(self) -> Message:
        try:
            async with asyncio.timeout_at(self._deadline):
                message = await self._receive()
        except TimeoutError:
            raise HTTPException(408, "The request body took too long to arrive.") from None
        self._received += len(message.get("body", b""))
        self._complete = not message.get("more_body", False)
        return message
