"""Decide where an answer goes, before its first byte exists. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ..model.identity import ChannelIdentity
from ..model.target import ResponseTarget, ResponseTargetKind

ORIGINATING = "originating"


@dataclass(frozen=True, slots=True)
class Skipped:
    """A wanted destination that cannot be reached, and why."""

    target: str
    reason: str


@dataclass(frozen=True, slots=True)
class Plan:
    """Say whether the asking wire renders the answer, who gets it pushed, and what was skipped."""

    here: bool
    pushes: tuple[ChannelIdentity, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    echo: bool = False

    def envelope(self, origin_channel: str) -> dict[str, object]:
        """Return what the answer's messages carry as ``additional_properties["hosting"]``."""
        return {
            "originating_channel": origin_channel,
            "includes_originating": self.here,
            "intended_targets": [{"channel": to.channel, "native_id": to.native_id} for to in self.pushes],
            "skipped_targets": [{"target": skipped.target, "reason": skipped.reason} for skipped in self.skipped],
        }


@dataclass(frozen=True, slots=True)
class Reach:
    """What is known about where a person can be reached; addresses and channels most recent first."""

    origin: ChannelIdentity | None
    origin_channel: str
    addresses: Mapping[str, Sequence[ChannelIdentity]]
    active: ChannelIdentity | None
    knows: Callable[[str], bool]
    can_push: Callable[[str], bool]


def plan_delivery(target: ResponseTarget, reach: Reach, refused: frozenset[ChannelIdentity] = frozenset()) -> Plan:
    """Resolve a target to destinations.

    ``refused`` are addresses the operator's policy does not let an answer go to. When nothing is left the origin
    gets the answer, except for ``ResponseTarget.none``.
    """
    here = False
    pushes: list[ChannelIdentity] = []
    skipped: list[Skipped] = []
    for found in _resolve(target, reach):
        if isinstance(found, Skipped):
            skipped.append(found)
        elif found is None:
            here = True
        elif found in refused:
            skipped.append(Skipped(_named(found), "refused_by_policy"))
        elif found not in pushes:
            pushes.append(found)
    if not here and not pushes and target.kind is not ResponseTargetKind.NONE:
        here = True
    return Plan(here, tuple(pushes), tuple(skipped), echo=target.echo_input)


def candidates(target: ResponseTarget, reach: Reach) -> tuple[ChannelIdentity, ...]:
    """Return the addresses a target would push to, for policy to judge before the plan is made."""
    return tuple(found for found in _resolve(target, reach) if isinstance(found, ChannelIdentity))


def _resolve(target: ResponseTarget, reach: Reach) -> list[ChannelIdentity | Skipped | None]:
    """Return each destination: an address to push to, a skip, or None for the asking wire itself."""
    match target.kind:
        case ResponseTargetKind.ORIGINATING:
            return [None]
        case ResponseTargetKind.NONE:
            return []
        case ResponseTargetKind.ACTIVE:
            none = Skipped("active", "no_active_channel")
            return [none if reach.active is None else _address(reach.active, reach)]
        case ResponseTargetKind.CHANNELS:
            return [_channel(name, reach) for name in target.targets]
        case ResponseTargetKind.ALL_LINKED:
            return [None, *(_channel(name, reach) for name in reach.addresses if name != reach.origin_channel)]
        case _:
            return [_address(identity, reach) for identity in target.target_identities]


def _channel(name: str, reach: Reach) -> ChannelIdentity | Skipped | None:
    if name in (ORIGINATING, reach.origin_channel):
        return None
    if not reach.knows(name):
        return Skipped(name, "unknown_channel")
    if not reach.can_push(name):
        return Skipped(name, "channel_cannot_push")
    known = reach.addresses.get(name)
    return known[0] if known else Skipped(name, "unknown_address")


def _address(identity: ChannelIdentity, reach: Reach) -> ChannelIdentity | Skipped | None:
    if identity == reach.origin:
        return None
    if not reach.knows(identity.channel):
        return Skipped(_named(identity), "unknown_channel")
    if not reach.can_push(identity.channel):
        return Skipped(_named(identity), "channel_cannot_push")
    return identity


def _named(identity: ChannelIdentity) -> str:
    return f"{identity.channel}:{identity.native_id}"
