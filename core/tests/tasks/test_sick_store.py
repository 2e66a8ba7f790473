"""A store that fails for a while under a running runner."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest

from agent_framework_hosting.errors import StoreError
from agent_framework_hosting.model.durable import TaskHandle, TaskStatus
from agent_framework_hosting.ports import DurableTask, DurableTaskRunner, Write
from agent_framework_hosting.state.memory import MemoryStore
from agent_framework_hosting.tasks.inprocess import InProcessTaskRunner

Worker = Any  # the fixture of conftest.py
UntilEnded = Callable[[DurableTaskRunner, TaskHandle], Awaitable[TaskStatus | None]]


class SickStore(MemoryStore):
    """Refuses commits while ``sick`` is set, and lets a test wait for a refusal."""

    def __init__(self) -> None:
        super().__init__()
        self.sick = False
        self.refused = asyncio.Event()

    async def commit(self, writes: Sequence[Write]) -> int:
        if self.sick:
            self.refused.set()
            raise StoreError("The disk is full.")
        return await super().commit(writes)


@pytest.mark.anyio
async def test_what_cannot_be_stored_is_not_accepted(worker: Worker) -> None:
    store = SickStore()
    runner = InProcessTaskRunner(store=store)
    runner.register("push", worker)
    store.sick = True
    with pytest.raises(StoreError, match="disk is full"):
        await runner.schedule("push", {})
    store.sick = False
    assert await runner.tasks.list() == []
    assert runner.counts()["pending"] == 0
    await runner.shutdown()
    assert worker.seen == []


@pytest.mark.anyio
async def test_no_attempt_is_made_before_it_can_be_written_down(worker: Worker, until_ended: UntilEnded) -> None:
    store = SickStore()
    runner = InProcessTaskRunner(store=store)
    runner.register("push", worker)
    await runner.open()
    task = runner.prepare("push", {"n": "1"})
    await store.commit([task.write])
    store.sick = True
    runner.start(task)
    await store.refused.wait()
    assert worker.seen == []
    assert await runner.get(task.handle) is TaskStatus.RUNNING
    store.sick = False
    assert await until_ended(runner, task.handle) is TaskStatus.SUCCEEDED
    assert worker.seen == [("1", 1, False)]
    await runner.shutdown()


@pytest.mark.anyio
async def test_an_attempt_that_succeeded_is_not_made_again_for_want_of_disk(until_ended: UntilEnded) -> None:
    store = SickStore()
    sends: list[str] = []

    async def send(task: DurableTask) -> str:
        sends.append(task.task_id)
        store.sick = True
        return "receipt"

    runner = InProcessTaskRunner(store=store, terminal_cache_size=5)
    runner.register("push", send)
    task = await runner.schedule("push", {})
    await store.refused.wait()
    assert await runner.get(task) is TaskStatus.RUNNING
    store.sick = False
    assert await until_ended(runner, task) is TaskStatus.SUCCEEDED
    assert sends == [task.task_id]
    record = await runner.tasks.get(task.task_id)
    assert record is not None
    assert record.receipt == "receipt"
    assert runner.counts()["succeeded"] == 1
    await runner.shutdown()


@pytest.mark.anyio
async def test_a_shutdown_does_not_wait_for_a_sick_store(worker: Worker) -> None:
    store = SickStore()
    runner = InProcessTaskRunner(store=store, shutdown_grace_seconds=0)
    runner.register("push", worker)
    task = runner.prepare("push", {})
    await runner.open()
    await store.commit([task.write])
    store.sick = True
    runner.start(task)
    await store.refused.wait()
    await runner.shutdown()
    assert worker.seen == []
    assert await runner.get(task.handle) is TaskStatus.SCHEDULED


@pytest.mark.anyio
async def test_a_failed_drop_leaves_the_task_waiting(worker: Worker, until_ended: UntilEnded) -> None:
    store = SickStore()
    runner = InProcessTaskRunner(store=store)
    runner.register("push", worker, lane=lambda _: "one")
    worker.gate.clear()
    first = await runner.schedule("push", {"n": "1"})
    second = await runner.schedule("push", {"n": "2"})
    await worker.started.acquire()
    store.sick = True
    with pytest.raises(StoreError):
        await runner.tasks.drop(second.task_id)
    store.sick = False
    worker.gate.set()
    assert await until_ended(runner, second) is TaskStatus.SUCCEEDED
    assert await until_ended(runner, first) is TaskStatus.SUCCEEDED
    assert worker.order == ["1", "2"]
    await runner.shutdown()
