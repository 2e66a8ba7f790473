"""The only module that speaks HTTP to the other side: pushes go out here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

import httpx2

from agent_framework_hosting import PermanentPushError, RetryLater


class CallbackClient:
    """POST JSON to callback URLs on allowed hosts. Open it before use."""

    def __init__(self, hosts: Sequence[str], timeout_seconds: float) -> None:
        self._hosts = frozenset(hosts)
        self._timeout = timeout_seconds
        self._http: httpx2.AsyncClient | None = None

    async def open(self) -> None:
        """Open the connection pool."""
        self._http = httpx2.AsyncClient(timeout=self._timeout)

    async def close(self) -> None:
        """Close the connection pool."""
        http, self._http = self._http, None
        if http is not None:
            await http.aclose()

    async def post(self, url: object, body: Mapping[str, object]) -> str | None:
        """Send one body and return the id in the answer, if any.

        Raises ``PermanentPushError`` for an address that can never work, ``RetryLater`` for 429 with Retry-After.
        """
        if not isinstance(url, str) or urlsplit(url).hostname not in self._hosts:
            raise PermanentPushError("The callback's host is not in callback_hosts.")
        if self._http is None:
            await self.open()
        assert self._http is not None  # noqa: S101 - opened just above
        answer = await self._http.post(url, json=dict(body))
        if answer.status_code == 429:
            raise RetryLater(float(answer.headers.get("retry-after", "1")))
        if answer.status_code in (400, 403, 404, 410):
            raise PermanentPushError(f"The callback refused with HTTP {answer.status_code}.")
        answer.raise_for_status()
        receipt = answer.json().get("id") if answer.content else None
        return None if receipt is None else str(receipt)
