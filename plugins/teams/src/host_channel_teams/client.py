"""The only module that speaks HTTP to the connector: conversations and activities."""

from __future__ import annotations

import email.utils
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import cast
from urllib.parse import quote

import httpx2

from agent_framework_hosting import PermanentPushError, RetryLater, UncertainSend

from .hosts import TrustedHosts, UntrustedUrl
from .tokens import TokenSource, TokenUnavailable
from .wire import Wire

DEFAULT_PAUSE = 0.5
LONGEST_PAUSE = 3600.0
TOKEN_PAUSE = 5.0
UNCERTAIN = frozenset({408, 412})
PLACEHOLDER_ID = "DO_NOT_USE_PLACEHOLDER_ID"


class RefusedByTeams(Exception):  # noqa: N818 - reads as the condition it names
    """The connector took nothing. ``code`` and ``text`` are its own words, in lower case, for decisions only."""

    def __init__(self, status: int, code: str, text: str) -> None:
        """Keep what was said; the message holds the status alone."""
        super().__init__(f"Teams refused with HTTP {status}.")
        self.status = status
        self.code = code.lower()
        self.text = text.lower()


class NotSent(Exception):  # noqa: N818 - reads as the condition it names
    """Nothing left this machine: trying again is safe."""


class Connector:
    """Post, change and delete activities. The host is checked again before each request carries our token.

    Raises ``RetryLater`` (429, or no token), ``NotSent``, ``RefusedByTeams``, ``PermanentPushError`` for an address
    that may not be used, and ``UncertainSend`` when a new activity may have been applied.
    """

    def __init__(self, wire: Wire, tokens: TokenSource, hosts: TrustedHosts) -> None:
        self._wire = wire
        self._tokens = tokens
        self._hosts = hosts

    async def post(
        self,
        service_url: str,
        conversation_id: str,
        activity: Mapping[str, object],
        *,
        about_to: Callable[[], Awaitable[None]] | None = None,
    ) -> str | None:
        """Add an activity; return its id when the connector says one.

        ``about_to`` is awaited right before the first byte leaves, when all that can fail without effect is done.
        """
        path = f"/v3/conversations/{escaped(conversation_id)}/activities"
        return _id_of(await self._send("POST", service_url, path, activity, about_to=about_to))

    async def update(
        self, service_url: str, conversation_id: str, activity_id: str, activity: Mapping[str, object]
    ) -> None:
        """Replace an activity."""
        path = f"/v3/conversations/{escaped(conversation_id)}/activities/{escaped(activity_id)}"
        await self._send("PUT", service_url, path, activity)

    async def create_conversation(self, service_url: str, body: Mapping[str, object]) -> str:
        """Open a personal conversation, or find the one there is; return its id."""
        created = _id_of(await self._send("POST", service_url, "/v3/conversations", body, repeatable=True))
        if created is None:
            raise PermanentPushError("Teams opened a conversation without an id.")
        return created

    async def _send(
        self,
        method: str,
        service_url: str,
        path: str,
        body: Mapping[str, object],
        *,
        repeatable: bool = False,
        about_to: Callable[[], Awaitable[None]] | None = None,
    ) -> httpx2.Response:
        try:
            url = self._hosts.check(service_url) + path
        except UntrustedUrl:
            raise PermanentPushError("The conversation's service URL is not one of the trusted hosts.") from None
        repeatable = repeatable or method != "POST"
        token = await self._token()
        if about_to is not None:
            await about_to()
        answer = await self._call(method, url, body, token, repeatable=repeatable)
        if answer.status_code == 401:
            answer = await self._call(method, url, body, await self._token(), repeatable=repeatable)
        return _checked(answer, repeatable=repeatable)

    async def _token(self) -> str:
        try:
            return await self._tokens.get()
        except TokenUnavailable as error:
            raise RetryLater(error.pause_seconds, str(error)) from None

    async def _call(
        self, method: str, url: str, body: Mapping[str, object], token: str, *, repeatable: bool
    ) -> httpx2.Response:
        try:
            answer = await self._wire.http().request(
                method,
                url,
                content=json.dumps(body, ensure_ascii=False).encode(errors="replace"),
                headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json; charset=utf-8"},
            )
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout) as error:
            raise NotSent(f"The connector cannot be reached ({type(error).__name__}).") from None
        except httpx2.HTTPError as error:
            if repeatable:
                raise NotSent(f"The connector broke off ({type(error).__name__}).") from None
            raise UncertainSend(f"The connector broke off ({type(error).__name__}).") from None
        if answer.status_code == 401:
            self._tokens.drop(token)
        return answer


def escaped(name: str) -> str:
    """Return an id as one segment of a path. Raises ``PermanentPushError`` for one that could climb."""
    if not name or set(name) <= {"."}:
        raise PermanentPushError("The conversation's id is none.")
    return quote(name, safe="")


def retry_after_seconds(value: str | None, now: float) -> float:
    """Return the pause a ``Retry-After`` asks for, as seconds or as a date; half a second when it cannot be read."""
    try:
        seconds = float(value or "")
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(value or "").timestamp() - now
        except (ValueError, TypeError, OverflowError):
            return DEFAULT_PAUSE
    return min(max(seconds, 0.0), LONGEST_PAUSE) if seconds == seconds else DEFAULT_PAUSE  # noqa: PLR0124 - NaN


def _checked(answer: httpx2.Response, *, repeatable: bool) -> httpx2.Response:
    status = answer.status_code
    if 200 <= status < 300:
        return answer
    if status == 429:
        raise RetryLater(max(retry_after_seconds(answer.headers.get("retry-after"), time.time()), DEFAULT_PAUSE))
    if status in UNCERTAIN or status >= 500:
        if repeatable:
            raise NotSent(f"The connector answered HTTP {status}.")
        raise UncertainSend(f"The connector answered HTTP {status}.")
    if status == 401:
        raise RetryLater(TOKEN_PAUSE, "The connector refuses the bot's tokens; check app_id, tenant_id and the secret.")
    code, text = _error_of(answer)
    raise RefusedByTeams(status, code, text)


def _error_of(answer: httpx2.Response) -> tuple[str, str]:
    found = _object(answer)
    error = found.get("error")
    told = cast("Mapping[str, object]", error) if isinstance(error, dict) else found
    text = told.get("message")
    return str(told.get("code") or ""), str(text) if text else answer.text[:500]


def _id_of(answer: httpx2.Response) -> str | None:
    found = _object(answer).get("id")
    return found if isinstance(found, str) and found and found != PLACEHOLDER_ID else None


def _object(answer: httpx2.Response) -> Mapping[str, object]:
    try:
        found: object = answer.json() if answer.content else {}
    except ValueError:
        return {}
    return cast("dict[str, object]", found) if isinstance(found, dict) else {}
