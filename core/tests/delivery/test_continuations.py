"""Background runs: their token, their states, and how long they are kept."""

from __future__ import annotations

import pytest
from agent_framework import AgentResponse, Message

from agent_framework_hosting.delivery.continuations import NOT_STORABLE, Continuation, Continuations
from agent_framework_hosting.model.result import HostedRunResult
from agent_framework_hosting.ports import Put
from agent_framework_hosting.state.memory import MemoryStore
from agent_framework_hosting.testing import HandClock

pytestmark = pytest.mark.anyio
ANSWER = HostedRunResult(AgentResponse(messages=[Message("assistant", ["done"])]))


async def minted(runs: Continuations, store: MemoryStore) -> Continuation:
    run, writes = runs.mint("turn")
    await store.commit(writes)
    return run


async def test_a_run_is_found_until_its_time_is_up() -> None:
    clock, store = HandClock(), MemoryStore()
    runs = Continuations(store, ttl_seconds=60, clock=clock)
    run = await minted(runs, store)
    clock.advance(1_000)  # a run under way is never too old
    assert (await runs.get(run.token)).status == "queued"
    await store.commit([runs.running(run)])
    assert (await runs.get(run.token)).status == "running"
    await store.commit([runs.completed(run, ANSWER)])
    found = await runs.get(run.token)
    assert AgentResponse.from_dict(found.public().result).text == "done"
    assert found.public().completed_at > found.public().created_at
    clock.advance(61)
    assert await runs.get(run.token) is None
    await minted(runs, store)
    assert await store.get("continuations", run.token) is None


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


async def test_ended_runs_are_bounded_in_number() -> None:
    clock, store = HandClock(), MemoryStore()
    runs = Continuations(store, limit=2, clock=clock)
    tokens = []
    for _ in range(5):
        clock.advance(1)
        run = await minted(runs, store)
        await store.commit([runs.failed(run, "no")])
        tokens.append(run.token)
    await minted(runs, store)
    assert [await runs.get(token) is not None for token in tokens] == [False] * 3 + [True] * 2


async def test_the_next_process_takes_stock(caplog: pytest.LogCaptureFixture) -> None:
    clock, store = HandClock(), MemoryStore()
    first = Continuations(store, ttl_seconds=60, clock=clock)
    old = await minted(first, store)
    await store.commit([first.failed(old, "no"), Put("continuations", "bad", "garbage")])
    clock.advance(30)
    young = await minted(first, store)
    await store.commit([first.failed(young, "no")])
    clock.advance(31)
    second = Continuations(store, ttl_seconds=60, clock=clock)
    await second.load()
    assert [key for key, _ in await store.scan("continuations")] == [young.token]
    assert await store.get("continuations.unreadable", "bad") == "garbage"
    assert "cannot be read" in caplog.text
    clock.advance(30)
    await minted(second, store)
    assert await store.get("continuations", young.token) is None
