"""Background runs: their token, their states, and how long they are kept."""

from __future__ import annotations

import pytest
from agent_framework import AgentResponse, Message

from agent_framework_hosting.delivery.continuations import NOT_STORABLE, TOKENS, Continuation, Continuations
from agent_framework_hosting.model.result import HostedRunResult
from agent_framework_hosting.ports import Put
from agent_framework_hosting.records import Catalog
from agent_framework_hosting.state.memory import MemoryStore
from agent_framework_hosting.testing import HandClock

pytestmark = pytest.mark.anyio
ANSWER = HostedRunResult(AgentResponse(messages=[Message("assistant", ["done"])]))
A_DAY = 86_400.0


async def minted(runs: Continuations, store: MemoryStore) -> Continuation:
    run, write = runs.mint("turn")
    await store.commit([write])
    return run


async def test_a_run_is_found_until_its_time_is_up() -> None:
    clock = HandClock()
    store = MemoryStore(clock)
    runs = Continuations(store)
    run = await minted(runs, store)
    clock.advance(2 * A_DAY)  # a run under way is never too old
    assert (await runs.get(run.token)).status == "queued"
    await store.commit([runs.running(run)])
    clock.advance(2 * A_DAY)
    assert (await runs.get(run.token)).status == "running"
    await store.commit([runs.completed(run, ANSWER)])
    clock.advance(A_DAY - 1)
    found = await runs.get(run.token)
    assert AgentResponse.from_dict(found.public().result).text == "done"
    assert found.public().completed_at > found.public().created_at
    clock.advance(2)
    assert await runs.get(run.token) is None
    assert await store.sweep() == 1


async def test_an_answer_that_cannot_be_stored_is_a_failure_that_says_so() -> None:
    store = MemoryStore()
    runs = Continuations(store)
    odd = HostedRunResult(
        AgentResponse(messages=[Message("assistant", ["x"], additional_properties={"odd": object()})])
    )
    run = await minted(runs, store)
    await store.commit([runs.completed(run, odd)])
    found = await runs.get(run.token)
    assert (found.status, found.error, found.public().result) == ("failed", NOT_STORABLE, None)


async def test_runs_are_bounded_in_number() -> None:
    store = MemoryStore()
    for number in range(TOKENS.expiry.most + 3):
        await store.commit([Put(TOKENS.name, f"{number:05}", "")])
    assert await Catalog(store, [TOKENS]).tidy() == 3
    assert [key for key, _ in await store.scan(TOKENS.name, limit=1)] == ["00003"]


async def test_the_next_process_finds_them_by_their_turn_and_sets_aside_what_it_cannot_read(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = HandClock()
    store = MemoryStore(clock)
    first = Continuations(store)
    old = await minted(first, store)
    await store.commit([first.failed(old, "no"), Put("continuations", "bad", "garbage")])
    clock.advance(A_DAY / 2)
    young = await minted(first, store)
    await store.commit([first.failed(young, "no")])
    clock.advance(A_DAY / 2)
    second = Continuations(store)
    assert await second.of_turns({"turn", "another"}) == [young.token]
    assert await second.of_turns({"another"}) == []
    assert await store.get("continuations.unreadable", "bad") == "garbage"
    assert "set aside" in caplog.text
