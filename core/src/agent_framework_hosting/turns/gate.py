"""The one gate: every message, command and delivery passes it. It decides and writes nothing."""

from __future__ import annotations

from collections.abc import Mapping

from ..authorization.authorizer import Authorizer
from ..authorization.decide import DENIED_BY_POLICY, DENIED_PRE_LINK, AccessRules
from ..model.identity import ChannelIdentity
from ..model.request import ChannelRequest
from ..model.verdict import Allowed, AuthorizationOutcome, ClaimValue, Denied
from ..ports import IdentityAllowlist

_NOBODY = Allowed("")


class Gate:
    """Ask the authorizer on behalf of requests, application code and deliveries."""

    def __init__(
        self, authorizer: Authorizer, rules: Mapping[str, AccessRules], default_allowlist: IdentityAllowlist | None
    ) -> None:
        self._authorizer = authorizer
        self._rules = rules
        self._default_allowlist = default_allowlist

    async def authorize_request(self, request: ChannelRequest) -> AuthorizationOutcome:
        """Decide about a request's speaker; ``Allowed("")`` lets an anonymous one in as nobody."""
        if request.identity is None:
            return await self._authorizer.authorize_anonymous(request.channel) or _NOBODY
        if request.identity.channel != request.channel:
            return Denied(DENIED_BY_POLICY, log_details={"fault": "the identity belongs to another channel"})
        return await self._authorizer.authorize(request.identity, claims=request.verified_claims)

    async def authorize(
        self,
        identity: ChannelIdentity,
        *,
        require_link: bool = False,
        allowlist: IdentityAllowlist | None = None,
        verified_claims: Mapping[str, ClaimValue] | None = None,
    ) -> AuthorizationOutcome:
        """Decide by the channel's rules and what the caller adds to them; claims are the caller's word."""
        own = self._rules.get(identity.channel) or AccessRules(identity.channel, self._default_allowlist)
        rules = AccessRules(
            identity.channel,
            own.allowlist if allowlist is None else allowlist,
            require_link or own.require_link,
            own.emits_verified_claims or verified_claims is not None,
        )
        return await self._authorizer.authorize(identity, claims=verified_claims or {}, rules=rules)

    async def may_receive(self, identity: ChannelIdentity) -> bool:
        """Whether an answer may be pushed to an address: nobody who is refused outright gets one."""
        verdict = await self.authorize(identity)
        return not (isinstance(verdict, Denied) and verdict.reason_code in (DENIED_PRE_LINK, DENIED_BY_POLICY))
