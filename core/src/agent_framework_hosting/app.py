"""The Starlette app: routes, lifespan, middleware. It wires and decides nothing."""

from __future__ import annotations

import copy
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute, compile_path

from .errors import PluginError
from .middleware import IsolationHeadersMiddleware, RequestLimitsMiddleware

_KINDS = (Route, WebSocketRoute, Mount)

ReadinessProbe = Callable[[], Awaitable[tuple[bool, Mapping[str, object]]]]


@dataclass(frozen=True, slots=True)
class Contributed:
    """One plugin's routes, under its path."""

    owner: str
    path: str
    routes: Sequence[BaseRoute]
    middleware: Sequence[Middleware] = ()


def build_app(
    contributed: Iterable[Contributed],
    *,
    lifespan: Callable[[Starlette], AbstractAsyncContextManager[None]],
    readiness: ReadinessProbe,
    middleware: Sequence[Middleware],
    max_body_bytes: int,
    body_timeout_seconds: float | None,
) -> Starlette:
    """Put the host's own routes first, then every plugin's, flattened; mounts, which take all below them, come last.

    Raises ``PluginError`` on a clash.
    """
    routes: list[BaseRoute] = [Route("/healthz", _healthz), Route("/readiness", _readiness(readiness))]
    claims: list[_Claim] = []
    for route in routes:
        _claim(route, "host-core", claims)
    for part in contributed:
        for route in flatten(part):
            _claim(route, part.owner, claims)
            routes.append(route)
    routes.sort(key=lambda route: isinstance(route, Mount))
    stack = [
        Middleware(IsolationHeadersMiddleware),
        Middleware(RequestLimitsMiddleware, max_body_bytes=max_body_bytes, body_timeout_seconds=body_timeout_seconds),
        *middleware,
    ]
    return Starlette(
        routes=routes,
        middleware=stack,
        lifespan=lifespan,
        exception_handlers={HTTPException: _refused},
    )


def flatten(part: Contributed) -> list[BaseRoute]:
    """Return the plugin's routes under its path: ``path + route.path``, where ``/`` becomes the path itself.

    Never mounted: a mount answers POST with a redirect, and an empty mount swallows ``/healthz``.
    """
    return [_moved(route, part) for route in part.routes]


def _moved(route: BaseRoute, part: Contributed) -> BaseRoute:
    if not isinstance(route, _KINDS):
        raise PluginError(
            f"Plugin {part.owner!r} contributes a {type(route).__name__}; contribute Route, WebSocketRoute or Mount."
        )
    moved = copy.copy(route)
    moved.path = part.path.rstrip("/") + ("" if route.path == "/" and part.path.rstrip("/") else route.path)
    pattern = moved.path + "/{path:path}" if isinstance(moved, Mount) else moved.path
    moved.path_regex, moved.path_format, moved.param_convertors = compile_path(pattern)
    for wrapper in reversed(part.middleware):
        moved.app = wrapper.cls(moved.app, *wrapper.args, **wrapper.kwargs)
    return moved


@dataclass(frozen=True, slots=True)
class _Claim:
    """One route's right to a path; ``shape`` is the path without names of parameters, no ``methods`` means all."""

    owner: str
    shape: str
    kind: type[BaseRoute]
    methods: frozenset[str]

    def clash(self, other: _Claim) -> str | None:
        if (self.shape, self.kind) != (other.shape, other.kind):
            return None
        if self.methods and other.methods:
            return next(iter(sorted(self.methods & other.methods)), None)
        return next(iter(sorted(self.methods | other.methods)), self.kind.__name__)


def _claim(route: BaseRoute, owner: str, claims: list[_Claim]) -> None:
    path = str(getattr(route, "path", ""))
    shape = re.sub(r"{[^}:]*(?::str)?([^}]*)}", r"{\1}", path)
    kind = next(each for each in _KINDS if isinstance(route, each))
    wanted = _Claim(owner, shape, kind, frozenset(getattr(route, "methods", None) or ()))
    for taken in claims:
        clash = wanted.clash(taken)
        if clash is not None:
            raise PluginError(
                f"Route {clash} {path} of {owner!r} is already taken by {taken.owner!r}; "
                f'give one of them another path in its table, for example path = "/{owner}".'
            )
    claims.append(wanted)


async def _refused(_: Request, refused: Exception) -> Response:
    """Answer what no route takes in the one shape that clients of an API can read."""
    if not isinstance(refused, HTTPException):
        raise refused
    if refused.status_code in (204, 304):
        return Response(status_code=refused.status_code, headers=refused.headers)
    kind = "server_error" if refused.status_code >= 500 else "invalid_request_error"
    body = {"error": {"message": refused.detail, "type": kind, "param": None, "code": None}}
    return JSONResponse(body, status_code=refused.status_code, headers=refused.headers)


async def _healthz(_: Request) -> JSONResponse:
    return JSONResponse({"status": "alive"})


def _readiness(probe: ReadinessProbe) -> Callable[[Request], Awaitable[JSONResponse]]:
    async def readiness(_: Request) -> JSONResponse:
        ready, state = await probe()
        return JSONResponse({"status": "ready" if ready else "not_ready", **state}, status_code=200 if ready else 503)

    return readiness
