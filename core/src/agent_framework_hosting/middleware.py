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
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = next((value for name, value in scope["headers"] if name == b"content-length"), b"")
        received = int(declared) if declared.isdigit() and int(declared) > self._max_body_bytes else 0
        complete, deadline = False, None

        async def limited() -> Message:
            nonlocal received, complete, deadline
            if complete:
                return await receive()
            if received > self._max_body_bytes:
                raise HTTPException(413, "The request body is too large.")
            if deadline is None and self._body_timeout_seconds is not None:
                deadline = asyncio.get_running_loop().time() + self._body_timeout_seconds
            try:
                async with asyncio.timeout_at(deadline):
                    message = await receive()
            except TimeoutError:
                raise HTTPException(408, "The request body took too long to arrive.") from None
            received += len(message.get("body", b""))
            complete = not message.get("more_body", False)
            if received > self._max_body_bytes:
                complete = False
                raise HTTPException(413, "The request body is too large.")
            return message

        await self._app(scope, limited, send)
