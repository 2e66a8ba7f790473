"""Short names for the built-in allowlists."""

from __future__ import annotations

from collections.abc import Iterable

from ..ports import IdentityAllowlist
from .allowlists import (
    AllOfAllowlists,
    AllowAll,
    AllowlistFunction,
    AnyOfAllowlists,
    CallableAllowlist,
    ClaimScalar,
    IdLoader,
    LinkedClaimAllowlist,
    NativeIdAllowlist,
)


class AuthPolicy:
    """Make allowlists by what they say."""

    @staticmethod
    def open() -> AllowAll:
        """Let everyone in."""
        return AllowAll()

    @staticmethod
    def native_ids(
        native_ids: Iterable[str | int] | IdLoader, *, channel: str | None = None, refresh_seconds: float = 300.0
    ) -> NativeIdAllowlist:
        """Let listed platform user ids in; see ``NativeIdAllowlist``."""
        return NativeIdAllowlist(native_ids, channel=channel, refresh_seconds=refresh_seconds)

    @staticmethod
    def linked_claim(claim: str, values: Iterable[ClaimScalar]) -> LinkedClaimAllowlist:
        """Let people in by a verified claim; see ``LinkedClaimAllowlist``."""
        return LinkedClaimAllowlist(claim, values)

    @staticmethod
    def any_of(*allowlists: IdentityAllowlist) -> AnyOfAllowlists:
        """Let in whom at least one allowlist lets in."""
        return AnyOfAllowlists(*allowlists)

    @staticmethod
    def all_of(*allowlists: IdentityAllowlist) -> AllOfAllowlists:
        """Let in whom every allowlist lets in."""
        return AllOfAllowlists(*allowlists)

    @staticmethod
    def custom(fn: AllowlistFunction, *, requires_linked_claims: bool = False) -> CallableAllowlist:
        """Let a function decide; see ``CallableAllowlist``."""
        return CallableAllowlist(fn, requires_linked_claims=requires_linked_claims)
