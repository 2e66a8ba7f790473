"""The fake as a server: a real port on loopback, with a Python side and a ``/ctl`` side to steer it."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections import defaultdict, deque
from collections.abc import Callable
from types import TracebackType
from typing import Self, cast

from hypercorn.asyncio import serve  # type: ignore[reportUnknownVariableType] - its WSGI form is untyped
from hypercorn.config import Config
from hypercorn.typing import ASGIFramework
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from ..reading import Json, as_object, number, text
from .delivery import Polls, Webhooks, secret_of
from .faults import Fault, Refused
from .forms import read
from .limits import Limiter
from .methods import Methods
from .people import People
from .schema import PARAMETERS
from .world import Shown, World


class FakeBotApi:
    """A Bot API server for one token. Use it with ``async with``; ``url`` is the ``api_base_url`` to configure.

    ``problems`` collects what the real server would have refused or ignored: it must stay empty. ``limited`` turns
    flood control on. ``people`` are the humans: they write, press and block.
    """

    def __init__(
        self,
        token: str = "123456:FAKE-TOKEN",  # noqa: S107 - a token of nobody
        *,
        username: str = "fake_bot",
        limited: bool = True,
        port: int = 0,
    ) -> None:
        self.token = token
        self.world = World(int(token.partition(":")[0]), username)
        self.limiter = Limiter() if limited else None
        self.methods = Methods(self.world, self.limiter)
        self.people = People(self.world, self._push)
        self.log: list[tuple[str, float, Json]] = []
        self.unknown: list[str] = []
        self._raw: list[str] = []
        self._faults: dict[str, deque[Fault]] = defaultdict(deque)
        self._changed = asyncio.Condition()
        self._port = port
        self._stop = asyncio.Event()
        self._server: asyncio.Task[None] | None = None
        self._polls = Polls(self.world)
        self._hooks: Webhooks | None = None

    async def __aenter__(self) -> Self:
        """Listen."""
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self._port))
        listener.listen(256)
        self._port = int(listener.getsockname()[1])
        config = Config()
        config.bind = [f"fd://{listener.detach()}"]
        config.graceful_timeout = 0.1
        config.errorlog = None
        self._hooks = Webhooks(self.world)
        app = cast("ASGIFramework", self.app())
        self._server = asyncio.get_running_loop().create_task(serve(app, config, shutdown_trigger=self._stop.wait))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop listening."""
        if self._hooks is not None:
            await self._hooks.end()
        self._stop.set()
        if self._server is not None:
            await self._server

    @property
    def url(self) -> str:
        """The address of the server."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def problems(self) -> list[str]:
        """What the real server would have refused, or silently ignored."""
        return [*self.unknown, *self.methods.rejections]

    def shown(self, chat_id: int) -> list[Shown]:
        """Return the bot's messages in a chat as they read now, oldest first."""
        return self.world.shown(chat_id)

    def texts(self, chat_id: int) -> list[str]:
        """Return what the bot's messages in a chat say now."""
        return [message.text for message in self.shown(chat_id)]

    def calls(self, method: str) -> list[Json]:
        """Return the parameters of every call of a method."""
        return [params for name, _, params in self.log if name == method.lower()]

    def fail(self, method: str, *faults: Fault) -> None:
        """Let the next calls of a method go wrong, one fault each."""
        self._faults[method.lower()].extend(faults)

    def push_raw(self, update: str) -> None:
        """Let the next polls carry an update that is sent as it is written, however odd."""
        self._raw.append(update)
        self._polls.wake()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until a condition holds; it is looked at after every call."""
        async with self._changed:
            await self._changed.wait_for(condition)

    def app(self) -> Starlette:
        """Return the ASGI app."""
        return Starlette(
            routes=[
                Route("/bot{token}/{method}", self._method, methods=["GET", "POST"]),
                Route("/file/bot{token}/{path:path}", self._file, methods=["GET"]),
                Route("/ctl/{what}", self._control, methods=["GET", "POST"]),
            ]
        )

    async def _push(self, update: Json) -> int:
        self.world.remember(update)
        self.world.updates.append(update)
        self._polls.wake()
        if self._hooks is not None:
            self._hooks.send()
        return number(update, "update_id") or 0

    async def _file(self, request: Request) -> Response:
        data = self.world.files.get(request.path_params["path"].removeprefix("files/"))
        if request.path_params["token"] != self.token or data is None:
            return JSONResponse({"ok": False, "error_code": 404, "description": "Not Found"}, 404)
        return Response(data, media_type="application/octet-stream")

    async def _control(self, request: Request) -> Response:  # noqa: PLR0911 - one return for each thing to ask
        """Steer the fake: ``open`` a chat, ``push`` an update, ``fail`` a method; list ``calls`` and ``messages``."""
        body = as_object(await request.json() if request.method == "POST" else None)
        match request.path_params["what"]:
            case "push":
                update = {"update_id": self.world.next_update_id(), **body}
                return JSONResponse({"update_id": await self._push(update)})
            case "open":
                self.world.chats.add(number(body, "chat") or 0)
                return JSONResponse({})
            case "say":
                return JSONResponse(
                    {"update_id": await self.people.say(text(body, "text"), user=number(body, "user") or 1)}
                )
            case "fail":
                told = {name: value for name, value in body.items() if name != "method"}
                self.fail(text(body, "method"), Fault(**told))  # type: ignore[arg-type] - the operator's own JSON
                return JSONResponse({})
            case "calls":
                return JSONResponse([[name, at, params] for name, at, params in self.log])
            case "messages":
                return JSONResponse([message.to_json() for message in self.world.messages.values()])
            case "problems":
                return JSONResponse(self.problems)
            case _:
                return JSONResponse({}, 404)

    async def _method(self, request: Request) -> Response:
        method = str(request.path_params["method"]).lower()
        if request.path_params["token"] != self.token:
            return _refusal(Refused(401, "Unauthorized"))
        if method not in PARAMETERS:
            return _refusal(Refused(404, "Not Found: method not found"))
        params, files = await read(request)
        self.log.append((method, time.monotonic(), params))
        self.unknown += [f"{method} has no parameter {name!r}" for name in params if name not in PARAMETERS[method]]
        fault = self._fault_for(method, params)
        async with self._changed:
            self._changed.notify_all()
        try:
            answer = await self._answer(method, params, files, fault)
        finally:
            async with self._changed:
                self._changed.notify_all()
        return answer

    def _fault_for(self, method: str, params: Json) -> Fault | None:
        waiting = self._faults[method]
        if not waiting or waiting[0].chat_id not in (None, number(params, "chat_id")):
            return None
        return waiting.popleft()

    async def _answer(self, method: str, params: Json, files: dict[str, bytes], fault: Fault | None) -> Response:
        kind = "" if fault is None else fault.kind
        if fault is not None and (early := await _before_effect(fault)) is not None:
            return early
        try:
            result = await self._apply(method, params, files)
        except Refused as refused:
            return _refusal(refused)
        if fault is not None and kind == "slow_answer":
            async with self._changed:
                self._changed.notify_all()
            await asyncio.sleep(fault.seconds)
        if kind == "apply_then_drop":
            return _Broken()
        body = json.dumps({"ok": True, "result": result}).encode()
        if method == "getupdates" and self._raw:
            body = self._with_raw(body, params)
        if kind == "truncate":
            body = body[: len(body) // 2]
        return _page(fault) if fault is not None and kind == "apply_then_html" else _json(body)

    async def _apply(self, method: str, params: Json, files: dict[str, bytes]) -> object:
        if method == "getupdates":
            return await self._polls.get(params)
        if method == "setwebhook":
            hook = self.world.webhook
            hook.url, hook.secret = text(params, "url"), secret_of(params)
            kinds = params.get("allowed_updates")
            hook.allowed = [str(kind) for kind in kinds] if isinstance(kinds, list) else hook.allowed  # type: ignore[reportUnknownVariableType,reportUnknownArgumentType]
            if self._hooks is not None:
                self._hooks.send()
            return True
        if method == "deletewebhook":
            self.world.webhook.url = ""
            if self._hooks is not None:
                await self._hooks.close()
            return True
        if method == "getwebhookinfo":
            return self._webhook_info()
        return self.methods.call(method, params, files)

    def _with_raw(self, body: bytes, params: Json) -> bytes:
        """Put the updates that are sent as written ahead of the others, until they are confirmed."""
        offset = number(params, "offset") or 0
        self._raw = [each for each in self._raw if int(each.split(":")[1].split(",")[0]) >= offset]
        if not self._raw:
            return body
        only = number(params, "limit") == 1
        rest = b"" if only else body.removeprefix(b'{"ok": true, "result": [').removesuffix(b"]}")
        return b'{"ok": true, "result": [' + b", ".join(each for each in (self._raw[0].encode(), rest) if each) + b"]}"

    def _webhook_info(self) -> object:
        hook = self.world.webhook
        info: dict[str, object] = {"url": hook.url, "pending_update_count": len(self.world.updates)}
        if hook.last_error:
            info |= {"last_error_message": hook.last_error, "last_error_date": hook.last_error_date}
        return info


class _Broken(Response):
    """Break the connection instead of answering."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - the signature is ASGI's
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1000")]})
        await send({"type": "http.response.body", "body": b"{", "more_body": True})
        raise ConnectionAbortedError("a fault of the test's own")


async def _before_effect(fault: Fault) -> Response | None:
    """Return the answer of a fault that leaves the call without effect."""
    if fault.kind == "slow":
        await asyncio.sleep(fault.seconds)
    if fault.kind == "refuse":
        return _refusal(Refused(fault.code, fault.description, **fault.parameters))
    if fault.kind == "html":
        return _page(fault)
    return _Broken() if fault.kind == "drop" else None


def _page(fault: Fault) -> Response:
    return HTMLResponse("<html>Bad Gateway</html>", fault.code)


def _json(body: bytes) -> Response:
    return Response(body, media_type="application/json")


def _refusal(refused: Refused) -> Response:
    body: dict[str, object] = {"ok": False, "error_code": refused.code, "description": refused.description}
    if refused.parameters:
        body["parameters"] = refused.parameters
    return JSONResponse(body, refused.code)
