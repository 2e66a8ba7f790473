from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Host, Mount, Route, Router, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from agent_framework_hosting.app import Contributed, build_app
from agent_framework_hosting.errors import PluginError
from agent_framework_hosting.testing import call

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def no_lifespan(_: Starlette) -> AsyncIterator[None]:
    yield


async def healthy() -> tuple[bool, dict[str, object]]:
    return True, {"channels": {}}


def app(*contributed: Contributed, middleware: tuple[Middleware, ...] = ()) -> Starlette:
    return build_app(
        contributed,
        lifespan=no_lifespan,
        readiness=healthy,
        middleware=middleware,
        max_body_bytes=1000,
        body_timeout_seconds=None,
    )


async def who(request: Request) -> PlainTextResponse:
    return PlainTextResponse(f"{request.method} {request.url.path} {dict(request.path_params)}")


async def socket(websocket: object) -> None:
    raise NotImplementedError


def post(path: str) -> Route:
    return Route(path, who, methods=["POST"])


async def asked(built: Starlette, method: str, path: str) -> tuple[int, str]:
    answer = await call(built, method, path)
    return answer.status, answer.body.decode()


@pytest.mark.requirement("app.routes")
@pytest.mark.parametrize(
    ("prefix", "path", "found"),
    [
        ("/echo", "/", "/echo"),
        ("/echo/", "/", "/echo"),
        ("/echo", "/messages", "/echo/messages"),
        ("", "/", "/"),
        ("", "/responses", "/responses"),
        ("/a/b", "/", "/a/b"),
    ],
)
async def test_a_route_lies_below_its_path_and_answers_post_without_a_redirect(
    prefix: str, path: str, found: str
) -> None:
    assert await asked(app(Contributed("echo", prefix, [post(path)])), "POST", found) == (200, f"POST {found} {{}}")


@pytest.mark.requirement("app.routes")
async def test_parameters_and_their_convertors_survive() -> None:
    built = app(Contributed("echo", "/echo", [Route("/{name}/{number:int}", who)]))
    assert await asked(built, "GET", "/echo/a/7") == (200, "GET /echo/a/7 {'name': 'a', 'number': 7}")
    assert (await asked(built, "GET", "/echo/a/b"))[0] == 404


@pytest.mark.requirement("app.routes")
async def test_the_route_a_plugin_gave_is_left_as_it_was() -> None:
    route = post("/")
    app(Contributed("a", "/a", [route]), Contributed("b", "/b", [route]))
    assert route.path == "/"


@pytest.mark.requirement("app.routes")
async def test_a_channel_at_the_root_leaves_the_hosts_own_routes_alone() -> None:
    swallow = Mount("/", app=Router([Route("/{rest:path}", who, methods=["GET", "POST"])]))
    built = app(Contributed("all", "", [swallow]), Contributed("echo", "/echo", [post("/")]))
    assert (await call(built, "GET", "/healthz")).json() == {"status": "alive"}
    assert (await call(built, "GET", "/readiness")).status == 200
    assert await asked(built, "POST", "/echo") == (200, "POST /echo {}")
    assert (await asked(built, "GET", "/else"))[0] == 200


@pytest.mark.requirement("app.routes")
async def test_a_mount_takes_what_is_below_its_path() -> None:
    built = app(Contributed("files", "/files", [Mount("/static", app=Router([Route("/{name}", who)]))]))
    status, text = await asked(built, "GET", "/files/static/a.css")
    assert (status, "'name': 'a.css'" in text) == (200, True)
    assert (await asked(built, "GET", "/files/other"))[0] == 404


class Everything(HTTPEndpoint):
    async def get(self, request: Request) -> PlainTextResponse:
        return await who(request)


@pytest.mark.requirement("app.route-clash")
@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("/x", [post("/")]), ("/x", [post("/")])),
        (("/x", [post("/")]), ("", [post("/x")])),
        (("/x", [post("/{a}")]), ("/x", [post("/{b}")])),
        (("/x", [post("/{a}")]), ("/x", [post("/{b:str}")])),
        (("/x", [post("/")]), ("/x", [Route("/", who, methods=["PUT", "POST"])])),
        (("/x", [Route("/", Everything)]), ("/x", [post("/")])),
        (("/x", [post("/")]), ("/x", [Route("/", Everything)])),
        (("/x", [WebSocketRoute("/", socket)]), ("/x", [WebSocketRoute("/", socket)])),
        (("/x", [Mount("/y", app=Router())]), ("/x/y", [Mount("/", app=Router())])),
    ],
)
async def test_two_routes_on_one_path_and_method_are_refused_and_both_owners_named(
    first: tuple[str, list[BaseRoute]], second: tuple[str, list[BaseRoute]]
) -> None:
    with pytest.raises(PluginError, match=r"of 'sales' is already taken by 'support'"):
        app(Contributed("support", *first), Contributed("sales", *second))


@pytest.mark.requirement("app.route-clash")
async def test_a_plugin_cannot_take_a_route_of_the_hosts() -> None:
    with pytest.raises(PluginError, match=r"GET /healthz of 'rude' is already taken by 'host-core'"):
        app(Contributed("rude", "", [Route("/healthz", who)]))


@pytest.mark.requirement("app.route-clash")
async def test_what_differs_in_path_method_or_kind_does_not_clash() -> None:
    built = app(
        Contributed("a", "/x", [post("/"), post("/{id:int}"), WebSocketRoute("/", socket)]),
        Contributed("b", "/x", [Route("/", who, methods=["GET"]), post("/{id}"), post("/y")]),
    )
    assert [(await asked(built, method, "/x"))[0] for method in ("GET", "POST")] == [200, 200]


async def test_a_kind_of_route_that_cannot_be_moved_is_refused() -> None:
    with pytest.raises(PluginError, match=r"'odd' contributes a Host"):
        app(Contributed("odd", "/odd", [Host("example.org", app=Router())]))


class Stamp:
    """Say that a request passed here."""

    def __init__(self, app: ASGIApp, name: str) -> None:
        self.app = app
        self.name = name

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope.setdefault("stamps", []).append(self.name)
        await self.app(scope, receive, send)


async def stamps(request: Request) -> PlainTextResponse:
    return PlainTextResponse(",".join(request.scope.get("stamps", ())))


async def test_a_channels_middleware_wraps_its_own_routes_in_order_and_the_hosts_wraps_all() -> None:
    own = [Middleware(Stamp, name="outer"), Middleware(Stamp, name="inner")]
    built = app(
        Contributed("a", "/a", [Route("/", stamps)], own),
        Contributed("b", "/b", [Route("/", stamps)]),
        middleware=(Middleware(Stamp, name="host"),),
    )
    assert await asked(built, "GET", "/a") == (200, "host,outer,inner")
    assert await asked(built, "GET", "/b") == (200, "host")


@pytest.mark.requirement("app.health")
@pytest.mark.parametrize(("ready", "status", "says"), [(True, 200, "ready"), (False, 503, "not_ready")])
async def test_readiness_says_what_the_probe_says(ready: bool, status: int, says: str) -> None:
    async def probe() -> tuple[bool, dict[str, object]]:
        return ready, {"channels": {"echo": {"healthy": ready}}}

    built = build_app(
        (),
        lifespan=no_lifespan,
        readiness=probe,
        middleware=(),
        max_body_bytes=1000,
        body_timeout_seconds=None,
    )
    answer = await call(built, "GET", "/readiness")
    assert (answer.status, answer.json()) == (status, {"status": says, "channels": {"echo": {"healthy": ready}}})


@pytest.mark.requirement("app.routes")
@pytest.mark.parametrize(
    ("method", "path", "status", "says"),
    [("GET", "/v1/nothing", 404, "Not Found"), ("GET", "/bot", 405, "Method Not Allowed")],
)
async def test_what_no_route_takes_is_refused_in_a_shape_that_clients_of_an_api_can_read(
    method: str, path: str, status: int, says: str
) -> None:
    answer = await call(app(Contributed("bot", "/bot", [post("/")])), method, path)
    assert answer.status == status
    assert json.loads(answer.body) == {
        "error": {"message": says, "type": "invalid_request_error", "param": None, "code": None}
    }
