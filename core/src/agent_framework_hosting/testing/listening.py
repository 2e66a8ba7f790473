"""Serve an app on a real port, as production does."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..server import build_config, serve_until


@asynccontextmanager
async def listening(app: ASGIApp) -> AsyncGenerator[str]:
    """Serve an app on a free port of 127.0.0.1 under Hypercorn, lifespan included, and give its URL.

    The app has a lifespan, as every Starlette app does. On exit the server drains and the app is shut down.
    Raises ``HostingError`` when the app does not start or stop.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    options: dict[str, object] = {"bind": [f"fd://{listener.detach()}"], "errorlog": None}
    config = build_config(host="127.0.0.1", port=0, workers=1, options=options)
    watched, stop = _Watched(app), asyncio.Event()
    server = asyncio.create_task(serve_until(stop.wait, watched, config))
    started = asyncio.create_task(watched.started.wait())
    try:
        await asyncio.wait({server, started}, return_when=asyncio.FIRST_COMPLETED)
        if server.done():
            await server
        yield url
    finally:
        started.cancel()
        stop.set()
        await server


class _Watched:
    """Pass everything through to an app and notice when it has started."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.started = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            await self._app(scope, receive, send)
            return

        async def noticed(message: Message) -> None:
            await send(message)
            if message["type"] == "lifespan.startup.complete":
                self.started.set()

        await self._app(scope, receive, noticed)
