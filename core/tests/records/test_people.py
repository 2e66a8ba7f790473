"""Whose a record is: by the fields that are named, by its key, and, in a damaged one, by its words."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_framework_hosting.records import BY_KEY, KEY_SEPARATOR, Names, key_of

ADA = Names(frozenset({"echo:ada", "teams:a", "echo:conversation:room"}), frozenset({("echo", "ada"), ("teams", "a")}))
anything = st.text(alphabet=st.characters(), max_size=6) | st.text(alphabet="a%0125\x1f\0\ud800", max_size=6)
"""Any text at all, and many a text made of what escapes are made of."""


def record(**fields: object) -> str:
    return json.dumps({"kind": "note", "v": 1, "data": fields})


# Keys


@given(anything, anything)
def test_no_two_people_begin_a_key_alike(one: str, other: str) -> None:
    assert (key_of(one) == key_of(other)) == (one == other)


@given(anything)
def test_a_key_can_be_stored_and_holds_no_separator(text: str) -> None:
    key = key_of(text)
    assert "\0" not in key
    assert KEY_SEPARATOR not in key
    key.encode()


@given(anything, anything, anything)
def test_what_follows_a_persons_key_makes_it_nobody_elses(one: str, other: str, rest: str) -> None:
    begins = f"{key_of(other)}{KEY_SEPARATOR}"
    assert f"{key_of(one)}{KEY_SEPARATOR}{key_of(rest)}".startswith(begins) == (one == other)


@given(st.text(alphabet=st.characters(min_codepoint=32, exclude_characters="%", exclude_categories=["Cs"])))
def test_an_ordinary_key_stays_as_it_is(text: str) -> None:
    assert key_of(text) == text


# By field


@pytest.mark.parametrize(
    "found",
    [
        "echo:ada",
        "echo:conversation:room",
        {"channel": "echo", "native_id": "ada"},
        {"channel": "teams", "native_id": "a", "attributes": {"more": 1}},
        {"channel": "echo", "id": "ada"},
        ["nobody", "echo:ada"],
        [{"channel": "x", "native_id": "ada"}, {"channel": "echo", "native_id": "ada"}],
        '["echo", "ada"]',
        '["echo","ada",null]',
        ["bob", ["eve", ["echo:ada"]]],
    ],
    ids=repr,
)
def test_a_value_that_names_the_person_is_found_wherever_it_stands(found: object) -> None:
    for paths, fields in (
        (("whose",), {"whose": found}),
        (("other", "whose"), {"whose": found}),
        (("deep.down.whose",), {"deep": {"down": {"whose": found}}}),
    ):
        assert ADA.in_record(paths, "key", record(**fields), None)
        assert ADA.in_record(paths, "key", json.dumps(fields), None)


@pytest.mark.parametrize(
    "found",
    [
        None,
        "",
        "ada",
        "echo:ad",
        "echo:adam",
        "ECHO:ADA",
        {"channel": "teams", "native_id": "ada"},
        {"channel": "echo"},
        {"native_id": "ada"},
        {"channel": "echo", "native_id": ["ada"]},
        '["echo", "adam"]',
        '["echo"',
        [],
        ["echo", "ada"],
        7,
        True,
    ],
    ids=repr,
)
def test_a_value_that_does_not_name_the_person_is_nobody_s_of_theirs(found: object) -> None:
    assert not ADA.in_record(("whose",), "key", record(whose=found), None)


def test_a_native_id_counts_on_the_channel_of_the_table_only() -> None:
    for channel, about in (("echo", True), ("teams", False), (None, False)):
        assert ADA.in_record(("user",), "key", record(user="ada"), channel) is about
        assert ADA.in_record(("users",), "key", record(users=["bob", "ada"]), channel) is about


def test_a_field_that_is_not_named_says_nothing() -> None:
    text = record(user="bob", note="echo:ada", deep={"user": "echo:ada"})
    assert not ADA.in_record(("user",), "echo:ada", text, "echo")
    assert not ADA.in_record((), "echo:ada", text, "echo")
    assert ADA.in_record(("deep.user",), "key", text, "echo")
    assert not ADA.in_record(("note.user", "user"), "key", text, "echo")


def test_a_record_without_any_of_its_fields_is_judged_by_its_words() -> None:
    text = record(user="bob", note="echo:ada", deep={"user": "echo:ada"})
    assert ADA.in_record(("note.user", "nothing"), "key", text, "echo")
    assert not ADA.in_record(("nothing",), "key", record(note="echo:adam"), "echo")


# By key


@pytest.mark.parametrize(
    "key",
    [
        "echo:ada",
        "echo:ada\x1f",
        "echo:ada\x1fthread",
        '["echo", "ada"]',
        '["teams","a","19:x"]',
        '["echo", "ada", null]',
    ],
    ids=repr,
)
def test_a_key_names_the_person_whole_or_by_what_it_begins_with(key: str) -> None:
    assert ADA.in_record((BY_KEY,), key, record(), None)
    assert ADA.in_record(("user", BY_KEY), key, "damaged", None)
    assert not ADA.in_record(("user",), key, record(user="bob"), None)


@pytest.mark.parametrize(
    "key",
    ["", "echo:adam", "x\x1fecho:ada", "ada", '["echo"]', '["echo", "adam"]', '["echo", ["ada"]]', "[" * 9_000],
    ids=repr,
)
def test_a_key_of_another_is_left_alone(key: str) -> None:
    assert not ADA.in_record((BY_KEY,), key, record(), None)


def test_a_key_may_be_a_native_id_on_the_tables_channel() -> None:
    for key in ("ada", "ada\x1fnote 1"):
        assert ADA.in_record((BY_KEY,), key, record(), "echo")
        assert not ADA.in_record((BY_KEY,), key, record(), "teams")


@given(anything, anything)
def test_a_key_is_one_persons_only(one: str, other: str) -> None:
    of_one = Names(frozenset({one}), frozenset())
    if KEY_SEPARATOR not in one + other and "%" not in one + other:
        assert of_one.in_key(f"{key_of(other)}{KEY_SEPARATOR}x", None) == (one == other)
    assert of_one.in_key(f"{key_of(one)}{KEY_SEPARATOR}{key_of(other)}", None)


# Damaged ones


@pytest.mark.parametrize(
    "text",
    [
        '{"isolation_key":"echo:ada"',
        '[{"who": "echo:ada"}]',
        'no JSON, but "ada" stands in it',
        '{"kind":"note","v":9,"data":{"user":"ada"',
    ],
)
def test_a_damaged_record_is_about_whom_its_words_name(text: str) -> None:
    assert ADA.in_record(("user",), "key", text, None)
    assert not Names(frozenset({"echo:ad"}), frozenset({("echo", "ad")})).in_record(("user",), "key", text, None)
    assert not ADA.in_record((), "key", text, None)


@pytest.mark.parametrize("name", ["Zoë", "日本", "\U0001f600", 'with "quotes"', "line\nbreak"])
def test_a_name_is_found_however_it_is_spelled(name: str) -> None:
    person = Names(frozenset({f"echo:{name}"}), frozenset({("echo", name)}))
    for spelled in (json.dumps(name), json.dumps(name, ensure_ascii=False)):
        assert person.in_words("key", "{" + spelled, "echo")
        assert person.in_words("[" + spelled, "{}", "echo")
        assert not person.in_words("key", "{" + spelled, "teams")


@given(st.text(), st.text(), st.lists(st.text(max_size=5), max_size=3))
def test_whatever_a_record_holds_it_is_somebodys_or_not(key: str, text: str, paths: list[str]) -> None:
    assert ADA.in_record(paths, key, text, "echo") in (True, False)
