"""What the declarations of tables are walked for: ends, taking back, forgetting, and the operator's list."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass

import pytest
from agent_framework import AgentSession

from agent_framework_hosting.linking.records import PENDING_LINKS
from agent_framework_hosting.model.verdict import LinkParty
from agent_framework_hosting.operations.tables import TABLES
from agent_framework_hosting.ports import Delete, Insert, Put, Store
from agent_framework_hosting.records import BY_KEY, Catalog, Expiry, Names, RecordCodec, Records, Table, key_of
from agent_framework_hosting.sessions.addresses import IDENTITIES, LINKS
from agent_framework_hosting.sessions.conversations import RESETS, SNAPSHOTS, Reset
from agent_framework_hosting.state.memory import MemoryStore
from agent_framework_hosting.state.namespace import StoreNamespace
from agent_framework_hosting.testing import HandClock

pytestmark = pytest.mark.anyio


@dataclass(frozen=True)
class Note:
    user: str
    text: str = ""


ADA = Names(frozenset({"echo:ada"}), frozenset({("echo", "ada")}))
codec = RecordCodec("note", 1, Note)
newer = RecordCodec("note", 2, Note, {1: lambda fields: fields})
NOTES = Table("notes", codec, person="user", indexed=("user",), holds="notes")
OWN = Table("own", codec, person=BY_KEY, expiry=Expiry(with_person=True))
FEW = Table("few", codec, expiry=Expiry(most=3))
SHORT = Table("short", codec, expiry=Expiry(seconds=60))


async def texts(store: Store, table: str) -> dict[str, str]:
    return dict(await store.scan(table))


async def deletes(catalog: Catalog, names: Names = ADA, **options: object) -> set[tuple[str, str]]:
    return {(each.table, each.key) async for each in catalog.about(names, **options)}  # type: ignore[arg-type]


def named(catalog: Catalog) -> set[str]:
    return {each.name for each in catalog}


# Declarations


async def test_what_a_channel_declared_is_known_without_it() -> None:
    store = MemoryStore()
    with_channel = Catalog(store, [OWN])
    with_channel.declare(NOTES, channel="echo")
    await with_channel.load()
    await store.commit(
        [Put("of.echo.notes", "1", codec.dump(Note("ada"))), Put("of.echo.notes.unreadable", "2", "ada")]
    )
    without = Catalog(store, [OWN])
    assert "of.echo.notes" not in named(without)
    await without.load()
    (known,) = [each for each in without if each.name == "of.echo.notes"]
    assert (known.channel, known.person, known.holds, known.owner) == ("echo", ("user",), "notes", NOTES.owner)
    assert await deletes(without) == {("of.echo.notes", "1"), ("of.echo.notes.unreadable", "2")}
    assert await without.covers("echo")
    assert not await without.covers("other")


async def test_a_declaration_that_is_the_same_is_not_written_again_and_one_that_changed_is() -> None:
    store = MemoryStore()
    for table, writes in ((NOTES, True), (NOTES, False), (Table("notes", codec), True), (Table("notes", codec), False)):
        before = await store.read("tables", "of.echo.notes")
        catalog = Catalog(store)
        catalog.declare(table, channel="echo")
        await catalog.load()
        assert (await store.read("tables", "of.echo.notes") != before) is writes


async def test_the_hosts_own_tables_are_not_written_down() -> None:
    store = MemoryStore()
    await Catalog(store, [*TABLES, NOTES]).load()
    assert await store.tables() == []


async def test_two_channels_may_call_a_table_the_same_and_the_host_as_well() -> None:
    catalog = Catalog(MemoryStore(), [NOTES])
    for channel in ("one", "two", "two"):
        catalog.declare(NOTES, channel=channel)
    assert named(catalog) == {"tables", "notes", "of.one.notes", "of.two.notes"}
    assert len(list(catalog)) == 4


async def test_a_channel_that_keeps_what_it_does_not_declare_is_not_covered() -> None:
    store = MemoryStore()
    catalog = Catalog(store)
    catalog.declare(NOTES, channel="echo")
    await StoreNamespace(store, "echo").commit([Put("notes", "1", ""), Put("notes.unreadable", "1", "")])
    assert await catalog.covers("echo")
    await StoreNamespace(store, "echo").commit([Put("secret", "1", "")])
    assert not await catalog.covers("echo")


# Taking back


@pytest.mark.requirement("records.taken-back")
async def test_what_can_be_read_again_is_taken_back_with_its_end_and_what_it_is_found_by() -> None:
    clock = HandClock()
    store = MemoryStore(clock)
    upgraded = Table("notes", newer, indexed=("user",), expiry=Expiry(seconds=60))
    end = store.now() + 60
    await store.commit(
        [
            Put("notes", "1", newer.dump(Note("ada", "newer")), expires_at=end, lookups={"user": "ada"}),
            Put("notes", "2", newer.dump(Note("ada", "kept"))),
            Put("notes", "3", "damaged"),
        ]
    )
    assert [key async for key, _ in Records(store, NOTES).all()] == []
    assert await store.count("notes.unreadable") == 3
    await Catalog(store, [NOTES]).load()
    assert await store.count("notes.unreadable") == 3
    await Catalog(store, [upgraded]).load()
    assert await texts(store, "notes.unreadable") == {"3": "damaged"}
    assert [key async for key, _ in Records(store, upgraded).find("user", "ada")] == ["1", "2"]
    clock.advance(61)
    assert [key async for key, _ in Records(store, upgraded).all()] == ["2"]


async def test_nothing_that_was_written_since_is_overwritten() -> None:
    store = MemoryStore()
    await store.commit(
        [Put("notes.unreadable", "1", codec.dump(Note("old"))), Put("notes", "1", codec.dump(Note("new")))]
    )
    await Catalog(store, [NOTES]).load()
    assert await Records(store, NOTES).get("1") == Note("new")
    assert await store.tables() == ["notes"]


async def test_many_are_taken_back_and_by_two_hosts_at_once() -> None:
    store = MemoryStore()
    await store.commit([Put("notes.unreadable", f"{each:05}", codec.dump(Note("ada"))) for each in range(1_203)])
    await asyncio.gather(*(Catalog(store, [NOTES]).load() for _ in range(2)))
    assert (await store.count("notes"), await store.count("notes.unreadable")) == (1_203, 0)


# Ends


@pytest.mark.requirement("records.bounded")
async def test_what_is_too_old_or_too_much_goes_set_aside_or_not() -> None:
    clock = HandClock()
    store = MemoryStore(clock)
    catalog = Catalog(store, [FEW, SHORT, NOTES])
    few, short = Records(store, FEW), Records(store, SHORT)
    for number in range(5):
        await store.commit([few.put(str(number), Note("ada")), Put(FEW.aside, str(number), "")])
    await store.commit([few.put("0", Note("written again")), short.put("1", Note("ada")), Put("notes", "1", "")])
    assert await catalog.tidy() == 4
    assert list(await texts(store, "few")) == ["0", "3", "4"]
    assert list(await texts(store, FEW.aside)) == ["2", "3", "4"]
    clock.advance(61)
    assert await catalog.tidy() == 1
    assert await store.tables() == ["few", FEW.aside, "notes"]
    assert await catalog.tidy() == 0


async def test_what_a_channel_bounds_stays_bounded_without_it() -> None:
    store = MemoryStore()
    catalog = Catalog(store)
    catalog.declare(FEW, channel="echo")
    await catalog.load()
    await store.commit([Put("of.echo.few", str(number), "") for number in range(5)])
    later = Catalog(store)
    await later.load()
    assert await later.tidy() == 2


@pytest.mark.parametrize("owner", ["echo:ada", "50%", "a\0b", "\ud800", "a\x1fb", "日本"])
async def test_what_ends_with_a_person_is_theirs_alone(owner: str) -> None:
    store = MemoryStore()
    catalog = Catalog(store, [OWN, NOTES, Table("kept", codec, person=BY_KEY)])
    begins = key_of(owner)
    theirs = [begins, f"{begins}\x1f", f"{begins}\x1fthread"]
    others = [f"{begins}x", f"x{begins}", f"{begins}x\x1f{begins}", f"{begins}%", ""]
    await store.commit([Put(table, key, "{}") for table in ("own", "kept", "notes") for key in (*theirs, *others)])
    await store.commit([Put(OWN.aside, begins, "damaged")])
    writes = await catalog.with_person([owner, "nobody"])
    assert all(isinstance(each, Delete) for each in writes)
    assert sorted((each.table, each.key) for each in writes) == sorted(
        [*[("own", key) for key in theirs], (OWN.aside, begins)]
    )


async def test_thousands_of_records_end_with_their_person() -> None:
    store = MemoryStore()
    await store.commit([Put("own", f"echo:ada\x1f{number:05}", "{}") for number in range(1_234)])
    await store.commit([Put("own", f"echo:adb\x1f{number:05}", "{}") for number in range(600)])
    await store.commit(await Catalog(store, [OWN]).with_person(["echo:ada"]))
    assert await store.count("own") == 600


# Forgetting


@pytest.mark.requirement("records.forgotten")
async def test_every_record_about_a_person_is_found_set_aside_or_not() -> None:
    store = MemoryStore()
    catalog = Catalog(store, [NOTES, OWN, FEW])
    catalog.declare(NOTES, channel="echo")
    ada, bob = codec.dump(Note("echo:ada")), codec.dump(Note("echo:bob", "echo:ada"))
    await store.commit(
        [
            Put("notes", "1", ada),
            Put("notes", "2", bob),
            Put(NOTES.aside, "3", '{"kind":"note","v":9,"data":{"user":"echo:ada"}}'),
            Put(NOTES.aside, "4", '{"user": "echo:ada", "wo'),
            Put(NOTES.aside, "5", '{"user": "echo:bob", "wo'),
            Put("notes", "6", '{"user": "echo:ada"}'),
            Put("own", "echo:ada\x1fx", "{}"),
            Put("own", "echo:bob\x1fx", "{}"),
            Put(OWN.aside, "echo:ada", "damaged"),
            Put("few", "echo:ada", ada),
            Put("of.echo.notes", "7", codec.dump(Note("ada"))),
            Put("of.other.notes", "8", codec.dump(Note("ada"))),
        ]
    )
    found = {
        ("notes", "1"),
        ("notes", "6"),
        (NOTES.aside, "3"),
        (NOTES.aside, "4"),
        ("own", "echo:ada\x1fx"),
        (OWN.aside, "echo:ada"),
        ("of.echo.notes", "7"),
    }
    assert await deletes(catalog) == found
    assert await deletes(catalog, leaving=["notes"]) == found - {("notes", "1"), ("notes", "6")}
    assert await deletes(catalog, Names(frozenset(), frozenset())) == set()


async def test_thousands_are_gone_through() -> None:
    store = MemoryStore()
    people = ("echo:ada", "echo:bob", "echo:eve")
    await store.commit([Put("notes", f"{n:05}", codec.dump(Note(people[n % 3]))) for n in range(1_502)])
    assert len(await deletes(Catalog(store, [NOTES]))) == 501


@pytest.mark.requirement("records.forgotten")
async def test_tables_of_channels_that_nobody_declares_are_named_when_they_name_a_person() -> None:
    store = MemoryStore()
    catalog = Catalog(store, [NOTES])
    catalog.declare(NOTES, channel="echo")
    await store.commit(
        [
            Put("of.echo.words", "1", '{"user": "ada"}'),
            Put("of.echo.keys", "ada", "{}"),
            Put("of.echo.keys2", "echo:ada\x1fx", "{}"),
            Put("of.echo.lists", '["echo", "ada"]', "{}"),
            Put("of.echo.others", "1", '{"user": "bob"}'),
            Put("of.other.words", "1", '{"user": "ada"}'),
            Put("of.other.whole", "1", '{"user": "echo:ada"}'),
            Put("of.echo.notes", "1", codec.dump(Note("ada"))),
            Put("of.echo.notes.unreadable", "1", '"ada"'),
            Put("unknown", "1", '{"user": "echo:ada"}'),
        ]
    )
    found = await catalog.still_naming(ADA)
    assert found == ["of.echo.keys", "of.echo.keys2", "of.echo.lists", "of.echo.words", "of.other.whole"]


# The operator


@pytest.mark.requirement("records.state")
async def test_every_table_is_reported_once_with_what_is_known_of_it() -> None:
    store = MemoryStore()
    catalog = Catalog(store, [NOTES])
    await store.commit(
        [Put("notes", "1", ""), Put("notes", "2", ""), Put(NOTES.aside, "3", ""), Put("odd.unreadable", "1", "")]
    )
    rows = {each.name: each for each in await catalog.report()}
    assert list(rows) == ["notes", "odd", "tables"]
    notes, odd = rows["notes"], rows["odd"]
    assert (notes.records, notes.set_aside, notes.holds, notes.names_people) == (2, 1, "notes", True)
    assert notes.owner == Note.__module__
    assert (odd.records, odd.set_aside, odd.owner, odd.holds, odd.names_people) == (0, 1, None, "", False)


async def test_every_table_of_the_host_says_what_it_holds_and_whose_it_is() -> None:
    rows = await Catalog(MemoryStore(), TABLES).report()
    assert [each.name for each in rows if not each.holds or not (each.owner or "").startswith("agent_framework")] == []
    people = {each.name for each in rows if each.names_people}
    assert people == {"turns", "turns.ended", "identities", "links", "pending_links", "snapshots", "resets"}


# Records of the first edition, which had no envelope


def side(native_id: str) -> dict[str, object]:
    return {"channel": "echo", "id": native_id, "attributes": {"chat": 1}, "conversation": None}


FIRST_EDITION: list[tuple[Table, str, str]] = [
    (
        IDENTITIES,
        '["echo", "ada", "room"]',
        json.dumps(
            {"v": 1, "key": "echo:ada", "channel": "echo", "id": "ada", "attributes": {"chat_id": 1}}
            | {"conversation": "room", "group": True, "since": 1.5, "seen": 2.5, "claims": {"oid": "x"}}
        ),
    ),
    (
        LINKS,
        '["teams", "a"]',
        json.dumps({"v": 1, "channel": "teams", "id": "a", "key": "echo:ada", "at": 1.5, "origin": "link"}),
    ),
    (
        PENDING_LINKS,
        '["echo", "bob"]',
        json.dumps(
            {"v": 1, "asker": side("bob"), "code": "c", "expires": 9e9, "claimant": side("ada"), "number": "1234"}
            | {"wrong": 1}
        ),
    ),
    (SNAPSHOTS, "echo:ada\x1f", json.dumps(AgentSession(session_id="echo:ada").to_dict())),
    (RESETS, "echo:ada", "7"),
]


@pytest.mark.requirement("records.first-edition")
@pytest.mark.parametrize(("table", "key", "text"), FIRST_EDITION, ids=lambda each: getattr(each, "name", ""))
async def test_a_record_of_the_first_edition_is_read_written_anew_and_forgotten(
    table: Table, key: str, text: str
) -> None:
    store = MemoryStore()
    await store.commit([Put(table.name, key, text)])
    catalog = Catalog(store, TABLES)
    await catalog.load()
    records = Records(store, table)
    record = await records.get(key)
    assert record is not None
    assert await store.count(table.aside) == 0
    assert await deletes(catalog) == {(table.name, key)}
    await store.commit([records.put(key, record)])
    assert await store.get(table.name, key) != text
    again = await records.get(key)
    assert vars_of(again) == vars_of(record)
    assert await deletes(catalog) == {(table.name, key)}


def vars_of(record: object) -> object:
    return record.to_dict() if isinstance(record, AgentSession) else record


async def test_what_the_first_edition_wrote_keeps_its_meaning() -> None:
    store = MemoryStore()
    await store.commit([Insert(table.name, key, text) for table, key, text in FIRST_EDITION])
    address = (await Records(store, IDENTITIES).get('["echo", "ada", "room"]')).address()
    assert (address.identity.attributes, address.is_group, address.since, address.last_seen, address.claims) == (
        {"chat_id": 1},
        True,
        1.5,
        2.5,
        {"oid": "x"},
    )
    assert (await Records(store, LINKS).get('["teams", "a"]')).person == "echo:ada"
    pending = await Records(store, PENDING_LINKS).get('["echo", "bob"]')
    assert isinstance(pending.claimant, LinkParty)
    assert (pending.asker.identity.native_id, pending.claimant.identity.native_id) == ("bob", "ada")
    assert (pending.number, pending.wrong_answers, pending.expires_at) == ("1234", 1, 9e9)
    assert await Records(store, RESETS).get("echo:ada") == Reset(7)
