"""Shutdown, restart, resume: what runs again, in which order, and what is set aside."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from agent_framework_hosting.model.durable import RetryPolicy, TaskHandle, TaskStatus
from agent_framework_hosting.ports import DurableTaskRunner, Put
from agent_framework_hosting.state.disk import DiskStore
from agent_framework_hosting.state.memory import MemoryStore
from agent_framework_hosting.tasks.inprocess import InProcessTaskRunner
from agent_framework_hosting.tasks.record import RECEIPTS, TASKS
from agent_framework_hosting.tasks.table import StoredTaskTable

Worker = Any  # the fixture of conftest.py
UntilEnded = Callable[[DurableTaskRunner, TaskHandle], Awaitable[TaskStatus | None]]
AT_ONCE = RetryPolicy(max_attempts=3, initial_backoff_seconds=0)


def by_lane(payload: Mapping[str, object]) -> str:
    return str(payload["lane"])


@pytest.mark.anyio
async def test_shutdown_lets_running_attempts_end_and_starts_no_more(worker: Worker) -> None:
    store = MemoryStore()
    runner = InProcessTaskRunner(store=store)
    runner.register("push", worker, lane=by_lane)
    worker.gate.clear()
    first = await runner.schedule("push", {"n": "1", "lane": "a"})
    second = await runner.schedule("push", {"n": "2", "lane": "a"})
    await worker.started.acquire()
    stopping = asyncio.ensure_future(runner.shutdown())
    await asyncio.sleep(0)
    with pytest.raises(RuntimeError, match="shut down"):
        await runner.schedule("push", {"lane": "a"})
    worker.gate.set()
    await stopping
    assert worker.order == ["1"]
    assert await runner.get(first) is TaskStatus.SUCCEEDED
    assert await runner.get(second) is TaskStatus.CANCELLED


@pytest.mark.anyio
async def test_in_memory_a_cut_off_attempt_ends_cancelled(worker: Worker) -> None:
    runner = InProcessTaskRunner(shutdown_grace_seconds=0)
    runner.register("push", worker)
    worker.gate.clear()
    task = await runner.schedule("push", {})
    await worker.started.acquire()
    await runner.shutdown()
    await runner.shutdown()
    assert await runner.get(task) is TaskStatus.CANCELLED
    assert runner.counts()["cancelled"] == 1


@pytest.mark.anyio
async def test_on_disk_a_cut_off_attempt_is_replayed_as_a_possible_duplicate(
    tmp_path: Path, worker: Worker, until_ended: UntilEnded
) -> None:
    first = InProcessTaskRunner(state_dir=tmp_path)
    first.register("push", worker, lane=by_lane)
    worker.gate.clear()
    handles = [await first.schedule("push", {"n": str(n), "lane": "a"}, retry_policy=AT_ONCE) for n in range(3)]
    await worker.started.acquire()
    await first.shutdown(timeout=0)
    assert [await first.get(handle) for handle in handles] == [TaskStatus.SCHEDULED] * 3
    assert worker.seen == [("0", 1, False)]
    worker.gate.set()
    second = InProcessTaskRunner(state_dir=tmp_path)
    second.register("push", worker, lane=by_lane)
    assert await second.resume() == 3
    assert [await until_ended(second, handle) for handle in handles] == [TaskStatus.SUCCEEDED] * 3
    assert worker.seen[1:] == [("0", 2, True), ("1", 1, False), ("2", 1, False)]
    assert await second.resume() == 0
    await second.shutdown()


@pytest.mark.anyio
async def test_a_runner_can_be_started_again(tmp_path: Path, worker: Worker, until_ended: UntilEnded) -> None:
    runner = InProcessTaskRunner(state_dir=tmp_path)
    runner.register("push", worker)
    worker.gate.clear()
    task = await runner.schedule("push", {"n": "1"})
    await worker.started.acquire()
    await runner.shutdown(timeout=0)
    worker.gate.set()
    assert await runner.resume() == 1
    assert await until_ended(runner, task) is TaskStatus.SUCCEEDED
    other = await runner.schedule("push", {"n": "2"})
    assert await until_ended(runner, other) is TaskStatus.SUCCEEDED
    assert runner.counts()["succeeded"] == 2
    await runner.shutdown()


@pytest.mark.anyio
async def test_what_was_scheduled_before_the_resume_comes_after_what_is_older(
    tmp_path: Path, worker: Worker, until_ended: UntilEnded
) -> None:
    store = DiskStore(tmp_path)
    first = InProcessTaskRunner(store=store)
    first.register("push", worker, lane=by_lane)
    await store.open()
    old = [first.prepare("push", {"n": f"old{n}", "lane": "a"}) for n in range(150)]
    await store.commit([task.write for task in old])
    second = InProcessTaskRunner(store=store)
    second.register("push", worker, lane=by_lane)
    new = second.prepare("push", {"n": "new", "lane": "a"})
    await store.commit([new.write])
    second.start(new)

    async def start() -> int:
        await second.open()
        return await second.resume()

    resuming = asyncio.ensure_future(start())
    await asyncio.sleep(0)
    newest = await second.schedule("push", {"n": "newest", "lane": "a"})
    assert await resuming in {150, 151}
    assert await until_ended(second, newest) is TaskStatus.SUCCEEDED
    assert worker.order == [f"old{n}" for n in range(150)] + ["new", "newest"]
    counts = second.counts()
    assert (counts["pending"], counts["succeeded"]) == (0, 152)
    await second.shutdown()
    await store.close()


@pytest.mark.anyio
async def test_unreadable_records_are_set_aside_and_named_and_the_rest_goes_on(
    tmp_path: Path, worker: Worker, until_ended: UntilEnded, caplog: pytest.LogCaptureFixture
) -> None:
    store = DiskStore(tmp_path)
    await store.open()
    first = InProcessTaskRunner(store=store)
    first.register("push", worker)
    good, newer = first.prepare("push", {"n": "good"}), first.prepare("push", {"n": "newer"})
    assert isinstance(newer.write, Put)
    future = newer.write.text.replace('"v":1', '"v":99')
    bad = [Put(TASKS.name, "0bad", "\x80\x04."), Put(TASKS.name, newer.handle.task_id, future)]
    await store.commit([good.write, *bad])
    second = InProcessTaskRunner(store=store)
    second.register("push", worker)
    assert await second.resume() == 1
    assert await until_ended(second, good.handle) is TaskStatus.SUCCEEDED
    assert caplog.text.count(f"was set aside in table {TASKS.aside}") == 2
    assert "newer host-core" in caplog.text
    assert dict(await store.scan(TASKS.aside)) == {write.key: write.text for write in bad}
    await second.shutdown()
    await store.commit([Put(TASKS.aside, newer.handle.task_id, newer.write.text)])  # as an upgraded host would read it
    third = InProcessTaskRunner(store=store)
    third.register("push", worker)
    assert await third.resume() == 1
    assert await until_ended(third, newer.handle) is TaskStatus.SUCCEEDED
    assert await store.count(TASKS.aside) == 1
    await third.shutdown()
    await store.close()


@pytest.mark.anyio
async def test_tasks_without_a_handler_wait_and_are_named(
    tmp_path: Path, worker: Worker, until_ended: UntilEnded, caplog: pytest.LogCaptureFixture
) -> None:
    first = InProcessTaskRunner(state_dir=tmp_path)
    first.register("gone", worker)
    worker.gate.clear()
    task = await first.schedule("gone", {"n": "1"})
    await first.shutdown(timeout=0)
    worker.gate.set()
    without = InProcessTaskRunner(state_dir=tmp_path)
    without.register("other", worker)
    assert await without.resume() == 0
    assert "1 pending tasks named 'gone' wait for a handler" in caplog.text
    assert await without.get(task) is TaskStatus.SCHEDULED
    await without.shutdown()
    third = InProcessTaskRunner(state_dir=tmp_path)
    third.register("gone", worker)
    assert await third.resume() == 1
    assert await until_ended(third, task) is TaskStatus.SUCCEEDED
    await third.shutdown()


def test_a_runner_serves_one_loop_after_another(tmp_path: Path, worker: Worker, until_ended: UntilEnded) -> None:
    runner = InProcessTaskRunner(state_dir=tmp_path)
    runner.register("push", worker)
    worker.gate.clear()

    async def first() -> TaskHandle:
        task = await runner.schedule("push", {"n": "1"}, retry_policy=AT_ONCE)
        await worker.started.acquire()
        return task

    async def second(task: TaskHandle) -> TaskStatus | None:
        worker.gate.set()
        other = await runner.schedule("push", {"n": "2"})
        await until_ended(runner, other)
        status = await until_ended(runner, task)
        await runner.shutdown()
        return status

    task = asyncio.run(first())
    worker.gate = asyncio.Event()
    assert asyncio.run(second(task)) is TaskStatus.SUCCEEDED


FIRST_EDITION = (
    '{{"kind":"task","v":1,"data":{{"id":"{id}","name":"push","lane":"a","status":"{status}","attempts":{attempts},'
    '"max_attempts":5,"backoff":[1.0,2.0,60.0],"created":1.0,"next_attempt":1.0,"payload_json":{{"n":"{id}"}},'
    '"receipt_json":"r","finished":{finished},"last_error":null,"maybe_duplicate":false,"in_attempt":false,"tries":[]}}}}'
)


@pytest.mark.anyio
@pytest.mark.parametrize("size", [0, 2, 1024])
async def test_what_the_first_edition_kept_is_read_moved_and_bounded(
    size: int, worker: Worker, until_ended: UntilEnded
) -> None:
    store = MemoryStore()
    old = {"1": ("succeeded", 1, 3.0), "2": ("pending", 0, "null"), "3": ("succeeded", 1, 2.0), "4": ("dead", 5, 4.0)}
    for task_id, (status, attempts, finished) in old.items():
        text = FIRST_EDITION.format(id=task_id, status=status, attempts=attempts, finished=finished)
        await store.commit([Put(TASKS.name, task_id, text)])
    assert [(each.id, each.status) for each in await StoredTaskTable(store).list()] == [
        (task_id, status) for task_id, (status, *_) in old.items()
    ]
    runner = InProcessTaskRunner(store=store, terminal_cache_size=size)
    runner.register("push", worker, lane=by_lane)
    assert await runner.resume() == 1
    await until_ended(runner, TaskHandle("2", "push"))
    assert [key for key, _ in await store.scan(TASKS.name)] == ["4"]
    kept = [key for key, _ in await store.scan(RECEIPTS.name)]
    assert kept == {0: [], 2: ["1", "2"], 1024: ["1", "2", "3"]}[size]  # those that ended last
    assert runner.counts()["succeeded"] == len(kept)
    assert [await runner.get(TaskHandle(task_id, "push")) for task_id in kept] == [TaskStatus.SUCCEEDED] * len(kept)
    await runner.shutdown()


class LongStocktaking(MemoryStore):
    """A store whose scan takes its time before it says that there is no more."""

    def __init__(self) -> None:
        super().__init__()
        self.go_on = asyncio.Event()

    async def scan(self, table: str, *, prefix: str = "", after: str = "", limit: int = 1000):
        page = await super().scan(table, prefix=prefix, after=after, limit=limit)
        if table == TASKS.name and after:
            await self.go_on.wait()
        return page


@pytest.mark.anyio
async def test_a_task_that_is_done_before_resume_is_through_is_not_done_again(worker: Worker) -> None:
    store = LongStocktaking()
    runner = InProcessTaskRunner(store=store)
    runner.register("push", worker)
    task, *others = [runner.prepare("push", {"n": str(n)}) for n in range(100)]
    await store.commit([each.write for each in (task, *others)])
    resuming = asyncio.ensure_future(runner.resume())
    async with asyncio.timeout(10):
        await worker.started.acquire()
        while await runner.get(task.handle) is not TaskStatus.SUCCEEDED:
            await asyncio.sleep(0)
    runner.start(task)  # whoever committed it comes back only now
    store.go_on.set()
    await resuming
    last = await runner.schedule("push", {"n": "last"})
    async with asyncio.timeout(10):
        while await runner.get(last) is not TaskStatus.SUCCEEDED:
            await asyncio.sleep(0)
    await runner.shutdown()
    assert worker.order == [*map(str, range(100)), "last"]
    assert runner.counts()["succeeded"] == 101
