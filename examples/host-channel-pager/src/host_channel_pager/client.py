"""The only module that speaks HTTP to the platform."""

import httpx2

from agent_framework_hosting import PermanentPushError, RetryLater


class PagerClient:
    """Send pages through the platform's API. Open it before use."""

    def __init__(self, api_url: str, timeout_seconds: float) -> None:
        self._api_url = api_url.rstrip("/")
        self._timeout = timeout_seconds
        self._http: httpx2.AsyncClient | None = None

    async def open(self) -> None:
        """Open the connection pool; deliveries work outside a server too, so it also opens by itself."""
        if self._http is None:
            self._http = httpx2.AsyncClient(base_url=self._api_url, timeout=self._timeout)

    async def close(self) -> None:
        """Close the connection pool."""
        http, self._http = self._http, None
        if http is not None:
            await http.aclose()

    async def send(self, pager: str, text: str) -> str:
        """Send one page and return the platform's id of it; raises what tells the host whether to try again."""
        await self.open()
        assert self._http is not None
        answer = await self._http.post("/pages", json={"pager": pager, "text": text})
        if answer.status_code == 429:
            raise RetryLater(float(answer.headers.get("retry-after", "1")))
        if answer.status_code == 410:
            raise PermanentPushError("This pager is switched off for good.")
        answer.raise_for_status()
        return str(answer.json()["id"])
