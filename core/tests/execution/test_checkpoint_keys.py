from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_framework_hosting.execution.checkpoints import danger_of


@pytest.mark.requirement("workflows.keys")
@pytest.mark.parametrize(
    "key", ["telegram:42", "a.b.c", "x" * 200, "teams:29:1a-b_c", "inbox:Ümit", "a b", "..a", "x..y", "~", "inbox:C:"]
)
def test_ordinary_keys_pass(key):
    assert danger_of(key) is None


@pytest.mark.requirement("workflows.keys")
@pytest.mark.parametrize(
    "key",
    [
        *(
            "",
            ".",
            "..",
            "...",
            "../x",
            "a/b",
            "/etc",
            "a\\b",
            "C:",
            "c:",
            "c:\\x",
            "c:/x",
            "D:x",
            "nul\0",
            "line\n",
            "\x7f",
        ),
        *("x" * 256, "ü" * 200, "\ud800"),
    ],
)
def test_dangerous_keys_are_told(key):
    assert danger_of(key)


@pytest.mark.requirement("workflows.keys")
@pytest.mark.skipif(os.name == "nt", reason="drives have letters there")
def test_the_keys_of_a_channel_named_by_one_letter_pass():
    assert danger_of("a:42") is None


@given(st.text(max_size=300))
def test_what_passes_is_one_directory_below_its_parent(tmp_path_factory, key):
    if danger_of(key) is None:
        root = tmp_path_factory.getbasetemp() / "keys"
        made = root / key
        made.mkdir(parents=True, exist_ok=True)
        assert made.resolve().parent == root.resolve()
        assert made.name == key
