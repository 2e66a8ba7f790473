from __future__ import annotations

import datetime as dt
import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_framework_hosting.errors import PushPayloadNotSerializable
from agent_framework_hosting.tasks.payload import from_json, mapping_to_json, to_json

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(JSON)
def test_json_values_come_back_equal(value: object) -> None:
    assert from_json(to_json(value, "payload").encode()) == value


@pytest.mark.requirement("deliveries.payload")
@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({"a": {"b": [0, {"c": dt.date(2026, 1, 1)}]}}, r"\['a'\]\['b'\]\[1\]\['c'\] is of type date"),
        ({"a": b"x"}, r"\['a'\] is of type bytes"),
        ({"a": {1, 2}}, r"\['a'\] is of type set"),
        ({"a": math.nan}, r"\['a'\] is nan"),
        ([-math.inf], r"\[0\] is -inf"),
        ({"a": {None: 1}}, r"\['a'\] has the key None"),
        ({1: 1}, r"it has the key 1"),
        (object(), r"it is of type object"),
    ],
)
def test_what_is_no_json_is_refused_with_its_path(value: object, path: str) -> None:
    with pytest.raises(PushPayloadNotSerializable, match=f"The payload of x cannot be stored as JSON: {path}"):
        to_json(value, "payload of x")


def test_what_holds_itself_is_refused() -> None:
    value: list[Any] = []
    value.append({"again": value})
    with pytest.raises(PushPayloadNotSerializable, match="nested too deeply"):
        to_json(value, "payload")


def test_a_number_too_long_to_write_is_refused() -> None:
    with pytest.raises(PushPayloadNotSerializable):
        to_json(10**5000, "payload")


def test_lone_surrogates_become_replacement_characters() -> None:
    assert json.loads(to_json({"a": "x\ud800y\ud83d\ude00"}, "payload")) == {"a": "x\ufffdy\U0001f600"}


@pytest.mark.requirement("deliveries.payload")
@pytest.mark.parametrize("value", [None, 5, "text", ["text"], [("key", "value")]])
def test_what_is_no_mapping_is_no_payload(value: object) -> None:
    with pytest.raises(PushPayloadNotSerializable, match=f"must be a mapping .* not {type(value).__name__}"):
        mapping_to_json(value, "payload")
