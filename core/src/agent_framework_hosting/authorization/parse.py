"""Allowlists as host.toml writes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import cast

from ..errors import ChannelConfigurationError
from ..ports import IdentityAllowlist
from ..wording import did_you_mean
from .allowlists import (
    AllOfAllowlists,
    AllowAll,
    AnyOfAllowlists,
    ClaimScalar,
    LinkedClaimAllowlist,
    NativeIdAllowlist,
)

_FORMS: Mapping[str, frozenset[str]] = {
    "native_ids": frozenset({"native_ids", "channel"}),
    "claim": frozenset({"claim", "values"}),
    "any_of": frozenset({"any_of"}),
    "all_of": frozenset({"all_of"}),
    "open": frozenset({"open"}),
}
_KEYS = frozenset[str]().union(*_FORMS.values())
_SHAPES = (
    "{ native_ids = [...] }, { native_ids = [...], channel = ... }, { claim = ..., values = [...] }, "
    '{ any_of = [...] }, { all_of = [...] } or "open"'
)


def parse_allowlist(table: Mapping[str, object] | str) -> IdentityAllowlist:
    """Build an allowlist from its table in host.toml, or from the word ``"open"``.

    Raises ``ChannelConfigurationError`` for an unknown key (naming the nearest right one), a wrong type and a form
    that is incomplete or mixed.
    """
    if table == "open":
        return AllowAll()
    if not isinstance(table, Mapping):
        raise ChannelConfigurationError(f"An allowlist is one of {_SHAPES}; {table!r} is none.")
    for key in table:
        if key not in _KEYS:
            meant = did_you_mean(str(key), _KEYS, f" Known here: {', '.join(sorted(_KEYS))}.")
            raise ChannelConfigurationError(f"An allowlist has no key {key!r}.{meant}")
    form = next((name for name in _FORMS if name in table), None)
    if form is None or not set(table) <= _FORMS[form]:
        raise ChannelConfigurationError(f"An allowlist is one of {_SHAPES}; {', '.join(table) or 'nothing'} is none.")
    return _BUILDERS[form](table)


def _native_ids(table: Mapping[str, object]) -> IdentityAllowlist:
    channel = table.get("channel")
    if channel is not None and not (isinstance(channel, str) and channel):
        raise ChannelConfigurationError("channel must be the name of a channel of this host.")
    try:
        return NativeIdAllowlist(cast("list[str]", _list(table, "native_ids")), channel=channel)
    except TypeError as error:
        raise ChannelConfigurationError(str(error)) from error


def _claim(table: Mapping[str, object]) -> IdentityAllowlist:
    claim = table["claim"]
    if not (isinstance(claim, str) and claim):
        raise ChannelConfigurationError('claim must be the name of a claim, such as "email".')
    values = _list(table, "values")
    if not all(isinstance(value, str | int | float) for value in values):
        raise ChannelConfigurationError("values must hold strings, numbers, true or false.")
    return LinkedClaimAllowlist(claim, cast("list[ClaimScalar]", values))


def _any_of(table: Mapping[str, object]) -> IdentityAllowlist:
    return AnyOfAllowlists(*map(parse_allowlist, cast("list[Mapping[str, object]]", _list(table, "any_of"))))


def _all_of(table: Mapping[str, object]) -> IdentityAllowlist:
    return AllOfAllowlists(*map(parse_allowlist, cast("list[Mapping[str, object]]", _list(table, "all_of"))))


def _open(table: Mapping[str, object]) -> IdentityAllowlist:
    if table["open"] is not True:
        raise ChannelConfigurationError("open can only be true; to let nobody in, write { native_ids = [] }.")
    return AllowAll()


def _list(table: Mapping[str, object], key: str) -> list[object]:
    given = table.get(key)
    if not isinstance(given, list | tuple):
        raise ChannelConfigurationError(f"{key} must be a list.")
    return list(cast("list[object]", given))


_BUILDERS: Mapping[str, Callable[[Mapping[str, object]], IdentityAllowlist]] = {
    "native_ids": _native_ids,
    "claim": _claim,
    "any_of": _any_of,
    "all_of": _all_of,
    "open": _open,
}
