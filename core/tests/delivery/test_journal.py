"""The journal's books: turns, their owners and their end, events and their window."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from agent_framework_hosting.delivery.journal import EVENTS, HISTORY, TURNS, EventAlreadySeen, Journal, TurnRecord
from agent_framework_hosting.errors import Fenced, StoreError
from agent_framework_hosting.ports import Insert, Put, Write
from agent_framework_hosting.records import Catalog
from agent_framework_hosting.state.memory import MemoryStore
from agent_framework_hosting.state.ownership import Ownership
from agent_framework_hosting.testing import HandClock

pytestmark = pytest.mark.anyio
WINDOW = 172_800.0


def turn(turn_id: str, event_id: str | None = None, at: float = 1.0) -> TurnRecord:
    return TurnRecord(turn_id, "chat", "chat:ann", {"input": "hi"}, at, event_id=event_id)


def alone(store: MemoryStore) -> Journal:
    return Journal(store, Ownership(store, shared=False))


async def left_behind(journal: Journal, owner_id: str | None = None) -> list[str]:
    return [record.turn_id async for record in journal.left_behind(owner_id)]


async def keys(store: MemoryStore, table: str) -> list[str]:
    return sorted(key for key, _ in await store.scan(table))


# Events


async def test_an_event_is_accepted_once_within_its_window() -> None:
    clock = HandClock()
    store = MemoryStore(clock)
    journal = alone(store)
    await journal.admit(turn("1", "e"))
    assert journal.seen("chat", "e")
    assert not journal.seen("mail", "e")
    clock.advance(WINDOW - 1)
    with pytest.raises(EventAlreadySeen):
        await journal.admit(turn("2", "e"))
    clock.advance(2)
    assert not journal.seen("chat", "e")
    await journal.admit(turn("3", "e"))
    assert await keys(store, TURNS.name) == ["1", "3"]


async def test_of_two_at_once_one_is_accepted() -> None:
    journal = alone(MemoryStore())
    outcomes = await asyncio.gather(
        *(journal.admit(turn(str(number), "e")) for number in range(5)), return_exceptions=True
    )
    assert [type(each) for each in outcomes].count(EventAlreadySeen) == 4


async def test_the_store_has_the_last_word() -> None:
    store = MemoryStore()
    one, other = alone(store), alone(store)
    await one.admit(turn("1", "e"))
    assert not other.seen("chat", "e")
    with pytest.raises(EventAlreadySeen):
        await other.admit(turn("2", "e"))
    assert await other.get("2") is None
    await other.admit(turn("3", "f"))
    assert other.seen("chat", "f")


async def test_the_window_is_bounded_in_number_and_in_time() -> None:
    clock = HandClock()
    store = MemoryStore(clock)
    catalog = Catalog(store, [EVENTS])
    await store.commit([Put(EVENTS.name, f"{number:06}", "") for number in range(EVENTS.expiry.most)])
    await alone(store).admit(turn("1", "e"))
    assert await catalog.tidy() == 1
    assert (await store.count(EVENTS.name), (await keys(store, EVENTS.name))[0]) == (EVENTS.expiry.most, "000001")
    await store.trim(EVENTS.name, 1)
    clock.advance(WINDOW + 1)
    assert (await catalog.tidy(), await store.count(EVENTS.name)) == (1, 0)


async def test_an_event_of_any_id_can_be_kept() -> None:
    journal = alone(MemoryStore())
    for event_id in ("a\0b", "a%00b", "a\x1fb", "a%1fb", "", "%", "\ud800"):
        await journal.admit(turn(f"turn of {event_id!r}", event_id))
        assert journal.seen("chat", event_id)


class Sick(MemoryStore):
    sick = False

    async def commit(self, writes: Sequence[Write]) -> int:
        if self.sick:
            raise StoreError("full")
        return await super().commit(writes)


async def test_an_event_that_could_not_be_recorded_may_come_again() -> None:
    store = Sick()
    journal = alone(store)
    store.sick = True
    with pytest.raises(StoreError):
        await journal.admit(turn("1", "e"))
    store.sick = False
    assert not journal.seen("chat", "e")
    await journal.admit(turn("2", "e"))


# Turns


async def test_a_turn_goes_through_its_states_and_takes_others_with_it() -> None:
    store = MemoryStore()
    journal = alone(store)
    records = [await journal.admit(turn(number)) for number in "12"]
    running = await journal.start(records, [Put("more", "a", "1")])
    assert [(each.status, each.runs, each.joined) for each in running] == [("running", 1, None), ("running", 1, "1")]
    assert await left_behind(journal) == ["1", "2"]
    await journal.finish(running, "answered", [Put("more", "b", "2")], tasks=["t1"])
    kept = await journal.get("1")
    assert kept == replace(running[0], status="answered", finished_at=kept.finished_at, tasks=["t1"], request={})
    assert [await store.get("more", key) for key in "ab"] == ["1", "2"]
    assert await left_behind(journal) == []
    assert (await keys(store, TURNS.name), await keys(store, HISTORY.name)) == ([], ["1", "2"])


async def test_all_turns_are_gone_through_those_without_an_end_first() -> None:
    journal = alone(MemoryStore())
    for number in "1234":
        await journal.admit(turn(number))
    await journal.finish([turn("1"), turn("3")], "failed", note="no")
    assert [each.turn_id async for each in journal.all()] == ["2", "4", "1", "3"]
    assert [each.note async for each in journal.all()] == [None, None, "no", "no"]


async def test_finished_turns_are_bounded_and_open_ones_are_not_forgotten() -> None:
    store = MemoryStore()
    journal = alone(store)
    await journal.admit(turn("open"))
    most = HISTORY.expiry.most
    await store.commit([Put(HISTORY.name, f"{number:05}", "") for number in range(most)])
    for number in range(3):
        record = await journal.admit(turn(f"x{number}"))
        await journal.finish([record], "answered")
    assert await Catalog(store, [TURNS, HISTORY]).tidy() == 3
    assert await store.count(HISTORY.name) == most
    assert (await keys(store, HISTORY.name))[0] == "00003"
    assert await left_behind(journal) == ["open"]


async def test_what_an_earlier_edition_ended_goes_where_it_belongs_and_is_not_run_again() -> None:
    store = MemoryStore()
    ended = [replace(turn(f"{number:04}"), status="answered" if number % 2 else "failed") for number in range(450)]
    await store.commit([Put(TURNS.name, each.turn_id, TURNS.codec.dump(each)) for each in (*ended, turn("open"))])
    journal = alone(store)
    assert await left_behind(journal) == ["open"]
    assert await keys(store, TURNS.name) == ["open"]
    assert await keys(store, HISTORY.name) == [each.turn_id for each in ended]
    assert (await journal.get("0001")).status == "answered"


async def test_unreadable_turns_are_set_aside_and_named(caplog: pytest.LogCaptureFixture) -> None:
    store = MemoryStore()
    await store.commit([Put("turns", "0", "garbage"), Insert("events", "chat\x1fx", "garbage")])
    journal = alone(store)
    await journal.admit(turn("1"))
    assert await left_behind(journal) == ["1"]
    assert await store.get("turns.unreadable", "0") == "garbage"
    assert "was set aside in table turns.unreadable" in caplog.text
    record = await journal.get("1")
    await journal.set_aside(record, "it cannot be taken up")
    assert await left_behind(journal) == []
    assert "Record 1 was set aside in table turns.unreadable: it cannot be taken up" in caplog.text
    assert TURNS.codec.load(await store.get("turns.unreadable", "1")) == record


# Owners


class Site:
    """Hosts on one store, each with a journal."""

    def __init__(self) -> None:
        self.clock = HandClock()
        self.store = MemoryStore(self.clock)
        self.hosts: list[Ownership] = []

    async def host(self) -> tuple[Ownership, Journal]:
        ownership = Ownership(self.store, shared=True)
        await ownership.begin()
        self.hosts.append(ownership)
        return ownership, Journal(self.store, ownership)


@pytest.fixture
async def site():
    made = Site()
    yield made
    for host in made.hosts:
        await host.end()


@pytest.mark.requirement("owners.shared")
async def test_a_turn_of_a_living_host_is_left_alone_and_one_of_a_dead_host_is_taken_over_once(site: Site) -> None:
    dead, first = await site.host()
    _, neighbour = await site.host()
    started = await first.start([await first.admit(turn("1", "e"))])
    assert (started[0].owner, started[0].epoch) == (dead.owner.id, dead.owner.epoch)
    assert await left_behind(neighbour) == []
    with pytest.raises(EventAlreadySeen):
        await neighbour.admit(turn("2", "e"))
    site.clock.advance(dead.seconds + 1)
    (living, second), (_, third) = await site.host(), await site.host()
    assert await left_behind(second, dead.owner.id) == ["1"]
    taken = await second.get("1")
    assert (taken.owner, taken.epoch, taken.status) == (living.owner.id, living.owner.epoch, "running")
    assert await left_behind(third) == []
    for late in (first.finish(started, "answered"), first.start(started), first.admit(turn("3"))):
        with pytest.raises(Fenced):
            await late
    await second.finish([taken], "failed")
    assert (await first.get("1")).status == "failed"


async def test_only_the_turns_of_the_host_that_is_asked_for_are_taken(site: Site) -> None:
    hosts = [await site.host() for _ in range(3)]
    for number, (_, journal) in enumerate(hosts[:2]):
        await journal.admit(turn(str(number)))
    site.clock.advance(hosts[0][0].seconds + 1)
    _, journal = await site.host()
    assert await left_behind(journal, hosts[1][0].owner.id) == ["1"]
    assert (await journal.get("0")).owner == hosts[0][0].owner.id
    assert await left_behind(journal) == ["0", "1"]


async def test_a_host_that_is_alone_takes_over_without_a_write() -> None:
    store = MemoryStore()
    journal = alone(store)
    await journal.admit(replace(turn("1"), owner="an earlier life"))
    before = await store.read(TURNS.name, "1")
    assert await left_behind(alone(store)) == ["1"]
    assert await store.read(TURNS.name, "1") == before


async def test_what_was_accepted_before_there_were_owners_is_everybody_s(site: Site) -> None:
    await site.store.commit([Put(TURNS.name, "1", TURNS.codec.dump(turn("1")))])
    (_, first), (_, second) = await site.host(), await site.host()
    assert await left_behind(first) == ["1"]
    assert await left_behind(second) == []


async def test_counting_begins_anew_with_a_start_and_not_with_a_takeover(site: Site) -> None:
    _, journal = await site.host()
    journal.counters.accepted = 5
    await left_behind(journal, "somebody")
    assert journal.counters.accepted == 5
    await left_behind(journal)
    assert journal.counters.accepted == 0
