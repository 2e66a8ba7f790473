"""The only module that speaks HTTP to the other side: pushes go out here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

import httpx2

from agent_framework_hosting import PermanentPushError, RetryLater

_TRY_AGAIN = frozenset({408, 425, 429})


class CallbackClient:
    """POST JSON to callback URLs on allowed hosts. It opens by itself; ``close`` it."""

    def __init__(self, hosts: Sequence[str], timeout_seconds: float) -> None:
        self._hosts = frozenset(hosts)
        self._timeout = timeout_seconds
        self._http: httpx2.AsyncClient | None = None

    async def close(self) -> None:
        """Close the connection pool."""
        http, self._http = self._http, None
        if http is not None:
            await http.aclose()

    async def post(self, url: object, body: Mapping[str, object]) -> str | None:
        """Send one body and return the id in the answer, if any.

        Raises ``PermanentPushError`` for what can never work, ``RetryLater`` when the other side names a pause, and
        HTTP errors for what may work another time.
        """
        if not isinstance(url, str) or not self._may_be_called(url):
            raise PermanentPushError("There is no callback, or its host is not in callback_hosts.")
        if self._http is None:
            self._http = httpx2.AsyncClient(timeout=self._timeout)
        answer = await self._http.post(url, json=dict(body))
        pause = answer.headers.get("retry-after", "")
        if answer.status_code in (429, 503) and pause.isdecimal():
            raise RetryLater(float(pause))
        if 300 <= answer.status_code < 500 and answer.status_code not in _TRY_AGAIN:
            raise PermanentPushError(f"The callback refused with HTTP {answer.status_code}.")
        answer.raise_for_status()
        return _id_in(answer)

    def _may_be_called(self, url: str) -> bool:
        try:
            parts = urlsplit(url)
        except ValueError:
            return False
        return parts.scheme in ("http", "https") and parts.hostname in self._hosts


def _id_in(answer: httpx2.Response) -> str | None:
    """Return the receipt; the message has arrived, so whatever the body is must not have it sent again."""
    try:
        body: object = answer.json()
    except ValueError:
        return None
    found: object = body.get("id") if isinstance(body, dict) else None  # type: ignore[reportUnknownMemberType, reportUnknownVariableType] - JSON is untyped
    return None if found is None else str(found)  # type: ignore[reportUnknownArgumentType] - as above
