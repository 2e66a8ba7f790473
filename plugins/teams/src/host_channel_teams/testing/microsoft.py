"""The fake as a whole: one app, one port, and the sender of activities."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self, cast
from urllib.parse import parse_qsl

import httpx2
from hypercorn.asyncio import serve  # type: ignore[reportUnknownVariableType] - its WSGI form is untyped
from hypercorn.config import Config
from hypercorn.typing import ASGIFramework
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .activities import People, Room, Writer
from .authority import ISSUER, SigningPair, TokenDesk, claims_for
from .connector import Connector
from .rules import Rules
from .storage import Storage

TENANT = "11111111-0000-0000-0000-000000000001"
APP_ID = "22222222-0000-0000-0000-000000000002"
SECRET = "the-secret-of-the-bot"  # noqa: S105 - the fake's own


class FakeMicrosoft:
    """Serve keys, tokens, a connector and file storage on a free loopback port while it is entered.

    ``options`` are what a ``TeamsChannel`` needs to talk to it. Faults: ``keys_status`` and ``token_status`` other
    than 200, ``token_failures`` requests that fail first, ``keys_gate`` and ``token_gate`` that hold an answer until
    they are set, and ``connector.faults``.
    """

    def __init__(self, *, now: Callable[[], float] = time.monotonic, port: int = 0) -> None:
        self.pairs = [SigningPair()]
        self.desk = TokenDesk(APP_ID, SECRET)
        self.rules = Rules(now)
        self.connector = Connector(self.desk, self.rules, now)
        self.storage = Storage()
        self.metadata_hits = self.keys_hits = self.token_hits = 0
        self.keys_status = self.token_status = 200
        self.token_failures = 0
        self.keys_gate: asyncio.Event | None = None
        self.token_gate: asyncio.Event | None = None
        self.exchange_status = 200
        self.exchanges: list[Mapping[str, object]] = []
        self._stop = asyncio.Event()
        self._changed = asyncio.Condition()
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind(("127.0.0.1", port))
        self._listener.listen(512)
        self.port = cast("int", self._listener.getsockname()[1])
        self.host = f"127.0.0.1:{self.port}"
        self.url = f"http://{self.host}"
        self.service_url = f"{self.url}/emea/"
        self.write = Writer(APP_ID, self.service_url)
        self._task: asyncio.Task[None] | None = None

    @property
    def options(self) -> dict[str, object]:
        """The options of a channel that talks to this fake."""
        return {
            "app_id": APP_ID,
            "tenant_id": TENANT,
            "client_secret": SECRET,
            "openid_metadata_url": f"{self.url}/openid",
            "token_url": f"{self.url}/{TENANT}/oauth2/v2.0/token",
            "token_service_url": self.url,
            "allowed_service_hosts": [self.host],
            "allowed_file_hosts": [self.host],
        }

    def token(self, **changes: object) -> str:
        """Return a token as Bot Framework signs it; changes go into its claims."""
        return self.pairs[0].sign(claims_for(APP_ID, self.service_url, **changes))

    def headers(self, **changes: object) -> dict[str, str]:
        """Return the headers of a delivery."""
        return {"authorization": f"Bearer {self.token(**changes)}", "content-type": "application/json"}

    def app(self) -> Starlette:
        """Return everything as one app."""
        activity = "/emea/v3/conversations/{room:path}/activities"
        return Starlette(
            routes=[
                Route("/openid", self._metadata),
                Route("/keys", self._keys),
                Route("/{tenant}/oauth2/v2.0/token", self._token, methods=["POST"]),
                Route("/emea/v3/conversations", self.connector.conversations, methods=["POST"]),
                Route(activity, self.connector.activities, methods=["POST"]),
                Route(activity + "/{activity:str}", self.connector.activities, methods=["PUT"]),
                Route("/v3/conversations", self.connector.conversations, methods=["POST"]),
                Route("/v3/conversations/{room:path}/activities", self.connector.activities, methods=["POST"]),
                Route("/files/{name}", self.storage.serve, methods=["GET", "PUT"]),
                Route("/api/usertoken/exchange", self._exchange, methods=["POST"]),
                Route("/say", self._say, methods=["POST"]),
            ]
        )

    async def __aenter__(self) -> Self:
        """Start serving."""
        config = Config()
        config.bind = [f"fd://{self._listener.detach()}"]
        config.graceful_timeout = 0.1
        config.errorlog = None
        self._task = asyncio.get_running_loop().create_task(
            serve(cast("ASGIFramework", self.app()), config, shutdown_trigger=self._stop.wait)
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop serving."""
        self._stop.set()
        if self._task is not None:
            await asyncio.wait([self._task])

    async def until(self, so: Callable[[], bool]) -> None:
        """Wait until the counters of keys and tokens are as wanted."""
        async with self._changed:
            await self._changed.wait_for(so)

    async def _counted(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def _metadata(self, _: Request) -> Response:
        self.metadata_hits += 1
        await self._counted()
        if self.keys_status != 200:
            return Response(status_code=self.keys_status)
        algorithms = {"id_token_signing_alg_values_supported": ["RS256"]}
        return JSONResponse({"issuer": ISSUER, "jwks_uri": f"{self.url}/keys", **algorithms})

    async def _keys(self, _: Request) -> Response:
        self.keys_hits += 1
        await self._counted()
        if self.keys_gate is not None:
            await self.keys_gate.wait()
        return JSONResponse({"keys": [pair.jwk() for pair in self.pairs]})

    async def _token(self, http: Request) -> Response:
        self.token_hits += 1
        await self._counted()
        if self.token_failures > 0:
            self.token_failures -= 1
            return JSONResponse({"error": "temporarily_unavailable"}, 503)
        if self.token_gate is not None:
            await self.token_gate.wait()
        if self.token_status != 200 or http.path_params["tenant"] != TENANT:
            return JSONResponse({"error": "temporarily_unavailable"}, max(self.token_status, 400))
        form = await http.body()
        fields = dict(parse_qsl(form.decode()))
        status, body = self.desk.issue(fields)
        return JSONResponse(body, status)

    async def _say(self, http: Request) -> Response:
        """Send a signed message to a bot, and answer with what it posted until a message came."""
        to = http.query_params.get("to", "http://127.0.0.1:8000/api/messages")
        room = Room("a:local", "personal", TENANT)
        self.connector.rooms.add(room.id)
        seen, read = len(self.connector.posts), len(self.connector.messages)
        activity = self.write.message(http.query_params.get("text", "hello"), People("You", TENANT, "local"), room)
        try:
            async with httpx2.AsyncClient(trust_env=False) as client:
                answer = await client.post(to, json=activity, headers=self.headers())
        except httpx2.ConnectError:
            return JSONResponse({"error": f"Nobody listens at {to}; start the host, or say where: &to=ADDRESS"}, 502)
        if answer.status_code == 200:
            await self.connector.wait_for_messages(read + 1)
        posted = [post.body for post in self.connector.posts[seen:]]
        return JSONResponse({"status": answer.status_code, "posted": posted})

    async def _exchange(self, http: Request) -> Response:
        self.exchanges.append({**http.query_params, **cast("dict[str, object]", await http.json())})
        if self.exchange_status != 200 or not self.desk.knows(http.headers.get("authorization", "")):
            return JSONResponse({"error": {"code": "BadRequest"}}, max(self.exchange_status, 400))
        return JSONResponse({"channelId": "msteams", "connectionName": "graph", "token": "user-token"})
