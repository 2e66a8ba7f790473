"""The bot's own tokens: fetched once for everybody who waits, kept, and renewed before they end."""

from __future__ import annotations

import asyncio
import base64
import logging
import time
import uuid
from collections.abc import Callable, Mapping
from typing import cast

import httpx2
import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from agent_framework_hosting import ChannelConfigurationError

from .config import TeamsOptions
from .pace import Clock

logger = logging.getLogger(__name__)

EARLY_SECONDS = 300.0
SHORTEST_PAUSE = 1.0
LONGEST_PAUSE = 900.0
PAUSE_PER_OUTAGE = 6.0
_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class TokenUnavailable(Exception):  # noqa: N818 - reads as the condition it names
    """No token can be had at present. The message names the status and the error code, never a secret."""

    def __init__(self, message: str, pause_seconds: float = SHORTEST_PAUSE) -> None:
        """Say why, and how long a delivery should wait before it tries again."""
        super().__init__(message)
        self.pause_seconds = pause_seconds


class TokenSource:
    """Return the bot's token for the connector."""

    def __init__(self, options: TeamsOptions, http: Callable[[], httpx2.AsyncClient], clock: Clock) -> None:
        self._url = options.own_token_url
        self._scope = options.endpoints.scope
        self._credential = credential_of(options)
        self._http = http
        self._clock = clock
        self._token: str | None = None
        self._good_until = 0.0
        self._failing_since: float | None = None
        self._renewal: asyncio.Task[str] | None = None

    async def get(self) -> str:
        """Return a token that is good for a while. Raises ``TokenUnavailable``."""
        if self._token is not None and self._clock.now() < self._good_until:
            return self._token
        if self._renewal is None:
            self._renewal = asyncio.get_running_loop().create_task(self._renew())
            self._renewal.add_done_callback(self._over)
        return await asyncio.shield(self._renewal)

    def drop(self, token: str) -> None:
        """Forget a token that was refused."""
        if self._token == token:
            self._token = None

    async def close(self) -> None:
        """End a renewal under way."""
        if self._renewal is not None:
            self._renewal.cancel()
            await asyncio.wait([self._renewal])

    def _over(self, task: asyncio.Task[str]) -> None:
        self._renewal = None
        if not task.cancelled():
            task.exception()  # whoever waited has it

    async def _renew(self) -> str:
        asked_at = self._clock.now()
        try:
            token, seconds = await self._ask()
        except TokenUnavailable as error:
            self._failing_since = asked_at if self._failing_since is None else self._failing_since
            # a delivery has few attempts: they are spread over minutes, more widely the longer this lasts
            pause = PAUSE_PER_OUTAGE * (asked_at - self._failing_since)
            raise TokenUnavailable(str(error), min(max(pause, SHORTEST_PAUSE), LONGEST_PAUSE)) from None
        self._failing_since = None
        self._token = token
        self._good_until = asked_at + max(seconds - EARLY_SECONDS, seconds / 2)
        return token

    async def _ask(self) -> tuple[str, float]:
        form = {"grant_type": "client_credentials", "scope": self._scope, **self._credential()}
        try:
            answer = await self._http().post(self._url, data=form)
        except httpx2.HTTPError as error:
            raise TokenUnavailable(f"The token endpoint cannot be reached ({type(error).__name__}).") from None
        found = _object(answer)
        token, lasts = found.get("access_token"), found.get("expires_in")
        if answer.status_code != 200 or not isinstance(token, str) or not token:
            code = found.get("error")
            told = f", {code}" if isinstance(code, str) and code.isidentifier() else ""
            raise TokenUnavailable(f"The token endpoint answered HTTP {answer.status_code}{told}.")
        try:
            return token, float(cast("str", lasts))
        except (TypeError, ValueError):
            return token, 0.0


def credential_of(options: TeamsOptions) -> Callable[[], Mapping[str, str]]:
    """Return what makes the form fields that prove who the bot is. Raises ``ChannelConfigurationError``."""
    own = {"client_id": options.app_id}
    if options.client_secret is not None:
        secret = options.client_secret.get_secret_value()
        return lambda: {**own, "client_secret": secret}
    if options.certificate is not None:
        return _with_certificate(options, options.certificate.get_secret_value())
    file = options.federated_token_file
    if file is None:
        raise ChannelConfigurationError("Channel 'teams': no credential is set; set client_secret.")

    def from_file() -> Mapping[str, str]:
        try:
            assertion = file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            raise TokenUnavailable("federated_token_file cannot be read.") from None
        return {**own, "client_assertion_type": _ASSERTION, "client_assertion": assertion}

    return from_file


def _with_certificate(options: TeamsOptions, pem: str) -> Callable[[], Mapping[str, str]]:
    try:
        key = serialization.load_pem_private_key(pem.encode(), password=None)
        certificate = x509.load_pem_x509_certificate(pem.encode())
    except (ValueError, TypeError):
        raise ChannelConfigurationError(
            "Channel 'teams': certificate must hold a PEM certificate and its unencrypted private key; "
            'write certificate = "file:bot.pem" and put both into that file.'
        ) from None
    if not isinstance(key, RSAPrivateKey):
        raise ChannelConfigurationError("Channel 'teams': the key of certificate must be an RSA key; make a new one.")
    thumbprint = base64.urlsafe_b64encode(certificate.fingerprint(hashes.SHA256())).rstrip(b"=").decode()

    def signed() -> Mapping[str, str]:
        now = int(time.time())
        claims = {
            "aud": options.own_token_url,
            "iss": options.app_id,
            "sub": options.app_id,
            "jti": str(uuid.uuid4()),
            "nbf": now - 60,
            "iat": now,
            "exp": now + 600,
        }
        assertion = jwt.encode(claims, key, algorithm="RS256", headers={"x5t#S256": thumbprint})
        return {"client_id": options.app_id, "client_assertion_type": _ASSERTION, "client_assertion": assertion}

    return signed


def _object(answer: httpx2.Response) -> Mapping[str, object]:
    try:
        found: object = answer.json()
    except ValueError:
        return {}
    return cast("dict[str, object]", found) if isinstance(found, dict) else {}
