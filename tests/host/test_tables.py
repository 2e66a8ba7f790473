"""Tables that a channel from outside declares: bounded, shown to the operator and forgotten with their person."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from agent_framework_hosting import (
    AgentFrameworkHost,
    Channel,
    ChannelContext,
    ChannelContribution,
    ChannelIdentity,
    ChannelRequest,
    Expiry,
    MemoryStore,
    PluginError,
    Put,
    RecordCodec,
    Records,
    Table,
    hookimpl,
)
from agent_framework_hosting.testing import EchoAgent

pytestmark = pytest.mark.anyio

SECRET = "ada-keeps-bees-in-the-attic"


@dataclass(frozen=True)
class Note:
    """What somebody noted, in which room."""

    user: str
    room: str
    text: str


NOTES = Table("notes", RecordCodec("note", 1, Note), person="user", indexed=("room",), holds="notes people took")
RECENT = Table("recent", RecordCodec("note", 1, Note), person="user", expiry=Expiry(most=5))


class Diary(Channel):
    """Keep notes of people; it writes no ``forget``."""

    name = "diary"
    declares = (NOTES, RECENT)

    @hookimpl
    def contribute_routes(self, context: ChannelContext) -> ChannelContribution:
        self.context = context
        self.store = context.store
        self.notes, self.recent = Records(context.store, NOTES), Records(context.store, RECENT)
        return ChannelContribution(tables=self.declares)

    async def take(self, key: str, user: str, text: str, room: str = "lobby") -> None:
        note = Note(user, room, text)
        await self.store.commit([self.notes.put(key, note), self.recent.put(key, note)])


class Careless(Diary):
    """Keep notes in a table nobody knows of."""

    declares = ()


def host(channel: Channel, state: Path) -> AgentFrameworkHost:
    return AgentFrameworkHost(EchoAgent(), channels=[channel], config={}, state_dir=state)


async def operate(state: Path, *words: str) -> tuple[int, dict[str, object], str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "agent_host", *words, "--state-dir", str(state), "--json",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    return process.returncode or 0, json.loads(out or b"{}"), err.decode()


def bytes_of(state: Path) -> bytes:
    return b"".join(each.read_bytes() for each in state.rglob("*") if each.is_file())


async def meet(channel: Diary, user: str) -> None:
    identity = ChannelIdentity("diary", user)
    await channel.context.dispatch(ChannelRequest("diary", "message.create", "hello", identity=identity))


@pytest.mark.requirement("records.forgotten")
@pytest.mark.parametrize("live", [True, False], ids=["live", "stopped"])
async def test_a_person_in_a_declared_table_is_forgotten_to_the_last_byte(tmp_path: Path, live: bool) -> None:
    state, channel = tmp_path / "state", Diary()
    async with host(channel, state):
        await meet(channel, "ada")
        await meet(channel, "bob")
        await channel.take("1", "ada", SECRET)
        await channel.take("2", "bob", "bob's own")
        damaged = f'{{"kind":"note","v":9,"data":{{"user":"ada","text":"{SECRET}"}}}}'
        await channel.store.commit([channel.notes.put("3", Note("ada", "r", SECRET))])
        await channel.store.commit([Put("notes", "4", damaged)])
        assert await channel.notes.get("4") is None
        assert SECRET.encode() in bytes_of(state)
        if live:
            code, gone, _ = await operate(state, "identities", "forget", "diary:ada", "--yes")
    if not live:
        code, gone, _ = await operate(state, "identities", "forget", "diary:ada", "--yes")
    assert (code, gone["left"]) == (0, [])
    assert SECRET.encode() not in bytes_of(state)
    async with host(channel, state):
        assert [note.text async for _, note in channel.notes.all()] == ["bob's own"]


@pytest.mark.requirement("records.forgotten")
async def test_a_table_nobody_declared_that_names_the_person_is_named(tmp_path: Path) -> None:
    state, channel = tmp_path / "state", Careless()
    async with host(channel, state):
        await meet(channel, "ada")
        await channel.take("1", "ada", SECRET)
    code, gone, err = await operate(state, "identities", "forget", "diary:ada", "--yes")
    assert code == 1
    assert any("of.diary.notes" in sentence for sentence in gone["left"]), (gone, err)


@pytest.mark.requirement("records.state")
async def test_the_operator_sees_every_table_and_what_could_not_be_read(tmp_path: Path) -> None:
    state, channel = tmp_path / "state", Diary()
    async with host(channel, state):
        await channel.take("1", "ada", "one")
        await channel.store.commit([Put("notes", "x", "no JSON at all")])
        assert [note.text async for _, note in channel.notes.all()] == ["one"]
        code, found, _ = await operate(state, "state")
    rows = {each["name"]: each for each in found["tables"]}
    assert code == 0
    assert rows["of.diary.notes"]["records"] == 1
    assert rows["of.diary.notes"]["set_aside"] == 1
    assert rows["of.diary.notes"]["holds"] == "notes people took"
    assert rows["of.diary.notes"]["names_people"] is True
    assert {"turns", "turns.ended", "identities", "snapshots", "tasks"} <= rows.keys()


@pytest.mark.requirement("records.state")
async def test_the_operator_reaches_a_host_whose_store_is_elsewhere(tmp_path: Path) -> None:
    state, channel = tmp_path / "not" / "there", Diary()
    async with AgentFrameworkHost(EchoAgent(), channels=[channel], config={}, state_dir=state, store=MemoryStore()):
        await channel.take("1", "ada", "one")
        code, found, _ = await operate(state, "state")
    assert code == 0
    assert {each["name"]: each["records"] for each in found["tables"]}["of.diary.notes"] == 1


@pytest.mark.requirement("records.taken-back")
async def test_what_was_set_aside_is_taken_back_by_a_version_that_can_read_it(tmp_path: Path) -> None:
    state, channel = tmp_path / "state", Diary()
    newer = RecordCodec("note", 2, Note, {1: lambda fields: fields})
    async with host(channel, state):
        await channel.take("1", "ada", "plain")
        await channel.store.commit([Put("notes", "2", newer.dump(Note("bob", "lobby", "newer")))])
        assert [note.text async for _, note in channel.notes.all()] == ["plain"]

    class Upgraded(Diary):
        declares = (Table("notes", newer, person="user", indexed=("room",)),)

    upgraded = Upgraded()
    async with host(upgraded, state):
        records = Records(upgraded.store, upgraded.declares[0])
        assert [note.text async for _, note in records.all()] == ["plain", "newer"]
        assert [key async for key, _ in records.find("room", "lobby")] == ["1", "2"]


@pytest.mark.requirement("records.bounded")
async def test_a_table_keeps_as_many_as_it_declares(tmp_path: Path) -> None:
    state, channel = tmp_path / "state", Diary()
    async with host(channel, state):
        for number in range(20):
            await channel.take(f"{number:02}", "ada", f"note {number}")
    async with host(channel, state):
        async with asyncio.timeout(10):
            while await channel.recent.count() > 5:
                await asyncio.sleep(0)
        assert [note.text async for _, note in channel.recent.all()] == [f"note {number}" for number in range(15, 20)]
        assert await channel.notes.count() == 20


@pytest.mark.requirement("records.taken-back")
async def test_what_a_table_held_before_it_was_declared_counts_as_written_now(tmp_path: Path) -> None:
    state, careless = tmp_path / "state", Careless()
    async with host(careless, state):
        bare = json.dumps({"who": "ada", "text": SECRET})
        put = [
            Put("notes", "1", bare),
            Put("notes", "2", "no JSON"),
            Put("recent", "1", bare),
            Put("recent", "2", "no"),
        ]
        await careless.store.commit(put)

    def of_then(old: dict[str, object]) -> dict[str, object]:
        return {"user": old["who"], "room": "lobby", "text": old["text"]}

    codec = RecordCodec("note", 1, Note, {0: of_then})

    class Declaring(Diary):
        declares = (
            Table("notes", codec, person="user", expiry=Expiry(seconds=60.0), indexed=("room",)),
            Table("recent", codec, person="user", unreadable="drop"),
        )

    declaring = Declaring()
    async with host(declaring, state):
        assert (await declaring.store.count("notes"), await declaring.store.count("recent")) == (2, 1)
        records = Records(declaring.store, declaring.declares[0])
        assert [key async for key, _ in records.find("room", "lobby")] == ["1"]
        stored = await declaring.store.read("notes", "1")
        assert stored is not None
        assert stored.expires_at is not None
        await meet(declaring, "ada")
        await operate(state, "identities", "forget", "diary:ada", "--yes")
        assert [key async for key, _ in records.all()] == []
    assert SECRET.encode() not in bytes_of(state)


# Forgetting what is hard to read


@dataclass(frozen=True)
class Owned:
    """A note whose person stands under another name than before."""

    owner: str
    text: str


class Plain:
    """A codec of the author's own, whose texts are no JSON."""

    def dump(self, value: Note, /) -> str:
        return f"{value.user}|{value.room}|{value.text}"

    def load(self, text: str, /) -> Note:
        return Note(*text.split("|"))


def envelope(version: int, **fields: str) -> str:
    return json.dumps({"kind": "note", "v": version, "data": fields})


RENAMED = RecordCodec("note", 2, Owned, {1: lambda fields: {"owner": fields["user"], "text": fields["text"]}})
HARD = {
    "newer, the person under another name": (NOTES, "x", envelope(7, who="ada", words=SECRET)),
    "bare JSON without the field": (NOTES, "x", json.dumps({"who": "ada", "words": SECRET})),
    "cut inside the name": (NOTES, "x", f'{{"kind":"note","v":1,"data":{{"text":"{SECRET}","user":"ada'),
    "garbage under the person's key": (NOTES, "diary:ada", f"\x7f garbage {SECRET}"),
    "the name inside a longer string": (NOTES, "x", f'["note of ada: {SECRET}"]'),
    "older, the field renamed since": (
        Table("notes", RENAMED, person="owner"),
        "x",
        NOTES.codec.dump(Note("ada", "r", SECRET)),
    ),
    "no JSON at all": (Table("notes", Plain(), person="user"), "x", f"ada|lobby|{SECRET}"),
    "no JSON, and a codec that raises what it likes": (Table("notes", Plain(), person="user"), "x", f"ada|{SECRET}"),
}


@pytest.mark.requirement("records.forgotten")
@pytest.mark.parametrize("case", HARD, ids=list(HARD))
@pytest.mark.parametrize("aside", [False, True], ids=["as it is", "once it was read"])
async def test_what_is_hard_to_read_is_forgotten_too(tmp_path: Path, case: str, aside: bool) -> None:
    table, key, text = HARD[case]

    class Hard(Diary):
        declares = (table,)

    state, channel = tmp_path / "state", Hard()
    async with host(channel, state):
        await meet(channel, "ada")
        await channel.store.commit([Put("notes", key, text), Put("notes", "other", text.replace("ada", "adam"))])
        if aside:
            records = Records(channel.store, table)
            assert len([key async for key, _ in records.all()]) in {0, 2}
        code, gone, _ = await operate(state, "identities", "forget", "diary:ada", "--yes")
        left = [kept for name in ("notes", "notes.unreadable") for kept, _ in await channel.store.scan(name)]
    assert (code, gone["left"], left) == (0, [], ["other"])


@pytest.mark.requirement("records.forgotten")
async def test_a_table_nobody_declared_that_names_the_person_in_plain_text_is_named(tmp_path: Path) -> None:
    state, channel = tmp_path / "state", Careless()
    async with host(channel, state):
        await meet(channel, "ada")
        await channel.store.commit([Put("log", "1", "ada wrote"), Put("other", "1", "adam wrote")])
    code, gone, _ = await operate(state, "identities", "forget", "diary:ada", "--yes")
    named = " ".join(gone["left"])
    assert (code, "of.diary.log" in named, "of.diary.other" in named) == (1, True, False)


@pytest.mark.requirement("records.evolve")
async def test_a_declaration_that_changes_holds_for_what_is_there(tmp_path: Path) -> None:
    class Before(Diary):
        declares = (Table("notes", NOTES.codec, person="user"),)

    state, channel = tmp_path / "state", Before()
    async with host(channel, state):
        await channel.store.commit([Records(channel.store, channel.declares[0]).put("1", Note("ada", "lobby", "old"))])

    class After(Diary):
        declares = (Table("notes", NOTES.codec, person="user", indexed=("room",), expiry=Expiry(seconds=3600)),)

    channel = After()
    async with host(channel, state):
        records = Records(channel.store, channel.declares[0])
        assert [note.text async for _, note in records.find("room", "lobby")] == ["old"]
        stored = await channel.store.read("notes", "1")
        assert stored is not None
        assert stored.expires_at is not None

    class Renamed(Diary):
        declares = (Table("notes", RENAMED, person="owner", indexed=("owner",)),)

    channel = Renamed()
    async with host(channel, state):
        records = Records(channel.store, channel.declares[0])
        assert [note.text async for _, note in records.find("owner", "ada")] == ["old"]


# Declarations that could not hold


@pytest.mark.requirement("records.declared")
@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"person": "whom"}, "names 'whom'"),
        ({"person": ("user", "whom.id")}, r"names 'whom\.id'"),
        ({"indexed": ("place",)}, "names 'place'"),
        ({"expiry": Expiry(with_person=True)}, "set person=BY_KEY"),
        ({"name": "notes.unreadable"}, "does not end in"),
        ({"name": ""}, "needs a name"),
        ({"name": "a\x1fb"}, "needs a name"),
    ],
)
def test_a_declaration_that_could_not_hold_is_refused(wrong: dict[str, object], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Table(**{"name": "notes", "codec": NOTES.codec, **wrong})


@pytest.mark.requirement("records.declared")
def test_two_tables_of_one_name_are_refused(tmp_path: Path) -> None:
    class Twice(Diary):
        declares = (NOTES, Table("notes", NOTES.codec))

    with pytest.raises(PluginError, match="Channel 'diary' declares two tables named 'notes'"):
        _ = host(Twice(), tmp_path).app


@dataclass(frozen=True)
class Loose:
    """A note that says in its own way whose it is."""

    who: object
    text: str


NAMED = {
    "as a number": ("who", 4_242_424_242),
    "as the key of a mapping": ("who", {"4242424242": "yes"}),
    "as a value of a mapping": ("who", {"asked": "4242424242"}),
    "in each item of a list": ("who.name", [{"name": "bob"}, {"name": "4242424242"}]),
    "as an identity in a list": ("who", [{"channel": "diary", "native_id": "4242424242"}]),
    "as the id of identities in a list": ("who.native_id", [{"channel": "diary", "native_id": "4242424242"}]),
    "as an identity that was stored as a list": ("who", ["diary", "4242424242"]),
}


@pytest.mark.requirement("records.forgotten")
@pytest.mark.parametrize("live", [True, False], ids=["live", "stopped"])
@pytest.mark.parametrize("case", NAMED, ids=list(NAMED))
async def test_a_record_is_found_however_it_names_the_person(tmp_path: Path, case: str, live: bool) -> None:
    path, who = NAMED[case]
    table = Table("loose", RecordCodec("loose", 1, Loose), person=path)

    class Named(Diary):
        declares = (*Diary.declares, table)

    state, channel = tmp_path / "state", Named()
    async with host(channel, state):
        await meet(channel, "4242424242")
        records = Records(channel.store, table)
        other = Loose([{"channel": "elsewhere", "native_id": "4242424242"}], "another's")
        await channel.store.commit([records.put("1", Loose(who, SECRET)), records.put("2", other)])
        if live:
            code, gone, _ = await operate(state, "identities", "forget", "diary:4242424242", "--yes")
    if not live:
        code, gone, _ = await operate(state, "identities", "forget", "diary:4242424242", "--yes")
    assert (code, gone["left"]) == (0, [])
    assert SECRET.encode() not in bytes_of(state)
    assert b"another's" in bytes_of(state) or path != "who"
