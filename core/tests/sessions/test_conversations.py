from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from agent_framework import AgentSession

from agent_framework_hosting.errors import RecordsDiffer
from agent_framework_hosting.ports import Put, Store
from agent_framework_hosting.sessions.conversations import RESETS, SNAPSHOTS, Sessions, UnknownParent
from agent_framework_hosting.state.disk import DiskStore
from agent_framework_hosting.state.memory import MemoryStore

pytestmark = pytest.mark.anyio

Make = Callable[..., "Talks"]


def new_session(session_id: str) -> AgentSession:
    return AgentSession(session_id=session_id)


async def copy_words(source: AgentSession, session: AgentSession) -> None:
    session.state = {"words": list(source.state["words"])}


class Talks(Sessions):
    """Sessions whose turns are committed to the store they are kept in."""

    def __init__(self, store: Store | None = None, **options: bool | int) -> None:
        self.store = store or MemoryStore()
        super().__init__(new_session, copy_words, self.store, **options)  # type: ignore[arg-type]

    async def end(self, owner: str, key: str | None, session: AgentSession) -> None:
        """Keep a session as the end of a turn does."""
        if writes := self.keep(owner, key, session):
            self.kept(owner, key, session, await self.store.commit(writes))


@pytest.fixture
def make() -> Make:
    return Talks


async def run_turn(sessions: Talks, owner: str, word: str, key: str | None = None, parent: str | None = None) -> str:
    session = await sessions.open(owner, key, parent)
    assert session is not None
    session.state.setdefault("words", []).append(word)
    await sessions.end(owner, key, session)
    return " ".join(session.state["words"])


async def test_a_person_has_one_session(make: Make) -> None:
    sessions = make()
    assert await run_turn(sessions, "echo:1", "a") == "a"
    assert await run_turn(sessions, "echo:1", "b") == "a b"
    assert await run_turn(sessions, "echo:2", "c") == "c"
    assert (await sessions.open("echo:1")).session_id == "echo:1"


async def test_threads_of_one_person_are_apart(make: Make) -> None:
    sessions = make()
    await run_turn(sessions, "echo:1", "a")
    assert await run_turn(sessions, "echo:1", "b", key="x") == "b"
    assert await run_turn(sessions, "echo:1", "c", key="y") == "c"
    assert await run_turn(sessions, "echo:1", "d", key="x") == "b d"


async def test_two_continuations_of_one_parent_are_independent(make: Make) -> None:
    sessions = make()
    await run_turn(sessions, "echo:1", "a", key="r1")
    assert await run_turn(sessions, "echo:1", "b", key="r2", parent="r1") == "a b"
    assert await run_turn(sessions, "echo:1", "c", key="r3", parent="r1") == "a c"
    assert await run_turn(sessions, "echo:1", "d", key="r4", parent="r2") == "a b d"
    ids = {(await sessions.open("echo:1", key)).session_id for key in ("r1", "r2", "r3", "r4")}
    assert len(ids) == 4


async def test_a_parent_is_looked_up_inside_its_owners_sessions_only(make: Make) -> None:
    sessions = make()
    await run_turn(sessions, "echo:1", "secret", key="r1")
    for owner, parent in (("echo:2", "r1"), ("echo:1", "r9"), ("echo:2", "echo:1\x1fr1"), ("echo", "1\x1fr1")):
        with pytest.raises(UnknownParent):
            await sessions.open(owner, "r2", parent)


async def test_no_id_of_a_wire_names_somebody_elses_session(make: Make) -> None:
    sessions = make()
    await run_turn(sessions, "a", "secret", key="b\x1fc")
    assert await run_turn(sessions, "a\x1fb", "mine", key="c") == "mine"
    assert await run_turn(sessions, "a", "other", key="b%1fc") == "other"


async def test_the_least_recently_used_session_goes_first(make: Make) -> None:
    sessions = make(live_limit=2)
    for owner in ("one", "two"):
        await run_turn(sessions, owner, "a")
    await run_turn(sessions, "one", "b")
    await run_turn(sessions, "three", "a")
    assert len(sessions) == 2
    assert await run_turn(sessions, "one", "c") == "a b c"
    assert await run_turn(sessions, "two", "b") == "b"


async def test_a_reset_starts_afresh_under_a_new_id(make: Make) -> None:
    sessions = make()
    await run_turn(sessions, "echo:1", "a")
    await run_turn(sessions, "echo:1", "thread", key="x")
    await sessions.reset("echo:1")
    assert await run_turn(sessions, "echo:1", "b") == "b"
    assert (await sessions.open("echo:1")).session_id != "echo:1"
    assert await run_turn(sessions, "echo:1", "more", key="x") == "thread more"
    await sessions.reset("echo:1", "x")
    assert await run_turn(sessions, "echo:1", "new", key="x") == "new"


async def test_a_turn_that_was_running_during_a_reset_does_not_undo_it(make: Make) -> None:
    sessions = make()
    for _ in range(2):  # a new session, then one that is live
        running = await sessions.open("echo:1")
        running.state.setdefault("words", []).append("old")
        await sessions.reset("echo:1")
        await sessions.end("echo:1", None, running)
        assert await run_turn(sessions, "echo:1", "new") == "new"


async def test_targets_without_sessions_have_none_whatever_they_continue() -> None:
    sessions = Sessions(lambda _: None, copy_words, MemoryStore())
    assert await sessions.open("echo:1") is None
    assert await sessions.open("echo:1", "r2", "r1") is None


async def test_threads_outlive_the_process_and_so_does_what_was_asked_for(make: Make, tmp_path: Path) -> None:
    store = DiskStore(tmp_path)
    await store.open()
    sessions = make(store, snapshots=True)
    await run_turn(sessions, "echo:1", "a")
    await run_turn(sessions, "echo:1", "b", key="r1")
    await sessions.reset("echo:2")
    again = make(store, snapshots=True)
    assert await run_turn(again, "echo:1", "c") == "a c"
    assert await run_turn(again, "echo:1", "d", key="r2", parent="r1") == "b d"
    assert (await again.open("echo:2")).session_id != "echo:2"
    await store.close()


async def test_main_sessions_are_not_stored_unless_asked_for(make: Make, tmp_path: Path) -> None:
    store = DiskStore(tmp_path)
    await store.open()
    await run_turn(make(store), "echo:1", "a")
    assert await run_turn(make(store), "echo:1", "b") == "b"
    await store.close()


async def test_the_live_sessions_of_a_person_can_be_let_go_of(make: Make) -> None:
    sessions = make()
    await run_turn(sessions, "echo:1", "a")
    await run_turn(sessions, "echo:1", "b", key="x")
    await run_turn(sessions, "echo:11", "c")
    running = await sessions.open("echo:1")
    sessions.drop("echo:1")
    assert len(sessions) == 1
    await sessions.end("echo:1", None, running)
    assert await run_turn(sessions, "echo:1", "d") == "d"
    assert await run_turn(sessions, "echo:1", "d", key="x") == "d"
    assert await run_turn(sessions, "echo:11", "e") == "c e"


async def test_an_api_that_keeps_every_answer_pushes_nobody_out(make: Make) -> None:
    sessions = make(live_limit=4)
    await run_turn(sessions, "echo:1", "a")
    for number in range(20):
        await run_turn(sessions, "responses:k", "x", key=f"r{number}")
    assert await run_turn(sessions, "echo:1", "b") == "a b"
    assert len(sessions) == 5


# What is stored


async def test_a_snapshot_that_cannot_be_read_is_set_aside_and_the_conversation_begins_anew(make: Make) -> None:
    store = MemoryStore()
    await store.commit([Put(SNAPSHOTS.name, "echo:1\x1f", "no session")])
    sessions = make(store, snapshots=True, shared=True)
    assert await run_turn(sessions, "echo:1", "a") == "a"
    assert await store.get(SNAPSHOTS.aside, "echo:1\x1f") == "no session"
    assert await run_turn(make(store, snapshots=True, shared=True), "echo:1", "b") == "a b"


async def test_a_session_that_cannot_be_stored_is_no_silent_loss(make: Make) -> None:
    sessions = make(MemoryStore(), snapshots=True, shared=True)
    session = await sessions.open("echo:1")
    session.state["odd"] = object()
    with pytest.warns(RuntimeWarning, match="state.odd"), pytest.raises(TypeError):
        sessions.keep("echo:1", None, session)


@pytest.mark.parametrize(("stored", "session_id"), [("3", "echo:1~3"), ("?", "echo:1~")])
async def test_a_counter_of_the_first_edition_counts_on(make: Make, stored: str, session_id: str) -> None:
    store = MemoryStore()
    await store.commit([Put(RESETS.name, "echo:1", stored)])
    sessions = make(store)
    found = (await sessions.open("echo:1")).session_id
    assert found.startswith(session_id)
    assert found != "echo:1"
    await sessions.reset("echo:1")
    assert (await sessions.open("echo:1")).session_id not in {found, "echo:1"}


# Several hosts on one store


async def test_a_session_is_continued_at_whichever_host_it_is_asked_for(make: Make) -> None:
    store = MemoryStore()
    one, other = (make(store, snapshots=True, shared=True) for _ in range(2))
    words = [await run_turn(each, "echo:1", str(number)) for number, each in enumerate([one, other, other, one, other])]
    assert words[-1] == "0 1 2 3 4"
    assert await run_turn(other, "echo:1", "x", key="t", parent=None) == "x"
    assert await run_turn(one, "echo:1", "y", key="u", parent="t") == "x y"


async def test_of_two_ends_of_one_conversation_the_later_one_is_refused(make: Make) -> None:
    store = MemoryStore()
    one, other = (make(store, snapshots=True, shared=True) for _ in range(2))
    for first in ("new", "known"):
        mine, theirs = await one.open("echo:1"), await other.open("echo:1")
        mine.state["words"], theirs.state["words"] = [first], ["lost"]
        await one.end("echo:1", None, mine)
        with pytest.raises(RecordsDiffer):
            await other.end("echo:1", None, theirs)
        assert (await other.open("echo:1")).state["words"] == [first]


async def test_a_reset_at_one_host_is_one_at_all_and_two_at_once_are_two(make: Make) -> None:
    store = MemoryStore()
    one, other = (make(store, snapshots=True, shared=True) for _ in range(2))
    for each in (one, other):
        await run_turn(each, "echo:1", "a")
    await one.reset("echo:1")
    assert await run_turn(other, "echo:1", "b") == "b"
    before = (await other.open("echo:1")).session_id
    await asyncio.gather(one.reset("echo:1"), other.reset("echo:1"))
    ids = {(await each.open("echo:1")).session_id for each in (one, other)}
    assert len(ids) == 1
    assert (before, ids) == ("echo:1~1", {"echo:1~3"})
