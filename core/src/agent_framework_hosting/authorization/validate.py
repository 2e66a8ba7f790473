"""What the host refuses to be built with: rules that would open a door by mistake or let nobody in."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from ..errors import ChannelConfigurationError
from ..hookspecs import Channel
from ..ports import IdentityAllowlist, IdentityLinker
from ..wording import SURE, did_you_mean, nearest
from .allowlists import AllOfAllowlists, AnyOfAllowlists, NativeIdAllowlist
from .decide import AccessRules

_SETTINGS = ("allowlist", "require_link", "emits_verified_claims")
_OTHER_WORDS = {
    "whitelist": "allowlist",
    "allowed_list": "allowlist",
    "acl": "allowlist",
    "link_required": "require_link",
    "linking_required": "require_link",
    "require_linking": "require_link",
    "emits_claims": "emits_verified_claims",
    "verified_claims": "emits_verified_claims",
}


def check_access(
    channels: Sequence[Channel], *, default_allowlist: IdentityAllowlist | None, links: bool
) -> Mapping[str, AccessRules]:
    """Return each channel's rules, the default filled in; ``links`` says whether the host has a linker.

    Raises ``ChannelConfigurationError``, naming channel, allowlist and fix, for a misspelt or ill-typed setting,
    ``require_link`` without a linker, an allowlist that needs claims where nobody supplies any, and an allowlist for
    a channel this host does not have.
    """
    names = frozenset(channel.name for channel in channels)
    if default_allowlist is not None:
        _check_allowlist("default_allowlist", default_allowlist, names)
    return {channel.name: _rules_of(channel, default_allowlist, names, links=links) for channel in channels}


def open_doors(rules: Iterable[AccessRules]) -> Sequence[str]:
    """Return the channels that let everyone in because nothing was configured for them."""
    return [rule.channel for rule in rules if rule.allowlist is None and not rule.require_link]


def check_people(linker: object, resolver: object) -> None:
    """Raise ``ChannelConfigurationError`` for an identity linker or resolver that could never answer."""
    if linker is not None and (isinstance(linker, type) or not isinstance(linker, IdentityLinker)):
        raise ChannelConfigurationError(
            f"identity_linker is {_what(linker)}; it must be an object with an async method resolve(identity)."
        )
    if resolver is not None and not callable(resolver):
        raise ChannelConfigurationError(
            f"identity_resolver is {_what(resolver)}; it must be an async function that takes an identity and returns "
            "its isolation key or None."
        )


def walk(allowlist: IdentityAllowlist) -> Iterator[IdentityAllowlist]:
    """Yield an allowlist and, through nested combinators, everything inside it."""
    yield allowlist
    if isinstance(allowlist, AnyOfAllowlists | AllOfAllowlists):
        for member in allowlist.members:
            yield from walk(member)


def channels_named(allowlist: IdentityAllowlist) -> frozenset[str]:
    """Return the channels an allowlist speaks for by name, also inside combinators."""
    named = (part.channel for part in walk(allowlist) if isinstance(part, NativeIdAllowlist))
    return frozenset(name for name in named if name is not None)


def _rules_of(
    channel: Channel, default: IdentityAllowlist | None, names: Collection[str], *, links: bool
) -> AccessRules:
    where = f"Channel {channel.name!r}"
    _refuse_misspelt(channel, where)
    for setting in ("require_link", "emits_verified_claims"):
        value: object = getattr(channel, setting)
        if not isinstance(value, bool):
            raise ChannelConfigurationError(f"{where}: {setting} must be True or False, not {_kind(value)}.")
    inherited = channel.allowlist == "inherit"
    allowlist = default if inherited else _own_allowlist(channel, where, names)
    if channel.require_link and not links:
        raise ChannelConfigurationError(
            f"{where} has require_link, but this host has no linker, so nobody could ever enter. Give the host an "
            "identity_linker, or set require_link to False."
        )
    if allowlist is not None and allowlist.requires_linked_claims and not (links or channel.emits_verified_claims):
        origin = "the host's default_allowlist" if inherited else "its allowlist"
        raise ChannelConfigurationError(
            f"{where}: {origin} ({_kind(allowlist)}) needs verified claims, but this host has no linker and the "
            "channel does not emit verified claims, so they could never be known. Give the host an identity_linker, "
            "use a channel that emits verified claims, or give this channel an allowlist that needs none."
        )
    return AccessRules(channel.name, allowlist, channel.require_link, channel.emits_verified_claims)


def _own_allowlist(channel: Channel, where: str, names: Collection[str]) -> IdentityAllowlist | None:
    if channel.allowlist is None:
        return None
    return _check_allowlist(f"{where}: allowlist", channel.allowlist, names)


def _check_allowlist(where: str, allowlist: object, names: Collection[str]) -> IdentityAllowlist:
    if isinstance(allowlist, type):
        raise ChannelConfigurationError(
            f"{where} is the class {allowlist.__name__}; give an instance: {allowlist.__name__}(...)."
        )
    if not isinstance(allowlist, IdentityAllowlist):
        fix = 'an allowlist, None (open) or "inherit"' if where.startswith("Channel") else "an allowlist or None"
        raise ChannelConfigurationError(
            f"{where} is {_kind(allowlist)}; it must be {fix}. For a list of ids write NativeIdAllowlist([...])."
        )
    for part in walk(allowlist):
        if not isinstance(part.requires_linked_claims, bool):  # type: ignore[reportUnnecessaryIsInstance] - a method would be truthy
            raise ChannelConfigurationError(
                f"{where}: requires_linked_claims of {_kind(part)} must be True or False; make it a property."
            )
        if isinstance(part, AnyOfAllowlists | AllOfAllowlists) and not part.members:
            raise ChannelConfigurationError(
                f"{where}: {_kind(part)} has no members, so it would let nobody in. Give it allowlists, or write "
                "NativeIdAllowlist([]) to let nobody in."
            )
    for name in sorted(channels_named(allowlist) - frozenset(names)):
        meant = did_you_mean(name, names, f" Its channels are: {', '.join(sorted(names)) or 'none'}.")
        raise ChannelConfigurationError(
            f"{where}: NativeIdAllowlist(channel={name!r}) names no channel of this host.{meant}"
        )
    return allowlist


def _refuse_misspelt(channel: Channel, where: str) -> None:
    for name in sorted({*dir(channel)} - {*dir(Channel)}):
        if name.startswith("_"):
            continue
        meant = nearest(name, _SETTINGS, alike=SURE) or _OTHER_WORDS.get(name.lower())
        if meant is not None:
            raise ChannelConfigurationError(
                f"{where} has {name!r}, which the host does not know and would ignore. Did you mean {meant!r}?"
            )


def _what(value: object) -> str:
    return f"the class {value.__name__}" if isinstance(value, type) else _kind(value)


def _kind(value: object) -> str:
    name = type(value).__name__
    return f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"
