"""What a linker of the host's own needs, and what the host needs of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol, TypeAlias, runtime_checkable

from ..model.command import ChannelCommand
from ..model.identity import ChannelIdentity
from ..model.verdict import ClaimValue, LinkParty
from ..ports import Store, Write


class LinkDirectory(Protocol):
    """Who is linked with whom."""

    def person_of(self, identity: ChannelIdentity, /) -> str | None:
        """Return the isolation key an identity shares with others, None when it is linked to nobody."""
        ...

    def members(self, isolation_key: str, /) -> Sequence[ChannelIdentity]:
        """Return the identities linked to a person."""
        ...

    def claims_of(self, isolation_key: str, /) -> tuple[Mapping[str, ClaimValue], float] | None:
        """Return the claims a channel verified for a person last, and when (seconds since 1970)."""
        ...

    async def link(self, keep: LinkParty, join: LinkParty, *, also: Sequence[Write] = ()) -> str | None:
        """Let ``join`` share ``keep``'s isolation key, in one transaction with ``also``; return that key.

        None, and nothing is changed, when both are the same or ``join`` is linked to somebody already.
        """
        ...

    async def unlink(self, identity: ChannelIdentity, /) -> Sequence[ChannelIdentity]:
        """Give an identity its own isolation key back; return everybody who is on their own now, empty for nobody."""
        ...


LinkNotice: TypeAlias = Callable[[ChannelIdentity, str], Awaitable[None]]


@runtime_checkable
class ForgettingLinker(Protocol):
    """A linker that keeps something about people and can let go of it."""

    async def forget(self, identities: Sequence[ChannelIdentity], /) -> None:
        """Remove every trace of these identities; called when the operator has the host forget a person."""
        ...


@runtime_checkable
class HostedLinker(Protocol):
    """A linker whose links the host keeps and whose commands every channel with commands offers.

    The commands are for whoever the gate allows and for whoever it asks to link; nobody else reaches them.
    """

    @property
    def join_claims(self) -> Sequence[str]:
        """Names of verified claims by which an identity never seen before joins the person who showed the same."""
        ...

    @property
    def commands(self) -> Sequence[ChannelCommand]:
        """What people link with."""
        ...

    def connect(self, directory: LinkDirectory, store: Store, notify: LinkNotice, /) -> None:
        """Take what the host offers; called while the host is built. ``notify`` sends a text to one identity."""
        ...

    async def load(self) -> None:
        """Read what is under way from the store; called at every start."""
        ...
