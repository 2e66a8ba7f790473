from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from agent_framework_hosting.errors import HostConfigurationError, HostingError
from agent_framework_hosting.server import build_config, serve, serve_until, take_addresses


def test_addresses_of_both_families_are_understood() -> None:
    assert build_config(host="127.0.0.1", port=8000, workers=1, options={}).bind == ["127.0.0.1:8000"]
    assert build_config(host="::1", port=8000, workers=1, options={}).bind == ["[::1]:8000"]


@pytest.mark.requirement("app.serve-options")
@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("keep_alive_timeout", 1.5),
        ("certfile", "cert.pem"),
        ("accesslog", "-"),
        ("bind", ["unix:/tmp/x"]),
        ("root_path", "/agents"),
        ("graceful_timeout", 9),
        ("insecure_bind", ["127.0.0.1:1"]),
        ("logger_class", object),
    ],
)
def test_every_setting_of_hypercorns_can_be_given(option: str, value: object) -> None:
    config = build_config(host="127.0.0.1", port=8000, workers=1, options={option: value})
    assert getattr(config, option) == value


@pytest.mark.requirement("app.serve-options")
@pytest.mark.parametrize("option", ["workres", "load", "response_headers", "ssl_enabled", "log", "__class__", ""])
def test_what_is_no_setting_is_refused(option: str) -> None:
    with pytest.raises(HostConfigurationError, match="no setting of Hypercorn"):
        build_config(host="127.0.0.1", port=8000, workers=1, options={option: 1})


@pytest.mark.anyio
async def test_an_app_that_does_not_start_is_one_error_of_the_hosts() -> None:
    @asynccontextmanager
    async def broken(_: Starlette) -> AsyncIterator[None]:
        raise RuntimeError("secret")
        yield

    app = Starlette(routes=[Route("/", lambda _: PlainTextResponse("x"))], lifespan=broken)
    config = build_config(host="127.0.0.1", port=0, workers=1, options={"errorlog": None})
    with pytest.raises(HostingError) as refused:
        await serve_until(asyncio.Event().wait, app, config)
    assert "secret" not in str(refused.value)


def test_an_address_in_use_is_one_sentence_and_nothing_was_started() -> None:
    started: list[str] = []

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        started.append("up")
        yield

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(HostConfigurationError, match=f"Cannot listen on 127.0.0.1:{port} .*choose another"):
            serve(Starlette(lifespan=lifespan), host="127.0.0.1", port=port, workers=1, options={})
    assert started == []


@pytest.mark.anyio
@pytest.mark.parametrize("unix", [False, True])
async def test_the_addresses_that_were_taken_are_served(unix: bool, tmp_path: Path) -> None:
    bind = f"unix:{tmp_path}/socket" if unix else "127.0.0.1:0"
    config = build_config(host="127.0.0.1", port=0, workers=1, options={"bind": [bind], "errorlog": None})
    take_addresses(config)
    started, stop = asyncio.Event(), asyncio.Event()

    async def stopped() -> None:
        started.set()  # awaited once the server listens
        await stop.wait()

    app = Starlette(routes=[Route("/", lambda _: PlainTextResponse("served"))])
    serving = asyncio.create_task(serve_until(stopped, app, config))
    await asyncio.wait({serving, asyncio.create_task(started.wait())}, return_when=asyncio.FIRST_COMPLETED)
    if unix:
        reader, writer = await asyncio.open_unix_connection(f"{tmp_path}/socket")
    else:
        with socket.socket(fileno=int(config.bind[0].removeprefix("fd://"))) as listener:
            address = listener.getsockname()
            listener.detach()
        reader, writer = await asyncio.open_connection(*address)
    writer.write(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
    assert b"served" in await reader.read()
    writer.close()
    stop.set()
    await serving
