"""Where an answer goes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from .identity import ChannelIdentity


class ResponseTargetKind(StrEnum):
    """How the destinations of an answer are chosen. Each member equals its lower-case name as a string."""

    ORIGINATING = originating = "originating"
    ACTIVE = active = "active"
    CHANNELS = channels = "channels"
    ALL_LINKED = all_linked = "all_linked"
    IDENTITIES = identities = "identities"
    NONE = none = "none"


@dataclass(frozen=True, slots=True)
class ResponseTarget:
    """Say where an answer goes; trusted, so a wire's wish passes ``ChannelContext.wire_target`` first.

    ``targets`` are channel names (``"originating"`` stands for the asking channel), ``target_identities`` are taken
    verbatim. ``echo_input`` sends the user's words ahead of the answer to every other destination.
    """

    kind: ResponseTargetKind
    targets: tuple[str, ...] = ()
    target_identities: tuple[ChannelIdentity, ...] = ()
    echo_input: bool = False

    originating: ClassVar[ResponseTarget]
    active: ClassVar[ResponseTarget]
    all_linked: ClassVar[ResponseTarget]
    none: ClassVar[ResponseTarget]

    @classmethod
    def channel(cls, name: str, *, echo_input: bool = False) -> ResponseTarget:
        """Send to the person's address on one channel."""
        return cls.channels((name,), echo_input=echo_input)

    @classmethod
    def channels(cls, names: Sequence[str], *, echo_input: bool = False) -> ResponseTarget:
        """Send to the person's addresses on several channels, in this order.

        Raises ``TypeError`` for a bare string and ``ValueError`` for no name at all.
        """
        if isinstance(names, str):
            raise TypeError("ResponseTarget.channels takes a sequence of names; for one use ResponseTarget.channel.")
        if not names:
            raise ValueError("ResponseTarget.channels needs at least one name; for no answer use ResponseTarget.none.")
        return cls(ResponseTargetKind.CHANNELS, targets=tuple(dict.fromkeys(names)), echo_input=echo_input)

    @classmethod
    def identity(cls, identity: ChannelIdentity, *, echo_input: bool = False) -> ResponseTarget:
        """Send to one address given verbatim."""
        return cls.identities((identity,), echo_input=echo_input)

    @classmethod
    def identities(cls, identities: Sequence[ChannelIdentity], *, echo_input: bool = False) -> ResponseTarget:
        """Send to several addresses given verbatim, in this order. Raises ``ValueError`` for none."""
        if not identities:
            raise ValueError("ResponseTarget.identities needs at least one identity.")
        unique = tuple(dict.fromkeys(identities))
        return cls(ResponseTargetKind.IDENTITIES, target_identities=unique, echo_input=echo_input)


ResponseTarget.originating = ResponseTarget(ResponseTargetKind.ORIGINATING)
ResponseTarget.active = ResponseTarget(ResponseTargetKind.ACTIVE)
ResponseTarget.all_linked = ResponseTarget(ResponseTargetKind.ALL_LINKED)
ResponseTarget.none = ResponseTarget(ResponseTargetKind.NONE)
