from __future__ import annotations

import json
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_framework_hosting.errors import UnreadableRecord
from agent_framework_hosting.state.records import RecordCodec


@dataclass(frozen=True, slots=True)
class Note:
    title: str
    tags: tuple[str, ...] = ()
    extra: dict[str, object] = field(default_factory=dict[str, object])
    rank: float | None = None


def _first_to_second(fields: dict[str, object]) -> dict[str, object]:
    return {"title": fields["name"], "tags": str(fields["tags"]).split(",")}


def _second_to_third(fields: dict[str, object]) -> dict[str, object]:
    return {**fields, "rank": 1.5}


codec = RecordCodec("note", 3, Note, {1: _first_to_second, 2: _second_to_third})
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.text(), st.lists(st.text()), st.dictionaries(st.text(), JSON, max_size=3))
def test_a_record_comes_back_equal(title: str, tags: list[str], extra: dict[str, object]) -> None:
    note = Note(title, tuple(tags), extra)
    assert codec.load(codec.dump(note)) == note


def test_the_text_says_what_it_is() -> None:
    assert json.loads(codec.dump(Note("a"))) == {
        "kind": "note",
        "v": 3,
        "data": {"title": "a", "tags": [], "extra": {}, "rank": None},
    }


@pytest.mark.requirement("state.versions")
def test_older_records_are_migrated_step_by_step() -> None:
    first = '{"kind":"note","v":1,"data":{"name":"a","tags":"x,y"}}'
    second = '{"kind":"note","v":2,"data":{"title":"b"}}'
    assert codec.load(first) == Note("a", ("x", "y"), {}, 1.5)
    assert codec.load(second) == Note("b", (), {}, 1.5)


@pytest.mark.requirement("state.versions")
def test_a_newer_record_is_refused_with_what_to_do() -> None:
    with pytest.raises(UnreadableRecord, match=r"version 4 .* newer host-core\. Upgrade"):
        codec.load('{"kind":"note","v":4,"data":{}}')


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "{}",
        "gASVCg==",
        "\x80\x04K\x01.",
        '{"kind":"note","v":3,"data":{"title":1}}',
        '{"kind":"note","v":3,"data":{}}',
        '{"kind":"note","v":0,"data":{"title":"a"}}',
        '{"kind":"note","v":1,"data":{"title":"no name"}}',
        '{"kind":"note","v":1,"data":[]}',
        '{"kind":"other","v":3,"data":{"title":"a"}}',
        '{"kind":"note","v":3,"data":{"title":"a"}',
        '{"kind":"note","v":3,"data":{"title":"\ud800"}}',
        '{"kind":"note","v":3,"data":' + "[" * 5000 + "}",
    ],
)
def test_damaged_records_are_told_from_good_ones(text: str) -> None:
    with pytest.raises(UnreadableRecord):
        codec.load(text)


@given(st.text())
def test_no_text_at_all_raises_anything_else(text: str) -> None:
    with pytest.raises(UnreadableRecord):
        codec.load(text)


def test_lone_surrogates_become_replacement_characters() -> None:
    note = Note("a\ud800b", ("\ud83d\ude00",), {"\udfff": ["\ud800"]})
    assert codec.load(codec.dump(note)) == Note("a\ufffdb", ("\U0001f600",), {"\ufffd": ["\ufffd"]})


def test_a_codec_needs_every_migration() -> None:
    with pytest.raises(ValueError, match="from 1 to 2"):
        RecordCodec("note", 3, Note, {1: _first_to_second})
