from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response

from agent_framework_hosting.errors import HostingError
from agent_framework_hosting.testing import HttpInbox, listening

pytestmark = pytest.mark.anyio


@pytest.mark.requirement("authors.fakes")
async def test_an_http_inbox_keeps_bodies_and_answers_as_told() -> None:
    inbox = HttpInbox(Response(status_code=503))
    async with listening(inbox.app) as url, httpx2.AsyncClient() as http:
        waiting = asyncio.create_task(inbox.wait_for(2))
        answers = [await http.post(f"{url}/any/path", json=body) for body in ({"n": 1}, ["n"])]
        assert [answer.status_code for answer in answers] == [503, 200]
        assert answers[1].json() == {"id": "2"}
        assert await waiting == inbox.received == [{"n": 1}, ["n"]]


async def test_the_app_starts_before_and_stops_after() -> None:
    log: list[str] = []

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        log.append("up")
        yield
        log.append("down")

    async with listening(Starlette(lifespan=lifespan)) as url:
        assert url.startswith("http://127.0.0.1:")
        log.append("used")
    assert log == ["up", "used", "down"]


async def test_an_app_that_does_not_start_is_an_error_at_once() -> None:
    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        raise OSError
        yield

    with pytest.raises(HostingError):
        async with listening(Starlette(lifespan=lifespan)):
            raise NotImplementedError


async def test_two_apps_have_two_ports() -> None:
    first, second = HttpInbox(), HttpInbox(JSONResponse({}))
    async with listening(first.app) as one, listening(second.app) as two:
        assert one != two
