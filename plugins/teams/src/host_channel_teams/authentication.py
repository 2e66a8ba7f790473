"""Is this request from Microsoft Teams, for this bot, about this connector? Nothing here can be turned off."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import jwt

from .hosts import TrustedHosts, UntrustedUrl
from .keys import KeyRing, SigningKey

CHANNEL_ID = "msteams"
LEEWAY_SECONDS = 300
LONGEST_TOKEN = 16 * 1024


class Refused(Exception):  # noqa: N818 - reads as the condition it names
    """The request is not let in. ``reason`` and ``facts`` are for the log; the caller learns only the status."""

    def __init__(self, reason: str, *, status: int = 403, facts: Mapping[str, object] | None = None) -> None:
        """Say why, and what may be logged about it: never the token."""
        super().__init__(reason)
        self.reason = reason
        self.status = status
        self.facts = facts or {}


@dataclass(frozen=True, slots=True)
class TokenCheck:
    """Check a bearer token and what it says against the activity it came with.

    ``audiences`` are the names of this bot; ``tenants``, in lower case, those whose people may talk to it.
    """

    keys: KeyRing
    issuer: str
    app_id: str
    hosts: TrustedHosts
    tenants: frozenset[str]

    async def verify(self, token: str, activity: Mapping[str, object]) -> None:
        """Return when everything fits. Raises ``Refused``, and ``KeysUnavailable`` when that cannot be told now."""
        if activity.get("channelId") != CHANNEL_ID:
            raise Refused("channel", facts={"channel": _shown(activity.get("channelId"))})
        kid = self._kid_of(token)
        key = await self.keys.find(kid)
        if key is None:
            raise Refused("unknown key", facts={"kid": _shown(kid)})
        claims = self._claims_of(token, key, kid)
        if CHANNEL_ID not in key.endorsements:
            raise Refused("endorsement", facts={"kid": _shown(kid)})
        self._check_service_url(claims, activity.get("serviceUrl"))
        self._check_tenant(claims, activity)

    def _kid_of(self, token: str) -> str:
        if len(token) > LONGEST_TOKEN:
            raise Refused("token too long")
        try:
            header = jwt.get_unverified_header(token)
        except (jwt.PyJWTError, ValueError, RecursionError):
            raise Refused("no token") from None
        kid: object = header.get("kid")
        if header.get("alg") != "RS256":
            raise Refused("algorithm", facts={"alg": _shown(header.get("alg"))})
        if not isinstance(kid, str) or not kid:
            raise Refused("no key id")
        return kid

    def _claims_of(self, token: str, key: SigningKey, kid: str) -> Mapping[str, object]:
        own = [self.app_id, f"api://{self.app_id}", f"api://botid-{self.app_id}"]
        try:
            claims = cast(
                "dict[str, object]",
                jwt.decode(
                    token,
                    key.key,
                    algorithms=["RS256"],
                    audience=own,
                    issuer=self.issuer,
                    leeway=LEEWAY_SECONDS,
                    options={"require": ["exp", "iss", "aud"], "verify_sub": False, "verify_jti": False},
                ),
            )
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError) as error:
            facts = {"kid": _shown(kid), **_issuer_and_audience(token)}
            raise Refused(type(error).__name__, facts=facts) from None
        if not isinstance(claims["aud"], str):
            raise Refused("several audiences", facts={"kid": _shown(kid)})
        return claims

    def _check_service_url(self, claims: Mapping[str, object], service_url: object) -> None:
        claimed = claims.get("serviceurl", claims.get("serviceUrl"))
        if not isinstance(service_url, str) or not isinstance(claimed, str):
            raise Refused("service URL missing")
        if claimed.rstrip("/") != service_url.rstrip("/"):
            raise Refused("service URL differs", facts={"service_url": _shown(service_url)})
        try:
            self.hosts.check(service_url)
        except UntrustedUrl:
            raise Refused("service URL not trusted", facts={"service_url": _shown(service_url)}) from None

    def _check_tenant(self, claims: Mapping[str, object], activity: Mapping[str, object]) -> None:
        """Refuse foreign tenants, and an activity or token that names two."""
        named = {tenant.lower() for tenant in tenants_of(activity)}
        if "tid" in claims:
            named.add(str(claims["tid"]).lower())
        if len(named) > 1 or not named <= self.tenants:
            raise Refused("tenant", facts={"tenants": sorted(_shown(tenant) for tenant in named)})


def tenants_of(activity: Mapping[str, object]) -> frozenset[str]:
    """Return every tenant an activity names: one, unless somebody is playing tricks."""
    conversation, data = _mapping(activity.get("conversation")), _mapping(activity.get("channelData"))
    found = (conversation.get("tenantId"), _mapping(data.get("tenant")).get("id"))
    return frozenset(str(each) for each in found if each is not None and each != "")


def _mapping(value: object) -> Mapping[str, object]:
    return cast("Mapping[str, object]", value) if isinstance(value, dict) else {}


def _issuer_and_audience(token: str) -> dict[str, str]:
    """Return what an operator needs to see when a token is refused."""
    try:
        claims = cast("dict[str, object]", jwt.decode(token, options={"verify_signature": False}))
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
        return {}
    return {"issuer": _shown(claims.get("iss")), "audience": _shown(claims.get("aud"))}


def _shown(value: object) -> str:
    return "".join(c for c in str(value) if c.isprintable())[:120]
