"""Several hosts on one store: whose a task is, and who takes it up when its host lives no more."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from agent_framework_hosting.errors import Fenced, PermanentPushError, RetryLater
from agent_framework_hosting.model.durable import TaskHandle, TaskStatus
from agent_framework_hosting.ports import DurableTaskRunner, Stored
from agent_framework_hosting.state.memory import MemoryStore
from agent_framework_hosting.state.ownership import LEASE_SECONDS, Ownership
from agent_framework_hosting.tasks.inprocess import InProcessTaskRunner
from agent_framework_hosting.tasks.record import RECEIPTS, TASKS

Worker = Any  # the fixture of conftest.py
UntilEnded = Callable[[DurableTaskRunner, TaskHandle], Awaitable[TaskStatus | None]]


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now

    def outlast_leases(self) -> None:
        self.now += LEASE_SECONDS + 1


class YieldingStore(MemoryStore):
    """Lets others go on between a read and what is decided on it."""

    async def read(self, table: str, key: str) -> Stored | None:
        found = await super().read(table, key)
        await asyncio.sleep(0)
        return found


class Hosts:
    """Starts of hosts on one store, each with a runner and a lease."""

    def __init__(self, clock: Clock, store: MemoryStore) -> None:
        self.clock = clock
        self.store = store
        self.started: list[tuple[InProcessTaskRunner, Ownership]] = []

    async def start(self, worker: Worker, name: str = "push") -> tuple[InProcessTaskRunner, Ownership]:
        ownership = Ownership(self.store, shared=True)
        await ownership.begin()
        runner = InProcessTaskRunner(shutdown_grace_seconds=0)
        runner.register(name, worker, lane=lambda payload: str(payload.get("lane", "")))
        runner.keep_in(self.store, ownership)
        self.started.append((runner, ownership))
        return runner, ownership

    async def end(self, runner: InProcessTaskRunner) -> None:
        await runner.shutdown()
        await next(ownership for each, ownership in self.started if each is runner).end()


@pytest.fixture
async def hosts() -> AsyncIterator[Hosts]:
    clock = Clock()
    made = Hosts(clock, YieldingStore(clock))
    yield made
    for runner, _ in made.started:
        await made.end(runner)


@pytest.fixture
def other_worker(worker: Worker) -> Worker:
    return type(worker)()


@pytest.mark.anyio
async def test_what_a_living_host_holds_is_left_alone_and_taken_up_once_when_it_is_dead(
    hosts: Hosts, worker: Worker, other_worker: Worker, until_ended: UntilEnded, caplog: pytest.LogCaptureFixture
) -> None:
    first, owner = await hosts.start(worker)
    worker.gate.clear()
    tasks = [await first.schedule("push", {"n": str(n), "lane": "one"}) for n in range(3)]
    await worker.started.acquire()
    second, _ = await hosts.start(other_worker)
    third, _ = await hosts.start(other_worker)
    assert (await second.resume(), await second.take_over(owner.owner.id)) == (0, 0)
    mine = await second.schedule("push", {"n": "mine", "lane": "one"})
    assert await until_ended(second, mine) is TaskStatus.SUCCEEDED
    assert other_worker.order == ["mine"]

    hosts.clock.outlast_leases()
    dead = owner.owner.id
    taken = await asyncio.gather(second.take_over(dead), third.take_over(dead))
    assert sorted(taken) == [0, 3]
    taker = second if taken[0] else third
    assert [await until_ended(taker, task) for task in tasks] == [TaskStatus.SUCCEEDED] * 3
    assert other_worker.seen[1:] == [("0", 2, True), ("1", 1, False), ("2", 1, False)]
    kept = dict(await hosts.store.scan(RECEIPTS.name))

    worker.gate.set()
    async with asyncio.timeout(20):
        while first.counts()["pending"]:
            await asyncio.sleep(0)
    assert worker.order == ["0"]
    assert dict(await hosts.store.scan(RECEIPTS.name)) == kept
    assert await hosts.store.count(TASKS.name) == 0
    told = [record for record in caplog.records if "taken over by another host" in record.message]
    assert [record.levelno for record in told] == [logging.WARNING]


@pytest.mark.anyio
async def test_a_host_that_starts_takes_what_dead_ones_left(
    hosts: Hosts, worker: Worker, other_worker: Worker, until_ended: UntilEnded
) -> None:
    living, _ = await hosts.start(worker)
    worker.gate.clear()
    left = await living.schedule("push", {"n": "theirs"})
    dying, _ = await hosts.start(worker)
    tasks = [await dying.schedule("push", {"n": str(n)}) for n in range(5)]
    await hosts.end(dying)
    starting, _ = await hosts.start(other_worker)
    assert await starting.resume() == 5
    assert [await until_ended(starting, task) for task in tasks] == [TaskStatus.SUCCEEDED] * 5
    assert sorted(other_worker.order) == list("01234")
    assert await living.get(left) is TaskStatus.RUNNING


@pytest.mark.anyio
async def test_nobodys_tasks_are_taken_once_by_hosts_that_start_together(
    hosts: Hosts, worker: Worker, until_ended: UntilEnded
) -> None:
    before = InProcessTaskRunner(store=hosts.store)  # a host-core that knew no owners
    before.register("push", worker)
    tasks = [before.prepare("push", {"n": str(n)}) for n in range(150)]
    await hosts.store.commit([task.write for task in tasks])
    runners = [(await hosts.start(worker))[0] for _ in range(3)]
    taken = await asyncio.gather(*(runner.resume() for runner in runners))
    assert sum(taken) == 150
    for task in tasks:
        for runner in runners:
            assert await until_ended(runner, task.handle) is TaskStatus.SUCCEEDED
    assert sorted(worker.order) == sorted(str(n) for n in range(150))


@pytest.mark.anyio
async def test_a_host_that_was_expelled_accepts_nothing_under_its_old_name(hosts: Hosts, worker: Worker) -> None:
    first, owner = await hosts.start(worker)
    second, _ = await hosts.start(worker)
    await first.open()
    hosts.clock.outlast_leases()
    assert await second.take_over(owner.owner.id) == 0
    with pytest.raises(Fenced):
        await first.schedule("push", {"n": "late"})
    assert await hosts.store.count(TASKS.name) == 0
    assert first.counts()["pending"] == 0


@pytest.mark.anyio
async def test_an_operator_settles_dead_letters_on_any_host_and_drops_only_what_is_not_held_elsewhere(
    hosts: Hosts, worker: Worker, other_worker: Worker, until_ended: UntilEnded
) -> None:
    first, _ = await hosts.start(worker)
    worker.outcomes.extend([PermanentPushError("gone"), RetryLater(3600)])
    dead, waiting = [await first.schedule("push", {"n": n, "lane": n}) for n in ("dead", "waiting")]
    assert await until_ended(first, dead) is TaskStatus.FAILED
    second, _ = await hosts.start(other_worker)
    await second.resume()
    with pytest.raises(ValueError, match="held by another host"):
        await second.tasks.drop(waiting.task_id)
    await second.tasks.replay(dead.task_id)
    assert await until_ended(second, dead) is TaskStatus.SUCCEEDED
    assert other_worker.order == ["dead"]
    assert (await first.tasks.drop(waiting.task_id)).status == "pending"
    assert await second.get(waiting) is None


@pytest.mark.anyio
async def test_what_has_no_handler_here_is_left_to_a_host_that_has_it(
    hosts: Hosts, worker: Worker, other_worker: Worker, until_ended: UntilEnded, caplog: pytest.LogCaptureFixture
) -> None:
    first, owner = await hosts.start(worker)
    worker.gate.clear()
    task = await first.schedule("push", {"n": "1"})
    await worker.started.acquire()
    dead = owner.owner.id
    hosts.clock.outlast_leases()
    without, _ = await hosts.start(other_worker, name="other")
    assert (await without.resume(), await without.take_over(dead)) == (0, 0)
    assert "1 pending tasks named 'push' wait for a handler" in caplog.text
    await hosts.end(without)
    later, _ = await hosts.start(other_worker)
    assert await later.take_over(dead) == 1
    assert await until_ended(later, task) is TaskStatus.SUCCEEDED
