"""May this identity speak: what an allowlist sees, what it says, and what the host decides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Literal, TypeAlias

from ..errors import HostingError
from .identity import ChannelIdentity

ClaimValue: TypeAlias = str | int | float | bool | tuple[str, ...] | list[str] | None
ClaimSource: TypeAlias = Literal["linker", "channel", "none"]

DEFAULT_DENIAL = "You are not allowed to talk to this agent."
DEFAULT_LINK_REQUEST = "Please link your account before you talk to this agent."


def _no_claims() -> dict[str, ClaimValue]:
    return {}


class AllowlistDecision(Enum):
    """One allowlist's vote: ALLOW and DENY are verdicts, ABSTAIN leaves it to the others."""

    ALLOW = "allow"
    DENY = "deny"
    ABSTAIN = "abstain"


@dataclass(frozen=True, slots=True)
class AuthorizationContext:
    """What an allowlist or an ``authorize`` hook may base its vote on.

    ``phase`` is ``pre_link`` before claims are known and ``post_link`` after; ``claim_source`` says who verified them.
    """

    identity: ChannelIdentity
    phase: Literal["pre_link", "post_link"] = "pre_link"
    isolation_key: str | None = None
    verified_claims: Mapping[str, ClaimValue] = field(default_factory=_no_claims, hash=False)
    claim_source: ClaimSource = "none"


@dataclass(frozen=True, slots=True)
class LinkChallenge:
    """Ask a user to prove who they are: show ``message`` and, when there is one, ``url``."""

    challenge_id: str
    url: str | None = None
    expires_at: datetime | None = None
    message: str | None = None
    attributes: Mapping[str, object] = field(default_factory=dict[str, object], hash=False)


@dataclass(frozen=True, slots=True)
class LinkedIdentity:
    """The person behind an identity, with the claims a linker verified."""

    isolation_key: str
    verified_claims: Mapping[str, ClaimValue] = field(default_factory=_no_claims, hash=False)
    claim_source: ClaimSource = "linker"


LinkResolution: TypeAlias = LinkedIdentity | LinkChallenge


@dataclass(frozen=True, slots=True)
class LinkParty:
    """One side of a link: an identity, as seen in one of its direct chats."""

    identity: ChannelIdentity
    conversation_id: str | None = None


@dataclass(frozen=True, slots=True)
class Allowed:
    """The identity may speak; its session lives under ``isolation_key``."""

    isolation_key: str
    verified_claims: Mapping[str, ClaimValue] = field(default_factory=_no_claims, hash=False)
    claim_source: ClaimSource = "none"


@dataclass(frozen=True, slots=True)
class LinkRequired:
    """The identity may speak once it is linked: the channel shows ``challenge``, in private."""

    challenge: LinkChallenge
    status_code: int = field(default=403, init=False, repr=False)

    def to_public_dict(self) -> dict[str, object]:
        """Return what a wire may show."""
        return {
            "outcome": "link_required",
            "message": self.challenge.message or DEFAULT_LINK_REQUEST,
            "url": self.challenge.url,
        }


@dataclass(frozen=True, slots=True)
class Denied:
    """The identity may not speak.

    ``user_message`` may be shown; ``reason_code`` and ``log_details`` are for the operator's log only.
    """

    reason_code: str
    user_message: str | None = None
    log_details: Mapping[str, object] = field(default_factory=dict[str, object], hash=False)
    status_code: int = field(default=403, init=False, repr=False)

    def to_public_dict(self) -> dict[str, object]:
        """Return what a wire may show: never the reason, never who is allowed."""
        return {"outcome": "denied", "message": self.user_message or DEFAULT_DENIAL}


AuthorizationOutcome: TypeAlias = Allowed | LinkRequired | Denied


class AuthorizationError(HostingError):
    """Raised by ``ChannelContext.run``, ``run_stream``, ``deliver_response`` and ``wire_target`` when the gate refuses.

    ``outcome`` is the refusal itself; the text of the error is safe to show.
    """

    def __init__(self, outcome: LinkRequired | Denied) -> None:
        """Carry the refusal."""
        super().__init__(str(outcome.to_public_dict()["message"]))
        self.outcome = outcome
