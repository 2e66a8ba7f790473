"""The receiving end of a platform, as an app: serve it with ``listening`` and let a channel push to it."""

from __future__ import annotations

import asyncio

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route


class HttpInbox:
    """Keep every JSON body that is POSTed to ``/``, in order, in ``received``.

    ``answers`` are given to the next requests, first one first; after them each gets ``{"id": "<number>"}``. A request
    that gets one of ``answers`` is received as well.
    """

    def __init__(self, *answers: Response) -> None:
        self.received: list[object] = []
        self.answers = list(answers)
        self.app = Starlette(routes=[Route("/{rest:path}", self._receive, methods=["POST"])])
        self._arrived = asyncio.Condition()

    async def wait_for(self, count: int) -> list[object]:
        """Wait until at least ``count`` bodies have arrived and return them all."""
        async with self._arrived:
            await self._arrived.wait_for(lambda: len(self.received) >= count)
            return list(self.received)

    async def _receive(self, request: Request) -> Response:
        body: object = await request.json()
        async with self._arrived:
            self.received.append(body)
            self._arrived.notify_all()
            number = len(self.received)
        return self.answers.pop(0) if self.answers else JSONResponse({"id": str(number)})
