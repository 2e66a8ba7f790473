"""May this identity speak, and as whom: the whole decision in one place. It writes nothing.

1  the policies' vote        DENY ends with policy_denied
2  the allowlist, pre-link   DENY ends; ALLOW goes on to 5; ABSTAIN goes on when claims could change it
3  claims                    the channel's verified ones, else the linker's, else the linker's challenge
4  the allowlist, post-link  anything but ALLOW ends
5  require_link              the linked person, or the linker's challenge
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from ..model.identity import ChannelIdentity
from ..model.verdict import (
    Allowed,
    AllowlistDecision,
    AuthorizationContext,
    AuthorizationOutcome,
    ClaimSource,
    ClaimValue,
    Denied,
    LinkChallenge,
    LinkedIdentity,
    LinkRequired,
)
from ..ports import IdentityAllowlist, IdentityLinker
from .allowlists import vote_of

logger = logging.getLogger("agent_framework_hosting.authorization")

Claims: TypeAlias = Mapping[str, ClaimValue]
PolicyVote: TypeAlias = Callable[[ChannelIdentity, AuthorizationContext], Awaitable[AllowlistDecision]]

DENIED_BY_POLICY = "policy_denied"
DENIED_PRE_LINK = "allowlist_denied_pre_link"
DENIED_POST_LINK = "allowlist_denied_post_link"
ABSTAINED_PRE_LINK = "allowlist_abstained_pre_link"
ABSTAINED_POST_LINK = "allowlist_abstained_post_link"
REQUIRES_LINK = "allowlist_requires_link"

LINKER_UNAVAILABLE = "Your account cannot be checked right now. Please try again later."
NO_CLAIMS: Claims = {}


@dataclass(frozen=True, slots=True)
class AccessRules:
    """What one channel demands of a speaker: its effective allowlist (None: open) and how claims come about."""

    channel: str
    allowlist: IdentityAllowlist | None = None
    require_link: bool = False
    emits_verified_claims: bool = False


class KnownPeople(Protocol):
    """Who an identity is, as far as it is known already. Reads only."""

    def joined_by(self, identity: ChannelIdentity, claims: Claims, /) -> str | None:
        """Return the person whom verified claims already name, for an identity that may join them silently."""
        ...

    async def key_for(self, identity: ChannelIdentity, claims: Claims, /) -> str:
        """Return the isolation key: the linked person's, the developer's, or the identity's own."""
        ...


@dataclass(frozen=True, slots=True)
class _Case:
    """One decision's inputs; ``claims`` are empty unless the channel vouches for them."""

    identity: ChannelIdentity
    rules: AccessRules
    people: KnownPeople
    linker: IdentityLinker | None
    claims: Claims = field(hash=False)

    @property
    def source(self) -> ClaimSource:
        return "channel" if self.claims else "none"


async def decide(
    identity: ChannelIdentity,
    rules: AccessRules,
    *,
    people: KnownPeople,
    claims: Claims = NO_CLAIMS,
    policy: PolicyVote | None = None,
    linker: IdentityLinker | None = None,
) -> AuthorizationOutcome:
    """Decide about one speaker. ``claims`` count only where the channel declares that it verifies them.

    What an identity resolver raises passes; whatever else fails refuses.
    """
    claims = claims if rules.emits_verified_claims else NO_CLAIMS
    if policy is None and rules.allowlist is None and not rules.require_link:
        return Allowed(await people.key_for(identity, claims), claims, "channel" if claims else "none")
    case = _Case(identity, rules, people, linker, claims)
    before = AuthorizationContext(identity, "pre_link", None, claims, case.source)
    if policy is not None and await policy(identity, before) is AllowlistDecision.DENY:
        return Denied(DENIED_BY_POLICY)
    return await _by_allowlist(case, before)


async def decide_anonymous(rules: AccessRules, *, policy: PolicyVote | None = None) -> Denied | None:
    """Decide about a speaker without an identity: a refusal, or None when they may speak as nobody.

    Any allowlist and ``require_link`` refuse them. Policies are asked about an identity with an empty native id.
    """
    if rules.allowlist is not None or rules.require_link:
        return Denied(DENIED_PRE_LINK, log_details={"fault": "the request has no identity"})
    nobody = ChannelIdentity(rules.channel, "")
    if policy is not None and await policy(nobody, AuthorizationContext(nobody)) is AllowlistDecision.DENY:
        return Denied(DENIED_BY_POLICY)
    return None


async def _by_allowlist(case: _Case, before: AuthorizationContext) -> AuthorizationOutcome:
    allowlist = case.rules.allowlist
    vote = AllowlistDecision.ALLOW if allowlist is None else await vote_of(allowlist, before)
    if vote is AllowlistDecision.ALLOW:
        return await _as_person(case, None)
    if allowlist is None or vote is AllowlistDecision.DENY:
        return Denied(DENIED_PRE_LINK)
    if not allowlist.requires_linked_claims:
        return Denied(ABSTAINED_PRE_LINK)
    return await _by_claims(case, allowlist)


async def _by_claims(case: _Case, allowlist: IdentityAllowlist) -> AuthorizationOutcome:
    linked: LinkedIdentity | None = None
    if not case.claims:
        found = await _resolve(case)
        if not isinstance(found, LinkedIdentity):
            return found
        linked = found
    known = AuthorizationContext(
        case.identity,
        "post_link",
        linked.isolation_key if linked else await case.people.key_for(case.identity, case.claims),
        linked.verified_claims if linked else case.claims,
        linked.claim_source if linked else "channel",
    )
    match await vote_of(allowlist, known):
        case AllowlistDecision.ALLOW:
            return await _as_person(case, linked)
        case AllowlistDecision.DENY:
            return Denied(DENIED_POST_LINK)
        case AllowlistDecision.ABSTAIN:
            return Denied(ABSTAINED_POST_LINK)


async def _as_person(case: _Case, linked: LinkedIdentity | None) -> AuthorizationOutcome:
    """Allow under the right isolation key, once ``require_link`` is met."""
    if case.rules.require_link and linked is None:
        found = await _resolve(case)
        if not isinstance(found, LinkedIdentity):
            return found
        linked = found
    if linked is None:
        return Allowed(await case.people.key_for(case.identity, case.claims), case.claims, case.source)
    if case.claims:
        return Allowed(linked.isolation_key, case.claims, "channel")
    return Allowed(linked.isolation_key, linked.verified_claims, linked.claim_source)


async def _resolve(case: _Case) -> LinkedIdentity | LinkRequired | Denied:
    """Find the linked person: by the channel's claims where they are known already, else through the linker."""
    if case.claims:
        joined = case.people.joined_by(case.identity, case.claims)
        if joined is not None:
            return LinkedIdentity(joined, case.claims, "channel")
    if case.linker is None:
        return Denied(REQUIRES_LINK, log_details={"fault": "claims are needed and there is no linker"})
    try:
        resolution = await case.linker.resolve(case.identity)
    except Exception as error:
        logger.exception("The identity linker failed, which refuses", extra={"channel": case.identity.channel})
        return Denied(REQUIRES_LINK, LINKER_UNAVAILABLE, {"fault": f"the linker raised {type(error).__name__}"})
    if isinstance(resolution, LinkChallenge):
        return LinkRequired(resolution)
    if isinstance(resolution, LinkedIdentity) and resolution.isolation_key:  # type: ignore[reportUnnecessaryIsInstance] - linkers need not be typed
        return resolution
    logger.error("The identity linker returned no resolution, which refuses", extra={"channel": case.identity.channel})
    return Denied(REQUIRES_LINK, LINKER_UNAVAILABLE, {"fault": "the linker returned no resolution"})
