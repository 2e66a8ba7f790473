from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_framework_hosting.authorization.allowlists import (
    AllOfAllowlists,
    AllowAll,
    AnyOfAllowlists,
    LinkedClaimAllowlist,
    NativeIdAllowlist,
)
from agent_framework_hosting.authorization.parse import parse_allowlist
from agent_framework_hosting.errors import ChannelConfigurationError
from agent_framework_hosting.ports import IdentityAllowlist


@pytest.mark.parametrize(
    ("table", "allowlist"),
    [
        ({"native_ids": ["1", 2]}, NativeIdAllowlist(["1", "2"])),
        ({"native_ids": []}, NativeIdAllowlist([])),
        ({"native_ids": ["1"], "channel": "telegram"}, NativeIdAllowlist(["1"], channel="telegram")),
        ({"claim": "email", "values": ["a@x"]}, LinkedClaimAllowlist("email", ["a@x"])),
        ({"claim": "admin", "values": [True]}, LinkedClaimAllowlist("admin", [True])),
        ("open", AllowAll()),
        ({"open": True}, AllowAll()),
        (
            {"any_of": [{"native_ids": ["1"]}, {"all_of": [{"claim": "a", "values": ["x"]}, "open"]}]},
            AnyOfAllowlists(NativeIdAllowlist(["1"]), AllOfAllowlists(LinkedClaimAllowlist("a", ["x"]), AllowAll())),
        ),
    ],
)
def test_each_form_becomes_its_allowlist(table: object, allowlist: IdentityAllowlist) -> None:
    assert parse_allowlist(table) == allowlist  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ({"native_id": ["1"]}, "'native_ids'"),
        ({"claims": "email", "values": []}, "'claim'"),
        ({"anyof": []}, "'any_of'"),
        ({"native_ids": ["1"], "chanel": "telegram"}, "'channel'"),
        ({"any_of": [{"native_idz": []}]}, "'native_ids'"),
        ({"native_ids": "12345"}, "list"),
        ({"native_ids": [None]}, "no id"),
        ({"native_ids": ["1"], "channel": ""}, "channel"),
        ({"native_ids": ["1"], "claim": "email"}, "one of"),
        ({"claim": "email"}, "values must be a list"),
        ({"claim": "", "values": []}, "claim must be"),
        ({"claim": "email", "values": [["a@x"]]}, "values must hold"),
        ({"values": ["a@x"]}, "one of"),
        ({"channel": "telegram"}, "one of"),
        ({"all_of": {"open": True}}, "must be a list"),
        ({"open": False}, "native_ids = []"),
        ({"open": True, "native_ids": []}, "one of"),
        ({}, "one of"),
        ("opne", "one of"),
        (["1"], "one of"),
        ({"any_of": ["inherit"]}, "one of"),
    ],
)
def test_what_is_wrong_is_named(table: object, says: str) -> None:
    with pytest.raises(ChannelConfigurationError, match=says.replace("[", r"\[")):
        parse_allowlist(table)  # type: ignore[arg-type]


keys = st.sampled_from(["native_ids", "channel", "claim", "values", "any_of", "all_of", "open", "allow", ""])
junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=10,
)


@given(junk)
def test_any_value_is_either_an_allowlist_or_a_configuration_error(table: object) -> None:
    try:
        allowlist = parse_allowlist(table)  # type: ignore[arg-type]
    except ChannelConfigurationError:
        return
    assert isinstance(allowlist, IdentityAllowlist)
