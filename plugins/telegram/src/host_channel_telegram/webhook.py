"""Take updates that Telegram posts. They are answered once they are stored."""

from __future__ import annotations

import hmac
import json
import logging
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .reading import as_object
from .updates import Updates

logger = logging.getLogger(__name__)

SECRET_HEADER = "x-telegram-bot-api-secret-token"  # noqa: S105 - the header's name
RETRY_AFTER_SECONDS = "2"


class Webhook:
    """Answer Telegram: 200 once stored, 503 to have it again, 403 for anybody else."""

    def __init__(self, updates: Updates, secret: str) -> None:
        self._updates = updates
        self._secret = secret.encode()

    def routes(self, path: str, url: str) -> list[Route]:
        """Return the routes: the channel's path, and the rest of ``webhook_url`` below it, if there is one."""
        below = urlsplit(url).path.rstrip("/").removeprefix(path)
        paths = ["/"] if not below or not urlsplit(url).path.startswith(f"{path}/") else ["/", below]
        return [Route(each, self.receive, methods=["POST"]) for each in paths]

    async def receive(self, request: Request) -> Response:
        """Take one update."""
        shown = request.headers.get(SECRET_HEADER, "").encode("latin-1", "replace")
        if not hmac.compare_digest(shown, self._secret):
            return Response(status_code=403)
        try:
            update = as_object(json.loads(await request.body()))
        except RecursionError:
            logger.warning("An update is nested too deeply and is left out")
            return Response(status_code=200)  # any other answer would bring it again for a day
        except ValueError:
            return Response(status_code=400)
        if await self._updates.take(update) == "come_back":
            return Response(status_code=503, headers={"retry-after": RETRY_AFTER_SECONDS})
        return Response(status_code=200)
