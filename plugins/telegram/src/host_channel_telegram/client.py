"""The only module that speaks HTTP to Telegram."""

from __future__ import annotations

import asyncio
import json
import logging
import random
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import httpx2

from .faults import ApiError, NotSent, Unclear, Unreadable
from .reading import Json, as_object, number, part, text

Upload: TypeAlias = tuple[str, bytes, str]  # file name, bytes, media type

_SEND_SECONDS = 30.0
_CONNECT_SECONDS = 10.0
_TRIES = 3
_NOT_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)


class Bot:
    """Call Bot API methods for one token. Open it before use; calls open it when that was forgotten.

    Polling has a connection pool of its own, so that a held poll never delays an answer.
    """

    def __init__(self, token: str, base: str) -> None:
        self._calls = f"{base}/bot{token}/"
        self._files = f"{base}/file/bot{token}/"
        self._http: httpx2.AsyncClient | None = None
        self._polls: httpx2.AsyncClient | None = None

    async def open(self) -> None:
        """Open the connection pools, and keep the token, which is part of every address, out of the logs."""
        for name in ("httpx2", "httpcore2"):
            logging.getLogger(name).setLevel(logging.WARNING)
        if self._http is None:
            self._http = httpx2.AsyncClient(timeout=httpx2.Timeout(_SEND_SECONDS, connect=_CONNECT_SECONDS))

    async def close(self) -> None:
        """Close the connection pools."""
        await self.drop_polls()
        http, self._http = self._http, None
        if http is not None:
            await http.aclose()

    async def drop_polls(self) -> None:
        """Close the connections of the poller; the next poll opens new ones."""
        polls, self._polls = self._polls, None
        if polls is not None:
            await polls.aclose()

    async def call(
        self, method: str, params: Mapping[str, object] | None = None, *, limit_seconds: float = _SEND_SECONDS
    ) -> object:
        """Call a method once and return its result; parameters that are None are left out.

        Raises ``ApiError``, ``NotSent``, ``Unclear`` or ``Unreadable``.
        """
        return await self._post(method, limit_seconds, json=_given(params or {}))

    async def upload(self, method: str, params: Mapping[str, object], files: Mapping[str, Upload]) -> object:
        """Call a method with files, as multipart; every parameter that is no string is sent as JSON."""
        fields = {
            name: value if isinstance(value, str) else json.dumps(value) for name, value in _given(params).items()
        }
        return await self._post(method, 2 * _SEND_SECONDS, data=fields, files=dict(files))

    async def ask(self, method: str, params: Mapping[str, object] | None = None) -> object:
        """Call a method that may safely be repeated, and repeat it while Telegram cannot be reached."""
        for attempt in range(1, _TRIES + 1):
            try:
                return await self.call(method, params)
            except (NotSent, Unclear):
                if attempt == _TRIES:
                    raise
                await asyncio.sleep(0.3 * 2**attempt * (0.5 + random.random() / 2))  # noqa: S311 - jitter
        raise AssertionError("unreachable")

    async def updates(self, offset: int | None, seconds: int, kinds: Sequence[str], *, limit: int = 100) -> list[Json]:
        """Wait up to ``seconds`` for updates and return them as they came."""
        if self._polls is None:
            timeout = httpx2.Timeout(_SEND_SECONDS, connect=_CONNECT_SECONDS)
            self._polls = httpx2.AsyncClient(timeout=timeout, limits=httpx2.Limits(max_connections=2))
        params = {"offset": offset, "timeout": seconds, "limit": limit, "allowed_updates": list(kinds)}
        result = await self._post("getUpdates", seconds + 10.0, http=self._polls, json=_given(params))
        return [as_object(update) for update in result] if isinstance(result, list) else []  # type: ignore[reportUnknownVariableType]

    async def download(self, file_path: str, *, max_bytes: int, local_files: str | None = None) -> bytes | None:
        """Return a file's bytes, or None when there are more than ``max_bytes``.

        An absolute path, which only a Bot API server of one's own gives, is read inside ``local_files`` alone.
        """
        if file_path.startswith("/"):
            return await asyncio.to_thread(_read_inside, local_files, file_path, max_bytes)
        await self.open()
        assert self._http is not None  # noqa: S101 - opened just above
        taken = bytearray()
        try:
            async with self._http.stream("GET", self._files + file_path) as answer:
                if answer.status_code != 200:
                    raise ApiError("download", answer.status_code, "the file is not there", {})
                async for chunk in answer.aiter_bytes():
                    taken += chunk
                    if len(taken) > max_bytes:
                        return None
        except httpx2.HTTPError as error:
            raise NotSent(f"download: {type(error).__name__}") from None
        return bytes(taken)

    async def _post(
        self,
        method: str,
        seconds: float,
        *,
        http: httpx2.AsyncClient | None = None,
        json: object = None,
        data: Mapping[str, str] | None = None,
        files: Mapping[str, Upload] | None = None,
    ) -> object:
        await self.open()
        client = http or self._http
        assert client is not None  # noqa: S101 - opened just above
        timeout = httpx2.Timeout(seconds, connect=_CONNECT_SECONDS)
        try:
            answer = await client.post(self._calls + method, json=json, data=data, files=files, timeout=timeout)
        except _NOT_SENT as error:
            raise NotSent(f"{method}: {type(error).__name__}") from None
        except httpx2.HTTPError as error:  # its text may quote the address, and so the token
            raise Unclear(f"{method}: {type(error).__name__}") from None
        return _result(method, answer)


def _result(method: str, answer: httpx2.Response) -> object:
    try:
        body = as_object(json.loads(answer.content))
    except (ValueError, RecursionError):
        if answer.status_code >= 500:
            raise Unclear(f"{method}: HTTP {answer.status_code}") from None
        if answer.status_code != 200:
            raise ApiError(method, answer.status_code, "no JSON", {}) from None
        raise Unreadable(method, answer.text) from None
    if body.get("ok") is True:
        return body.get("result")
    code = number(body, "error_code") or answer.status_code
    if code >= 500 or code == 200:
        raise Unclear(f"{method}: HTTP {code}")
    raise ApiError(method, code, without_tokens(text(body, "description")), part(body, "parameters"))


def _given(params: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in params.items() if value is not None}


def without_tokens(said: str) -> str:
    """Return a text with everything that looks like a bot token made unreadable."""
    return re.sub(r"\b(\d{3,}):[A-Za-z0-9_-]{10,}", r"\1:...", said)


def _read_inside(directory: str | None, file_path: str, max_bytes: int) -> bytes | None:
    if directory is None:
        raise ApiError("download", 400, "local_files is not set, so files of a local server are not read", {})
    path, allowed = Path(file_path).resolve(), Path(directory).resolve()
    if not path.is_relative_to(allowed):
        raise ApiError("download", 400, "the file lies outside of local_files", {})
    return None if path.stat().st_size > max_bytes else path.read_bytes()
