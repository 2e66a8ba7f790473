"""The one connection pool of the channel."""

from __future__ import annotations

import httpx2


class Wire:
    """Hold the HTTP client: it never follows a redirect, and every wait has an end."""

    def __init__(self, timeout_seconds: float) -> None:
        self._timeout = timeout_seconds
        self._http: httpx2.AsyncClient | None = None

    def http(self) -> httpx2.AsyncClient:
        """Return the client, opened when it is first used."""
        if self._http is None:
            self._http = httpx2.AsyncClient(
                timeout=httpx2.Timeout(self._timeout, pool=None),
                limits=httpx2.Limits(max_connections=200, max_keepalive_connections=50),
                headers={"User-Agent": "host-channel-teams/0.1"},
                follow_redirects=False,
                trust_env=False,
            )
        return self._http

    async def close(self) -> None:
        """Close every connection."""
        http, self._http = self._http, None
        if http is not None:
            await http.aclose()
