from __future__ import annotations

import asyncio

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route

from agent_framework_hosting.testing import call

pytestmark = pytest.mark.anyio


async def mirror(request: Request) -> JSONResponse:
    return JSONResponse(
        {
            "method": request.method,
            "path": request.url.path,
            "query": dict(request.query_params),
            "body": (await request.body()).decode(),
            "type": request.headers.get("content-type"),
            "token": request.headers.get("x-token"),
            "client": request.client.host,
        },
        status_code=201,
        headers={"x-answer": "yes"},
    )


async def broken(_: Request) -> JSONResponse:
    raise ZeroDivisionError


app = Starlette(routes=[Route("/{rest:path}", mirror, methods=["GET", "PUT"]), Route("/broken", broken)])


async def test_a_request_arrives_as_a_server_would_send_it() -> None:
    answer = await call(app, "PUT", "/a%20b?x=1", json_body={"n": 1}, headers={"X-Token": "t"}, client=("10.0.0.1", 5))
    assert (answer.status, answer.headers["x-answer"]) == (201, "yes")
    assert answer.json() == {
        "method": "PUT",
        "path": "/a b",
        "query": {"x": "1"},
        "body": '{"n": 1}',
        "type": "application/json",
        "token": "t",
        "client": "10.0.0.1",
    }
    assert (await call(app, "GET", "/", body=b"raw")).json()["body"] == "raw"


async def test_an_error_of_the_app_passes() -> None:
    failing = Starlette(routes=[Route("/broken", broken)])
    with pytest.raises(ZeroDivisionError):
        await call(failing, "GET", "/broken")


async def test_a_client_may_hang_up() -> None:
    ended = asyncio.Event()

    async def endless():
        try:
            yield "first"
            await asyncio.Event().wait()
        finally:
            ended.set()

    async def stream(_: Request) -> StreamingResponse:
        return StreamingResponse(endless())

    hang_up = asyncio.Event()
    streaming = Starlette(routes=[Route("/", stream)])
    asking = asyncio.create_task(call(streaming, "GET", "/", hang_up=hang_up))
    await asyncio.sleep(0)
    hang_up.set()
    assert (await asking).status == 200
    await asyncio.wait_for(ended.wait(), 5)
