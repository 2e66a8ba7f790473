from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_framework_hosting.wording import SURE, did_you_mean, nearest


@pytest.mark.parametrize(
    ("written", "meant"),
    [("agnt", "agent"), ("AGENT", "agent"), ("Agnet", "Agent"), ("DEBG", "debug"), ("telegram", None)],
)
def test_the_name_as_it_is_written_comes_before_the_same_in_another_case(written: str, meant: str | None) -> None:
    assert nearest(written, ["Agent", "agent", "debug"] if written != "AGENT" else ["agent", "debug"]) == meant


def test_what_decides_needs_more_likeness_than_what_hints() -> None:
    assert nearest("allow_list", ["allowlist"], alike=SURE) == "allowlist"
    assert nearest("all_lists", ["allowlist"], alike=SURE) is None
    assert nearest("all_lists", ["allowlist"]) == "allowlist"


def test_a_hint_is_a_sentence_or_what_stands_in_its_place() -> None:
    assert did_you_mean("debg", ["debug"], " Known here: debug.") == " Did you mean 'debug'?"
    assert did_you_mean("xyz", ["debug"], " Known here: debug.") == " Known here: debug."
    assert did_you_mean("xyz", []) == ""


@given(st.text(), st.lists(st.text()))
def test_only_a_known_name_is_suggested_and_a_known_one_always(name: str, known: list[str]) -> None:
    meant = nearest(name, known)
    assert meant is None or meant in known
    assert nearest(name, [*known, name]) == name or name == ""
