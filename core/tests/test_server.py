from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from agent_framework_hosting.errors import HostConfigurationError, HostingError
from agent_framework_hosting.server import build_config, serve_until


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
