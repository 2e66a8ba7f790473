"""The receiving end of a platform, as an app: serve it with ``listening`` and let a channel push to it."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .arrivals import Arrivals


class HttpInbox:
    """Keep every JSON body that is POSTed to ``/``, in order, in ``received``.

    ``answers`` are given to the next requests, first one first; after them each gets ``{"id": "<number>"}``. A request
    that gets one of ``answers`` is received as well.
    """

    def __init__(self, *answers: Response) -> None:
        self.answers = list(answers)
        self.app = Starlette(routes=[Route("/{rest:path}", self._receive, methods=["POST"])])
        self._arrived = Arrivals[object]()

    @property
    def received(self) -> list[object]:
        """Every body so far, oldest first."""
        return self._arrived.items

    async def wait_for(self, count: int) -> list[object]:
        """Wait until at least ``count`` bodies have arrived and return them all."""
        return await self._arrived.wait_for(count)

    async def _receive(self, request: Request) -> Response:
        self._arrived.add(await request.json())
        return self.answers.pop(0) if self.answers else JSONResponse({"id": str(len(self.received))})
