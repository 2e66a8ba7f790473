"""The journal's books: turns, events and their window, history."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from agent_framework_hosting.delivery.journal import EventAlreadySeen, Journal, TurnRecord
from agent_framework_hosting.errors import StoreError
from agent_framework_hosting.ports import Insert, Put
from agent_framework_hosting.state.memory import MemoryStore
from agent_framework_hosting.testing import HandClock

pytestmark = pytest.mark.anyio


def turn(turn_id: str, event_id: str | None = None) -> TurnRecord:
    return TurnRecord(turn_id, "chat", "chat:ann", {"input": "hi"}, 1.0, event_id=event_id)


async def unfinished(journal: Journal) -> list[str]:
    return [record.turn_id async for record in journal.unfinished()]


async def test_an_event_is_accepted_once_within_its_window() -> None:
    clock, store = HandClock(), MemoryStore()
    journal = Journal(store, dedupe_seconds=100, clock=clock)
    await journal.admit(turn("1", "e"))
    assert journal.seen("chat", "e")
    assert not journal.seen("mail", "e")
    with pytest.raises(EventAlreadySeen):
        await journal.admit(turn("2", "e"))
    clock.advance(101)
    assert not journal.seen("chat", "e")
    await journal.admit(turn("3", "e"))
    assert await unfinished(journal) == ["1", "3"]


async def test_of_two_at_once_one_is_accepted() -> None:
    journal = Journal(MemoryStore())
    outcomes = await asyncio.gather(
        *(journal.admit(turn(str(number), "e")) for number in range(5)), return_exceptions=True
    )
    assert [type(each) for each in outcomes].count(EventAlreadySeen) == 4


async def test_the_next_process_knows_the_events_of_the_last() -> None:
    clock, store = HandClock(), MemoryStore()
    await Journal(store, clock=clock).admit(turn("1", "e"))
    journal = Journal(store, clock=clock)
    await unfinished(journal)
    assert journal.seen("chat", "e")


async def test_the_store_has_the_last_word() -> None:
    store = MemoryStore()
    one, other = Journal(store), Journal(store)
    await one.admit(turn("1", "e"))
    assert not other.seen("chat", "e")
    with pytest.raises(EventAlreadySeen):
        await other.admit(turn("2", "e"))
    assert await other.get("2") is None


async def test_the_window_is_bounded_and_the_oldest_go_first() -> None:
    store, clock = MemoryStore(), HandClock()
    journal = Journal(store, dedupe_limit=3, clock=clock)
    for number in range(10):
        clock.advance(1)
        await journal.admit(turn(str(number), f"e{number}"))
    assert await store.count("events") == 3
    assert [journal.seen("chat", f"e{number}") for number in range(10)] == [False] * 7 + [True] * 3
    clock.advance(1_000_000)
    await journal.admit(turn("last", "last"))
    assert await store.count("events") == 1


class Sick(MemoryStore):
    sick = False

    async def commit(self, writes) -> None:
        if self.sick:
            raise StoreError("full")
        await super().commit(writes)


async def test_an_event_that_could_not_be_recorded_may_come_again() -> None:
    store = Sick()
    journal = Journal(store)
    store.sick = True
    with pytest.raises(StoreError):
        await journal.admit(turn("1", "e"))
    store.sick = False
    assert not journal.seen("chat", "e")
    await journal.admit(turn("2", "e"))


async def test_a_turn_goes_through_its_states_and_takes_others_with_it() -> None:
    store = MemoryStore()
    journal = Journal(store)
    records = [turn("1"), turn("2")]
    for record in records:
        await journal.admit(record)
    running = await journal.start(records, [Put("more", "a", "1")])
    assert [(each.status, each.runs, each.joined) for each in running] == [("running", 1, None), ("running", 1, "1")]
    assert await unfinished(journal) == ["1", "2"]
    await journal.finish(running, "answered", [Put("more", "b", "2")], tasks=["t1"])
    kept = await journal.get("1")
    assert kept == replace(running[0], status="answered", finished_at=kept.finished_at, tasks=["t1"], request={})
    assert [await store.get("more", key) for key in "ab"] == ["1", "2"]
    assert await unfinished(journal) == []


async def test_finished_turns_are_bounded_and_open_ones_are_not_forgotten() -> None:
    store = MemoryStore()
    journal = Journal(store, history_limit=3)
    await journal.admit(turn("open"))
    for number in range(10):
        record = turn(str(number))
        await journal.admit(record)
        await journal.finish([record], "answered")
    assert sorted(key for key, _ in await store.scan("turns")) == ["7", "8", "9", "open"]
    journal = Journal(store, history_limit=3)
    assert await unfinished(journal) == ["open"]
    await journal.finish([turn("open")], "failed")
    assert sorted(key for key, _ in await store.scan("turns")) == ["8", "9", "open"]


async def test_unreadable_turns_are_set_aside_and_named(caplog: pytest.LogCaptureFixture) -> None:
    store = MemoryStore()
    await store.commit([Put("turns", "0", "garbage"), Insert("events", "x", "garbage")])
    journal = Journal(store)
    await journal.admit(turn("1"))
    assert await unfinished(journal) == ["1"]
    assert await store.get("turns.unreadable", "0") == "garbage"
    assert "Turn 0 was set aside" in caplog.text
    assert await store.count("events") == 0
