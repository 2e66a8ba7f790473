"""The one gate of a host: every message, command and delivery passes it. It decides, logs and writes nothing."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

from ..model.identity import ChannelIdentity, shortened
from ..model.request import ChannelRequest
from ..model.verdict import Allowed, AuthorizationOutcome, ClaimValue, Denied
from ..ports import IdentityAllowlist, IdentityLinker
from .decide import (
    DENIED_BY_POLICY,
    DENIED_PRE_LINK,
    NO_CLAIMS,
    AccessRules,
    Claims,
    KnownPeople,
    PolicyVote,
    decide,
    decide_anonymous,
)

logger = logging.getLogger("agent_framework_hosting.authorization")

Refresh: TypeAlias = Callable[[ChannelIdentity], Awaitable[None]]

_NOBODY = Allowed("")
_NAMES = {"Allowed": "allowed", "LinkRequired": "link_required", "Denied": "denied"}


class Gate:
    """Decide by each channel's rules, on behalf of requests, application code and deliveries.

    ``policy`` is the merged vote of the plugins' ``authorize`` hooks, None when there is none. ``default_allowlist``
    is that of identities whose channel this host does not have. ``refresh`` learns what other hosts have written about
    an identity, None where no other host writes.
    """

    def __init__(
        self,
        rules: Mapping[str, AccessRules],
        people: KnownPeople,
        *,
        policy: PolicyVote | None = None,
        linker: IdentityLinker | None = None,
        default_allowlist: IdentityAllowlist | None = None,
        refresh: Refresh | None = None,
    ) -> None:
        self._rules = rules
        self._people = people
        self._policy = policy
        self._linker = linker
        self._default_allowlist = default_allowlist
        self._refresh = refresh

    async def authorize_request(self, request: ChannelRequest) -> AuthorizationOutcome:
        """Decide about a request's speaker; ``Allowed("")`` lets an anonymous one in as nobody."""
        identity, channel = request.identity, request.channel
        if identity is None:
            outcome = await decide_anonymous(self._rules[channel], policy=self._policy) or _NOBODY
            _audit(channel, None, outcome)
            return outcome
        if identity.channel != channel:
            return Denied(DENIED_BY_POLICY, log_details={"fault": "the identity belongs to another channel"})
        return await self._decided(identity, request.verified_claims, self._rules[channel])

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
        return await self._decided(identity, verified_claims or NO_CLAIMS, rules)

    async def may_receive(self, identity: ChannelIdentity) -> bool:
        """Whether an answer may be pushed to an address: nobody who is refused outright gets one."""
        verdict = await self.authorize(identity)
        return not (isinstance(verdict, Denied) and verdict.reason_code in (DENIED_PRE_LINK, DENIED_BY_POLICY))

    async def _decided(self, identity: ChannelIdentity, claims: Claims, rules: AccessRules) -> AuthorizationOutcome:
        if self._refresh is not None:
            await self._refresh(identity)
        outcome = await decide(
            identity, rules, people=self._people, claims=claims, policy=self._policy, linker=self._linker
        )
        _audit(identity.channel, identity, outcome)
        return outcome


def _audit(channel: str, identity: ChannelIdentity | None, outcome: AuthorizationOutcome) -> None:
    """Log one decision: who (shortened), where, what, why. Never a raw id, key or claim at INFO.

    Fields: channel, identity (shortened), outcome, reason_code, claim_source, phase (of the allowlist's last word).
    DEBUG adds what may help the operator and must not stay in ordinary logs: the native id and ``log_details``.
    """
    if not logger.isEnabledFor(logging.INFO):
        return
    name = _NAMES[type(outcome).__name__]
    reason = outcome.reason_code if isinstance(outcome, Denied) else None
    source = outcome.claim_source if isinstance(outcome, Allowed) else "none"
    who = "anonymous" if identity is None else shortened(identity)
    fields = {
        "channel": channel,
        "identity": who,
        "outcome": name,
        "reason_code": reason,
        "claim_source": source,
        "phase": "post_link" if source == "linker" or (reason or "").endswith("post_link") else "pre_link",
    }
    logger.info("authorize %s on %s: %s%s", who, channel, name, f" ({reason})" if reason else "", extra=fields)
    if logger.isEnabledFor(logging.DEBUG):
        details = dict(outcome.log_details) if isinstance(outcome, Denied) else {}
        native_id = None if identity is None else identity.native_id
        logger.debug(
            "authorize %s is %r on %s %s", who, native_id, channel, details, extra={"identity": who, "details": details}
        )
