"""Who may speak, and who is who."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeAlias, runtime_checkable

from ..model.identity import ChannelIdentity
from ..model.verdict import AllowlistDecision, AuthorizationContext, LinkResolution


@runtime_checkable
class IdentityAllowlist(Protocol):
    """Vote on an identity: ALLOW, DENY or ABSTAIN."""

    @property
    def requires_linked_claims(self) -> bool:
        """Whether a verdict needs claims that only a linker, or a channel that verifies them, can supply."""
        ...

    async def evaluate(self, context: AuthorizationContext, /) -> AllowlistDecision:
        """Vote; an exception counts as DENY."""
        ...


@runtime_checkable
class IdentityLinker(Protocol):
    """Find the person behind an identity, or say how they can prove who they are."""

    async def resolve(self, identity: ChannelIdentity, /) -> LinkResolution:
        """Return the linked person, or the challenge to show."""
        ...


IdentityResolver: TypeAlias = Callable[[ChannelIdentity], Awaitable[str | None]]


@runtime_checkable
class SupportsLinkStorePath(Protocol):
    """A linker that keeps its own files and takes the directory for them from the host."""

    def configure_link_store_path(self, path: str, /) -> None:
        """Take the directory (``state_dir/links``) before start-up."""
        ...
