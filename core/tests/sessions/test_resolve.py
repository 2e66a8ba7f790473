from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from agent_framework import AgentSession

from agent_framework_hosting.sessions.resolve import Sessions, UnknownParent
from agent_framework_hosting.state.disk import DiskStore
from agent_framework_hosting.state.memory import MemoryStore

pytestmark = pytest.mark.anyio

Make = Callable[..., Sessions]


def new_session(session_id: str) -> AgentSession:
    return AgentSession(session_id=session_id)


async def copy_words(source: AgentSession, session: AgentSession) -> None:
    session.state = {"words": list(source.state["words"])}


@pytest.fixture
def make() -> Make:
    return lambda store=None, **options: Sessions(new_session, copy_words, store or MemoryStore(), **options)


async def run_turn(sessions: Sessions, owner: str, word: str, key: str | None = None, parent: str | None = None) -> str:
    session = await sessions.open(owner, key, parent)
    assert session is not None
    session.state.setdefault("words", []).append(word)
    await sessions.keep(owner, key, session)
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
        await sessions.keep("echo:1", None, running)
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


async def test_a_person_can_be_forgotten(make: Make, tmp_path: Path) -> None:
    store = DiskStore(tmp_path)
    await store.open()
    sessions = make(store, snapshots=True)
    await run_turn(sessions, "echo:1", "a")
    await run_turn(sessions, "echo:1", "b", key="x")
    await run_turn(sessions, "echo:11", "c")
    await sessions.forget("echo:1")
    assert await run_turn(make(store, snapshots=True), "echo:1", "d") == "d"
    assert await run_turn(sessions, "echo:1", "d", key="x") == "d"
    assert await run_turn(sessions, "echo:11", "e") == "c e"
    await store.close()


async def test_an_api_that_keeps_every_answer_pushes_nobody_out(make: Make) -> None:
    sessions = make(live_limit=4)
    await run_turn(sessions, "echo:1", "a")
    for number in range(20):
        await run_turn(sessions, "responses:k", "x", key=f"r{number}")
    assert await run_turn(sessions, "echo:1", "b") == "a b"
    assert len(sessions) == 5
