"""Which failed sends may have been applied."""

from __future__ import annotations

import asyncio

import httpx2
import pytest

from agent_framework_hosting.delivery.push import is_uncertain

REQUEST = httpx2.Request("POST", "https://platform.example/send")


def status_error(status: int) -> Exception:
    try:
        httpx2.Response(status, request=REQUEST).raise_for_status()
    except httpx2.HTTPStatusError as error:
        return error
    raise AssertionError(status)


class AiohttpLikeError(Exception):
    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def wrapped(cause: Exception) -> Exception:
    error = RuntimeError("the platform's client failed")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    "error",
    [
        TimeoutError(),
        ConnectionResetError(),
        BrokenPipeError(),
        asyncio.IncompleteReadError(b"", 1),
        httpx2.ReadTimeout("", request=REQUEST),
        httpx2.WriteTimeout("", request=REQUEST),
        httpx2.ReadError("", request=REQUEST),
        httpx2.RemoteProtocolError("", request=REQUEST),
        status_error(500),
        status_error(503),
        AiohttpLikeError(502),
        wrapped(httpx2.ReadTimeout("", request=REQUEST)),
    ],
    ids=repr,
)
def test_may_have_been_applied(error: Exception) -> None:
    assert is_uncertain(error)


@pytest.mark.parametrize(
    "error",
    [
        ConnectionRefusedError(),
        httpx2.ConnectError("", request=REQUEST),
        httpx2.ConnectTimeout("", request=REQUEST),
        httpx2.PoolTimeout("", request=REQUEST),
        status_error(400),
        status_error(404),
        AiohttpLikeError(429),
        ValueError("a bug in the rendering"),
        KeyError("callback"),
        wrapped(ValueError()),
    ],
    ids=repr,
)
def test_was_not_applied(error: Exception) -> None:
    assert not is_uncertain(error)
