from __future__ import annotations

import json
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_framework_hosting.errors import RecordExists, RecordsDiffer, UnreadableRecord
from agent_framework_hosting.ports import Put
from agent_framework_hosting.records import Expiry, RecordCodec, Records, Table
from agent_framework_hosting.records.records import Versioned
from agent_framework_hosting.state.memory import MemoryStore
from agent_framework_hosting.testing import HandClock


@dataclass(frozen=True, slots=True)
class Note:
    title: str
    tags: tuple[str, ...] = ()
    extra: dict[str, object] = field(default_factory=dict[str, object])
    rank: float | None = None


@dataclass(frozen=True, slots=True)
class Thing:
    whose: str | None


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


# Bare records, written without an envelope


bare = RecordCodec(
    "note", 3, Note, {0: lambda had: {"name": had["text"], "tags": "old"}, 1: _first_to_second, 2: _second_to_third}
)


@pytest.mark.parametrize("text", ["plain words", "", "[1, 2]", "7", '"quoted"', "[" * 5000])
def test_a_bare_text_is_taken_as_it_stands_and_migrated_like_any_other(text: str) -> None:
    assert bare.load(text) == Note(text, ("old",), {}, 1.5)


def test_a_bare_object_gives_its_fields() -> None:
    fields = RecordCodec("note", 1, Note, {0: lambda had: had})
    assert fields.load('{"title": "a", "rank": 2.0}') == Note("a", rank=2.0)
    assert fields.load(fields.dump(Note("b"))) == Note("b")


@pytest.mark.parametrize("text", ["", "{}", '{"title": 1}', "no JSON", '{"kind":"other","v":1,"data":{"title":"a"}}'])
def test_a_bare_record_that_makes_no_record_is_damaged(text: str) -> None:
    with pytest.raises(UnreadableRecord):
        RecordCodec("note", 1, Note, {0: lambda had: had}).load(text)


# A table


NOTES = Table("notes", codec, person="title", indexed=("title", "rank"))
PAGE = 500


async def filled(store: MemoryStore, count: int) -> Records[Note]:
    notes = Records(store, NOTES)
    await store.commit([notes.put(f"{number:05}", Note(f"n{number % 2}", rank=1.0)) for number in range(count)])
    return notes


@pytest.mark.anyio
@pytest.mark.parametrize("count", [0, 1, PAGE - 1, PAGE, PAGE + 1, 2 * PAGE, 3 * PAGE + 7])
async def test_every_record_comes_once_and_in_order_however_many_there_are(count: int) -> None:
    store = MemoryStore()
    notes = await filled(store, count)
    keys = [f"{number:05}" for number in range(count)]
    assert [key async for key, _ in notes.all()] == keys
    assert [key async for key, _ in notes.find("title", "n1")] == keys[1::2]
    assert await notes.count() == count
    assert [key async for key, _ in notes.all(after="00499")] == keys[500:]
    assert [key async for key, _ in notes.all(prefix="005")] == [key for key in keys if key.startswith("005")]
    assert [key async for key, _ in notes.all(prefix="005", after="00599")] == []


@pytest.mark.anyio
async def test_pages_go_on_past_records_that_are_changed_and_removed_meanwhile() -> None:
    store = MemoryStore()
    notes = await filled(store, 2 * PAGE + 1)
    seen: list[str] = []
    async for key, _ in notes.all():
        seen.append(key)
        await store.commit([notes.delete(key)])
    assert (len(seen), len(set(seen)), await notes.count()) == (2 * PAGE + 1, 2 * PAGE + 1, 0)


@pytest.mark.anyio
async def test_a_page_of_nothing_but_damage_hides_nothing_behind_it(caplog: pytest.LogCaptureFixture) -> None:
    store = MemoryStore()
    notes = Records(store, NOTES)
    damaged = [Put(NOTES.name, f"{number:05}", f"damaged {number}") for number in range(2 * PAGE)]
    await store.commit([*damaged, notes.put("99999", Note("good"))])
    assert [key async for key, _ in notes.all()] == ["99999"]
    assert (await store.count(NOTES.name), await store.count(NOTES.aside)) == (1, 2 * PAGE)
    assert await store.get(NOTES.aside, "00007") == "damaged 7"
    assert len([each for each in caplog.records if each.levelname == "ERROR"]) == 2 * PAGE
    assert "damaged 7" not in caplog.text


@pytest.mark.anyio
async def test_what_cannot_be_read_counts_as_absent_and_is_dropped_where_it_is_worth_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = MemoryStore()
    cache = Records(store, Table("cache", codec, unreadable="drop"))
    await store.commit([Put("cache", "a-secret-key", "x"), Put("cache", "b", "x")])
    assert await cache.get("a-secret-key") is None
    assert await cache.read("b") is None
    assert await store.tables() == []
    assert [each.levelname for each in caplog.records] == ["WARNING"] * 2
    assert "a-secret-key" not in caplog.text


@pytest.mark.anyio
async def test_what_is_written_anew_while_it_is_being_read_is_not_set_aside() -> None:
    class Slow(MemoryStore):
        async def get(self, table: str, key: str) -> str | None:
            text = await super().get(table, key)
            await super().commit([notes.put("a", Note("anew"))])
            return text

    store = Slow()
    notes = Records(store, NOTES)
    await store.commit([Put(NOTES.name, "a", "damaged")])
    assert await notes.get("a") is None
    assert await notes.read("a") == Versioned(Note("anew"), 2)
    assert await store.count(NOTES.aside) == 0


@pytest.mark.anyio
async def test_an_end_stays_with_what_is_set_aside() -> None:
    clock = HandClock()
    store = MemoryStore(clock)
    short = Records(store, Table("short", codec, expiry=Expiry(seconds=60)))
    await store.commit([Put("short", "a", "damaged", expires_at=store.now() + 60), Put("short", "b", "damaged")])
    assert [key async for key, _ in short.all()] == []
    assert await store.count(short.table.aside) == 2
    clock.advance(61)
    assert [key for key, _ in await store.scan(short.table.aside)] == ["b"]


@pytest.mark.anyio
async def test_records_end_by_their_age_unless_they_are_kept() -> None:
    clock = HandClock()
    store = MemoryStore(clock)
    short = Records(store, Table("short", codec, expiry=Expiry(seconds=60)))
    await store.commit(
        [short.put("a", Note("a")), short.put("kept", Note("k"), ends=False), short.insert("new", Note("n"))]
    )
    clock.advance(59)
    await store.commit([short.put("a", Note("again"))])
    clock.advance(2)
    assert [key async for key, _ in short.all()] == ["a", "kept"]
    clock.advance(59)
    assert [key async for key, _ in short.all()] == ["kept"]


@pytest.mark.anyio
async def test_a_write_can_demand_what_was_read() -> None:
    store = MemoryStore()
    notes = Records(store, NOTES)
    await store.commit([notes.insert("a", Note("one"))])
    read = await notes.read("a")
    assert read is not None
    await store.commit([notes.put("a", Note("two"), expect=read.version)])
    for late in (notes.put("a", Note("x"), expect=read.version), notes.delete("a", expect=read.version)):
        with pytest.raises(RecordsDiffer):
            await store.commit([late])
    with pytest.raises(RecordExists):
        await store.commit([notes.insert("a", Note("x"))])
    assert await notes.get("a") == Note("two")


@pytest.mark.anyio
@pytest.mark.parametrize("name", ["plain", "50%", "a\0b", "\ud800", "%00", "a\x1fb", ""])
async def test_records_are_found_by_any_text_at_all_and_by_nothing_else(name: str) -> None:
    store = MemoryStore()
    things = Records(store, Table("things", RecordCodec("thing", 1, Thing), indexed=("whose",)))
    await store.commit([things.put("1", Thing(name)), things.put("2", Thing(None)), things.put("3", Thing("another"))])
    assert [key async for key, _ in things.find("whose", name)] == ["1"]
    await store.commit([things.put("1", Thing("moved"))])
    assert [key async for key, _ in things.find("whose", name)] == []
