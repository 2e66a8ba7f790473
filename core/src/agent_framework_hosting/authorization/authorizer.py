"""The gate of one host: every decision goes through here, so that none is left out of the audit."""

from __future__ import annotations

from collections.abc import Mapping

from ..model.identity import ChannelIdentity
from ..model.verdict import AuthorizationOutcome, Denied
from ..ports import IdentityLinker
from .audit import audit
from .decide import NO_CLAIMS, AccessRules, Claims, KnownPeople, PolicyVote, decide, decide_anonymous


class Authorizer:
    """Decide by each channel's rules and log every decision. Writes nothing else.

    ``policy`` is the merged vote of the plugins' ``authorize`` hooks, None when there is none.
    """

    def __init__(
        self,
        rules: Mapping[str, AccessRules],
        people: KnownPeople,
        *,
        policy: PolicyVote | None = None,
        linker: IdentityLinker | None = None,
    ) -> None:
        self._rules = rules
        self._people = people
        self._policy = policy
        self._linker = linker

    def rules_of(self, channel: str) -> AccessRules:
        """Return a channel's rules. Raises ``KeyError`` for a channel this host does not have."""
        return self._rules[channel]

    async def authorize(
        self, identity: ChannelIdentity, *, claims: Claims = NO_CLAIMS, rules: AccessRules | None = None
    ) -> AuthorizationOutcome:
        """Decide about an identity by its channel's rules, or by the ones given instead."""
        outcome = await decide(
            identity,
            rules or self._rules[identity.channel],
            people=self._people,
            claims=claims,
            policy=self._policy,
            linker=self._linker,
        )
        audit(identity.channel, identity, outcome)
        return outcome

    async def authorize_anonymous(self, channel: str) -> Denied | None:
        """Decide about a request without an identity: a refusal, or None when it may run as nobody."""
        outcome = await decide_anonymous(self._rules[channel], policy=self._policy)
        audit(channel, None, outcome)
        return outcome
