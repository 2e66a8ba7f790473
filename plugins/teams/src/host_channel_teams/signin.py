"""Single sign-on: Teams offers a token of the user, Microsoft's token service keeps what it is exchanged for."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Mapping
from typing import cast

import httpx2

from .hosts import require_web_address
from .once import Once
from .parsing import Activity
from .references import Reference
from .rendering import Json
from .tokens import TokenSource, TokenUnavailable
from .wire import Wire

logger = logging.getLogger(__name__)

OAUTH_CARD = "application/vnd.microsoft.card.oauth"
CHANNEL = "msteams"


class SignInFailed(Exception):  # noqa: N818 - reads as the condition it names
    """The exchange did not work; the client shows the button instead. The message is safe to show."""


class SignIn:
    """Exchange, verify, and look up users' tokens for one OAuth connection."""

    def __init__(
        self, wire: Wire, tokens: TokenSource, seen: Once, *, url: str, connection: str | None, app_id: str
    ) -> None:
        self._wire = wire
        self._tokens = tokens
        self._seen = seen
        self._url = require_web_address(url).rstrip("/")
        self._connection = connection
        self._app_id = app_id

    async def exchange(self, activity: Activity) -> None:
        """Exchange the token of ``signin/tokenExchange``, once per exchange. Raises ``SignInFailed``."""
        given = activity.data
        exchange_id, connection, token = given.get("id"), given.get("connectionName"), given.get("token")
        if self._connection is None or connection != self._connection:
            raise SignInFailed("This bot has no such connection.")
        if not isinstance(exchange_id, str) or not exchange_id or not isinstance(token, str) or not token:
            raise SignInFailed("The offer holds no token.")
        key = f"{activity.reference.user_id}|{exchange_id}"
        if not await self._seen.first(key, activity.reference.speaker):
            return  # every signed-in client of the person offers the same
        try:
            found = await self._ask(
                "POST", "/api/usertoken/exchange", self._query(activity.reference), {"token": token}
            )
        except SignInFailed:
            await self._seen.forget(key)  # the next offer may be better
            raise
        if not found.get("token"):
            await self._seen.forget(key)
            raise SignInFailed("The token could not be exchanged.")

    async def verify(self, activity: Activity) -> None:
        """Redeem the code of ``signin/verifyState``. Raises ``SignInFailed``."""
        code = activity.data.get("state")
        if self._connection is None or not isinstance(code, str) or not code.isalnum():
            raise SignInFailed("There is no sign-in under way.")
        await self._ask("GET", "/api/usertoken/GetToken", {**self._query(activity.reference), "code": code})

    async def token_of(self, reference: Reference) -> str | None:
        """Return a signed-in user's token, or None. Raises ``SignInFailed`` when the service does not answer."""
        if self._connection is None:
            return None
        found = await self._ask("GET", "/api/usertoken/GetToken", self._query(reference), missing_is_none=True)
        token = found.get("token")
        return token if isinstance(token, str) else None

    async def card(self, reference: Reference) -> Json:
        """Return the card that offers to sign in. Raises ``SignInFailed``."""
        conversation = {
            "bot": {"id": reference.bot_id},
            "user": {"id": reference.user_id},
            "conversation": {"id": reference.conversation_id, "conversationType": reference.kind},
            "channelId": CHANNEL,
            "serviceUrl": reference.service_url,
        }
        state = {"connectionName": self._connection, "conversation": conversation, "msAppId": self._app_id}
        encoded = base64.b64encode(json.dumps(state).encode()).decode()
        found = await self._ask("GET", "/api/botsignin/GetSignInResource", {"state": encoded})
        content: Json = {
            "text": "Please sign in.",
            "connectionName": self._connection,
            "buttons": [{"type": "signin", "title": "Sign in", "value": found.get("signInLink")}],
        }
        if "tokenExchangeResource" in found:
            content["tokenExchangeResource"] = found["tokenExchangeResource"]
        return {"contentType": OAUTH_CARD, "content": content}

    def _query(self, reference: Reference) -> dict[str, str]:
        return {"userId": reference.user_id, "connectionName": self._connection or "", "channelId": CHANNEL}

    async def _ask(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: Mapping[str, object] | None = None,
        *,
        missing_is_none: bool = False,
    ) -> Mapping[str, object]:
        try:
            headers = {"Authorization": f"Bearer {await self._tokens.get()}"}
            answer = await self._wire.http().request(
                method, self._url + path, params=dict(query), headers=headers, json=None if body is None else dict(body)
            )
            if answer.status_code == 404 and missing_is_none:
                return {}
            answer.raise_for_status()
            found: object = answer.json()
        except (httpx2.HTTPError, TokenUnavailable, ValueError) as error:
            logger.warning("The token service refused a sign-in", extra={"error": type(error).__name__})
            raise SignInFailed("The sign-in did not work.") from None
        return cast("dict[str, object]", found) if isinstance(found, dict) else {}
