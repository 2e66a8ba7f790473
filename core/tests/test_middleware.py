from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agent_framework_hosting import IsolationKeys, get_current_isolation_keys
from agent_framework_hosting.middleware import IsolationHeadersMiddleware, RequestLimitsMiddleware

pytestmark = pytest.mark.anyio

USER, CHAT = b"x-agent-user-isolation-key", b"x-agent-chat-isolation-key"


def scope_of(kind: str, *headers: tuple[bytes, bytes], method: str = "POST", path: str = "/") -> Scope:
    return {
        "type": kind,
        "http_version": "1.1",
        "method": method,
        "path": path,
        "query_string": b"",
        "headers": list(headers),
        "client": ("127.0.0.1", 1),
        "server": ("testserver", 80),
        "scheme": "http",
        "root_path": "",
    }


async def keys_seen(kind: str, *headers: tuple[bytes, bytes]) -> tuple[IsolationKeys | None, IsolationKeys | None]:
    """Return what an app sees during a connection, and what is left afterwards."""
    seen: list[IsolationKeys | None] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(get_current_isolation_keys())

    async def nothing(*_: object) -> Message:
        raise NotImplementedError

    await IsolationHeadersMiddleware(app)(scope_of(kind, *headers), nothing, nothing)
    return seen[0], get_current_isolation_keys()


@pytest.mark.requirement("app.isolation-headers")
@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([(USER, b"u1"), (CHAT, b"c1")], IsolationKeys("u1", "c1")),
        ([(USER, b"u1")], IsolationKeys("u1", None)),
        ([(CHAT, b"c1")], IsolationKeys(None, "c1")),
        ([(USER, b""), (CHAT, b"c1")], IsolationKeys(None, "c1")),
        ([(USER, b""), (CHAT, b"  ")], None),
        ([], None),
    ],
)
async def test_headers_become_the_requests_keys_and_are_gone_afterwards(
    kind: str, headers: list[tuple[bytes, bytes]], expected: IsolationKeys | None
) -> None:
    assert await keys_seen(kind, *headers) == (expected, None)


@pytest.mark.requirement("app.isolation-headers")
async def test_the_lifespan_has_no_keys() -> None:
    assert await keys_seen("lifespan", (USER, b"u1")) == (None, None)


@given(st.text(st.characters(min_codepoint=33, max_codepoint=255, exclude_categories=["Cc"]), min_size=1))
def test_any_header_value_passes_unchanged(value: str) -> None:
    seen, _ = asyncio.run(keys_seen("http", (USER, value.encode("latin-1"))))
    assert seen == (IsolationKeys(value.strip(), None) if value.strip() else None)


async def length(request: Request) -> PlainTextResponse:
    return PlainTextResponse(str(len(await request.body())))


async def shaped(request: Request) -> JSONResponse:
    try:
        await request.body()
    except HTTPException as refused:
        return JSONResponse({"mine": refused.detail}, status_code=refused.status_code)
    raise NotImplementedError


async def ignores_body(request: Request) -> PlainTextResponse:
    return PlainTextResponse("did not look")


def limited(max_body_bytes: int = 10, body_timeout_seconds: float = 60.0) -> ASGIApp:
    routes = [Route(f"/{each.__name__}", each, methods=["POST"]) for each in (length, shaped, ignores_body)]
    return RequestLimitsMiddleware(
        Starlette(routes=routes), max_body_bytes=max_body_bytes, body_timeout_seconds=body_timeout_seconds
    )


async def send_body(
    app: ASGIApp, *parts: bytes, declared: int | None = None, path: str = "/length", stall: bool = False
) -> tuple[int, str]:
    incoming: list[Message] = [
        {"type": "http.request", "body": part, "more_body": stall or index < len(parts) - 1}
        for index, part in enumerate(parts)
    ]
    sent: list[Message] = []

    async def receive() -> Message:
        if incoming:
            return incoming.pop(0)
        await asyncio.Event().wait()
        raise NotImplementedError

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [] if declared is None else [(b"content-length", str(declared).encode())]
    await app(scope_of("http", *headers, path=path), receive, send)
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:]).decode()


@pytest.mark.requirement("app.limits")
async def test_a_body_up_to_the_limit_is_taken() -> None:
    assert await send_body(limited(), b"x" * 10, declared=10) == (200, "10")
    assert await send_body(limited(), b"x" * 5, b"x" * 5) == (200, "10")
    assert await send_body(limited(), b"") == (200, "0")


@pytest.mark.requirement("app.limits")
async def test_a_body_that_is_too_large_is_refused_declared_or_not() -> None:
    assert (await send_body(limited(), b"x" * 11, declared=11))[0] == 413
    assert (await send_body(limited(), b"x" * 11))[0] == 413
    assert (await send_body(limited(), b"x" * 6, b"x" * 6))[0] == 413
    assert (await send_body(limited(), b"x" * 6, b"x" * 6, declared=3))[0] == 413


@pytest.mark.requirement("app.limits")
async def test_no_more_than_as_much_again_is_read_of_a_body_that_is_too_large() -> None:
    """The rest never comes, so an app that went on reading would hang."""
    assert (await send_body(limited(), *[b"x"] * 21, stall=True))[0] == 413
    assert (await send_body(limited(), b"x" * 1000, declared=10**12, stall=True))[0] == 413


@pytest.mark.requirement("app.limits")
async def test_a_body_that_does_not_arrive_in_time_is_refused() -> None:
    quick = limited(body_timeout_seconds=0.01)
    assert (await send_body(quick, b"x", stall=True))[0] == 408
    assert (await send_body(quick, stall=True))[0] == 408
    assert await send_body(quick, b"x" * 5, b"x" * 5) == (200, "10")


@pytest.mark.requirement("app.limits")
async def test_a_drop_now_and_then_does_not_buy_time() -> None:
    async def receive() -> Message:
        await asyncio.sleep(0)
        return {"type": "http.request", "body": b"", "more_body": True}

    statuses: list[int] = []

    async def send(message: Message) -> None:
        statuses.append(message.get("status", 0))

    app = limited(max_body_bytes=10**9, body_timeout_seconds=0.02)
    await app(scope_of("http", path="/length"), receive, send)
    assert statuses[0] == 408


@pytest.mark.requirement("app.limits")
async def test_an_app_may_give_the_refusal_its_own_shape_and_need_not_read_at_all() -> None:
    assert await send_body(limited(), b"", declared=11, path="/shaped") == (
        413,
        '{"mine":"The request body is too large."}',
    )
    assert await send_body(limited(), b"", declared=11, path="/ignores_body") == (200, "did not look")


@pytest.mark.requirement("app.limits")
async def test_a_refused_body_stays_refused_however_often_it_is_read() -> None:
    refusals: list[int] = []

    async def stubborn(scope: Scope, receive: Receive, send: Send) -> None:
        for _ in range(3):
            try:
                await receive()
            except HTTPException as refused:
                refusals.append(refused.status_code)

    async def receive() -> Message:
        return {"type": "http.request", "body": b"x" * 11, "more_body": False}

    async def send(_: Message) -> None:
        raise NotImplementedError

    middleware = RequestLimitsMiddleware(stubborn, max_body_bytes=10, body_timeout_seconds=60)
    await middleware(scope_of("http"), receive, send)
    assert refusals == [413, 413, 413]


@pytest.mark.requirement("app.limits")
async def test_after_the_body_the_app_waits_for_the_disconnect_as_long_as_it_likes() -> None:
    gone = asyncio.Event()
    incoming: list[Message] = [{"type": "http.request", "body": b"x", "more_body": False}]

    async def receive() -> Message:
        if incoming:
            return incoming.pop()
        await gone.wait()
        return {"type": "http.disconnect"}

    async def waits(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        asyncio.get_running_loop().call_later(0.03, gone.set)
        assert (await receive())["type"] == "http.disconnect"
        await send({"type": "done"})

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    middleware = RequestLimitsMiddleware(waits, max_body_bytes=10, body_timeout_seconds=0.01)
    await middleware(scope_of("http"), receive, send)
    assert sent == [{"type": "done"}]
