from __future__ import annotations

import asyncio
import contextvars
import math
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from agent_framework_hosting.errors import PermanentPushError, RetryLater, UncertainSend
from agent_framework_hosting.model.durable import DurableTaskPayloadMode, RetryPolicy, TaskHandle, TaskStatus
from agent_framework_hosting.ports import DurableTask, DurableTaskRunner, Put, StoredTask, TransactionalTaskRunner
from agent_framework_hosting.state.disk import DiskStore
from agent_framework_hosting.state.memory import MemoryStore
from agent_framework_hosting.tasks.inprocess import InProcessTaskRunner
from agent_framework_hosting.tasks.record import RECEIPTS, TASKS
from agent_framework_hosting.testing.runner_contract import RunnerContract

Worker = Any  # the fixture of conftest.py
UntilEnded = Callable[[DurableTaskRunner, TaskHandle], Awaitable[TaskStatus | None]]
AT_ONCE = RetryPolicy(max_attempts=3, initial_backoff_seconds=0)


class TestInMemory(RunnerContract):
    def make_runner(self, tmp_path: Path) -> DurableTaskRunner:
        return InProcessTaskRunner()

    async def stop_runner(self, runner: DurableTaskRunner) -> None:
        assert isinstance(runner, InProcessTaskRunner)
        await runner.shutdown()


class TestOnDisk(TestInMemory):
    def make_runner(self, tmp_path: Path) -> DurableTaskRunner:
        return InProcessTaskRunner(state_dir=tmp_path / "runner")


class TestOnAStoreOfTheHost(TestInMemory):
    def make_runner(self, tmp_path: Path) -> DurableTaskRunner:
        return InProcessTaskRunner(store=DiskStore(tmp_path))

    async def stop_runner(self, runner: DurableTaskRunner) -> None:
        assert isinstance(runner, InProcessTaskRunner)
        await runner.shutdown()
        await runner.store.close()


def by_lane(payload: Mapping[str, object]) -> str:
    return str(payload["lane"])


def test_a_constructor_opens_nothing_and_says_what_it_is(tmp_path: Path) -> None:
    runner = InProcessTaskRunner(state_dir=tmp_path / "runner")
    assert runner.payload_mode is DurableTaskPayloadMode.JSON
    assert isinstance(runner, TransactionalTaskRunner)
    assert isinstance(runner, DurableTaskRunner)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ValueError, match="not both"):
        InProcessTaskRunner(state_dir=tmp_path, store=MemoryStore())
    with pytest.raises(ValueError, match="negative"):
        InProcessTaskRunner(terminal_cache_size=-1)


def test_a_name_is_registered_once() -> None:
    runner = InProcessTaskRunner()

    async def handler(task: DurableTask) -> None:
        del task

    runner.register("push", handler)
    with pytest.raises(ValueError, match="'push' is registered already"):
        runner.register("push", handler)


@pytest.mark.anyio
async def test_a_task_is_also_a_mapping_over_its_payload(until_ended: UntilEnded) -> None:
    seen: list[object] = []

    async def handler(task: Any) -> None:
        seen.append(task == {"x": 1, "y": [2]})
        seen.append(task["x"])
        seen.append({**task})
        seen.append(len(task))
        seen.append("y" in task)

    runner = InProcessTaskRunner()
    runner.register("push", handler)
    await until_ended(runner, await runner.schedule("push", {"x": 1, "y": [2]}))
    assert seen == [True, 1, {"x": 1, "y": [2]}, 2, True]
    await runner.shutdown()


@pytest.mark.anyio
async def test_tasks_share_no_context(until_ended: UntilEnded) -> None:
    mine = contextvars.ContextVar("mine", default="nobody")
    seen: list[str] = []

    async def handler(task: DurableTask) -> None:
        seen.append(mine.get())
        mine.set(task.task_id)

    runner = InProcessTaskRunner()
    runner.register("push", handler)
    mine.set("the caller")
    for _ in range(2):
        await until_ended(runner, await runner.schedule("push", {}))
    assert seen == ["nobody", "nobody"]
    await runner.shutdown()


@pytest.mark.anyio
async def test_a_retrying_head_blocks_its_lane_and_no_other(worker: Worker, until_ended: UntilEnded) -> None:
    runner = InProcessTaskRunner()
    runner.register("push", worker, lane=by_lane)
    worker.outcomes.extend([RetryLater(0.1), OSError("again")])
    tasks = [
        await runner.schedule("push", {"n": f"{lane}{n}", "lane": lane}, retry_policy=AT_ONCE)
        for n in range(2)
        for lane in "ab"
    ]
    assert [await until_ended(runner, task) for task in tasks] == [TaskStatus.SUCCEEDED] * 4
    a = [(n, attempt) for n, attempt, _ in worker.seen if n.startswith("a")]
    b = [(n, attempt) for n, attempt, _ in worker.seen if n.startswith("b")]
    assert a == [("a0", 1), ("a0", 2), ("a1", 1)]
    assert b == [("b0", 1), ("b0", 2), ("b1", 1)]
    assert worker.order.index("b1") < [n for n, attempt, _ in worker.seen].index("a1")
    await runner.shutdown()


@pytest.mark.anyio
async def test_at_most_64_attempts_run_at_a_time(worker: Worker, until_ended: UntilEnded) -> None:
    runner = InProcessTaskRunner()
    runner.register("push", worker)
    worker.gate.clear()
    tasks = await asyncio.gather(*(runner.schedule("push", {"n": n}) for n in range(100)))
    for _ in range(64):
        await worker.started.acquire()
    for _ in range(20):
        await asyncio.sleep(0)
    assert worker.at_once == 64
    worker.gate.set()
    assert {await until_ended(runner, task) for task in tasks} == {TaskStatus.SUCCEEDED}
    assert worker.most_at_once == 64
    await runner.shutdown()


@pytest.mark.anyio
async def test_status_tells_scheduled_from_running(worker: Worker, until_ended: UntilEnded) -> None:
    runner = InProcessTaskRunner()
    runner.register("push", worker, lane=by_lane)
    worker.gate.clear()
    first = await runner.schedule("push", {"lane": "a"})
    second = await runner.schedule("push", {"lane": "a"})
    await worker.started.acquire()
    assert await runner.get(first) is TaskStatus.RUNNING
    assert await runner.get(second) is TaskStatus.SCHEDULED
    worker.gate.set()
    assert await until_ended(runner, second) is TaskStatus.SUCCEEDED
    await runner.shutdown()


@pytest.mark.anyio
async def test_the_receipt_is_kept_and_the_payload_is_not(worker: Worker, until_ended: UntilEnded) -> None:
    runner = InProcessTaskRunner()
    runner.register("push", worker)
    worker.outcomes.extend([{"message_id": 7}, object()])
    first = await runner.schedule("push", {"n": 1})
    await until_ended(runner, first)
    second = await runner.schedule("push", {"n": 2})
    assert await until_ended(runner, second) is TaskStatus.SUCCEEDED
    kept = [await runner.tasks.get(task.task_id) for task in (first, second)]
    assert [record.receipt for record in kept if record] == [{"message_id": 7}, None]
    assert [record.payload for record in kept if record] == [{}, {}]
    await runner.shutdown()


@pytest.mark.anyio
@pytest.mark.parametrize("size", [0, 3])
async def test_the_history_of_successes_is_bounded(size: int, worker: Worker, until_ended: UntilEnded) -> None:
    store = MemoryStore()
    runner = InProcessTaskRunner(store=store, terminal_cache_size=size)
    runner.register("push", worker, lane=lambda _: "one")
    tasks = [await runner.schedule("push", {"n": n}) for n in range(10)]
    await until_ended(runner, tasks[-1])
    await runner.shutdown()
    assert [key for key, _ in await store.scan(RECEIPTS.name)] == [task.task_id for task in tasks[10 - size :]]
    assert [await runner.get(task) for task in tasks[10 - size :]] == [TaskStatus.SUCCEEDED] * size
    assert await runner.get(tasks[0]) is None
    assert runner.counts() == {"pending": 0, "succeeded": size, "dead": 0, "unknown": 0, "cancelled": 0}


@pytest.mark.anyio
async def test_dead_letters_are_never_dropped_silently(worker: Worker, until_ended: UntilEnded) -> None:
    runner = InProcessTaskRunner(terminal_cache_size=1)
    runner.register("push", worker)
    worker.outcomes.extend(PermanentPushError("gone") for _ in range(5))
    tasks = [await runner.schedule("push", {"n": n, "text": "kept"}) for n in range(5)]
    assert [await until_ended(runner, task) for task in tasks] == [TaskStatus.FAILED] * 5
    dead = await runner.tasks.list(status=["dead"])
    assert [record.payload for record in dead] == [{"n": n, "text": "kept"} for n in range(5)]
    assert {record.last_error for record in dead} == {"PermanentPushError: gone"}
    await runner.shutdown()


@pytest.mark.anyio
async def test_an_uncertain_send_is_tried_again_as_a_possible_duplicate(
    worker: Worker, until_ended: UntilEnded
) -> None:
    runner = InProcessTaskRunner()
    runner.register("push", worker)
    worker.outcomes.append(UncertainSend("timeout after the body"))
    task = await runner.schedule("push", {}, retry_policy=AT_ONCE)
    assert await until_ended(runner, task) is TaskStatus.SUCCEEDED
    assert [(attempt, maybe) for _, attempt, maybe in worker.seen] == [(1, False), (2, True)]
    record = await runner.tasks.get(task.task_id)
    assert record is not None
    assert record.maybe_duplicate
    await runner.shutdown()


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("answer", "status", "attempts"),
    [(None, "unknown", 1), ("sent", "succeeded", 1), ("not_sent", "succeeded", 2), (OSError("down"), "unknown", 1)],
)
async def test_an_uncertain_send_can_be_left_unknown_and_reconciled(
    answer: object, status: str, attempts: int, worker: Worker, until_ended: UntilEnded
) -> None:
    asked: list[StoredTask] = []

    async def reconcile(record: StoredTask) -> Any:
        asked.append(record)
        if isinstance(answer, Exception):
            raise answer
        return answer

    runner = InProcessTaskRunner()
    runner.register("push", worker, on_uncertain=lambda payload: payload["declared"], reconcile=reconcile)  # type: ignore[arg-type,return-value]
    worker.outcomes.append(UncertainSend("timeout"))
    task = await runner.schedule("push", {"declared": "unknown"}, retry_policy=AT_ONCE)
    await until_ended(runner, task)
    record = await runner.tasks.get(task.task_id)
    assert record is not None
    assert (record.status, record.attempts, record.maybe_duplicate) == (status, attempts, False)
    assert [found.payload for found in asked] == [{"declared": "unknown"}]
    await runner.shutdown()


@pytest.mark.anyio
async def test_a_handler_that_cancels_itself_has_only_failed(worker: Worker, until_ended: UntilEnded) -> None:
    runner = InProcessTaskRunner()
    runner.register("push", worker)
    worker.outcomes.append(asyncio.CancelledError())
    task = await runner.schedule("push", {}, retry_policy=AT_ONCE)
    assert await until_ended(runner, task) is TaskStatus.SUCCEEDED
    assert len(worker.seen) == 2
    await runner.shutdown()


@pytest.mark.anyio
async def test_a_checkpoint_after_the_attempt_is_refused(until_ended: UntilEnded) -> None:
    kept: list[DurableTask] = []

    async def handler(task: DurableTask) -> None:
        kept.append(task)

    runner = InProcessTaskRunner()
    runner.register("push", handler)
    task = await runner.schedule("push", {"n": 1})
    await until_ended(runner, task)
    with pytest.raises(RuntimeError, match="is over"):
        await kept[0].checkpoint({"n": 2})
    await runner.shutdown()


@pytest.mark.anyio
async def test_what_json_cannot_say_does_not_spoil_a_record(
    tmp_path: Path, worker: Worker, until_ended: UntilEnded
) -> None:
    runner = InProcessTaskRunner(state_dir=tmp_path)
    runner.register("push", worker, lane=lambda _: "lone \ud800")
    worker.outcomes.extend([OSError("lone \udfff"), PermanentPushError("\ud83d")])
    endless = RetryPolicy(max_attempts=9, initial_backoff_seconds=0, max_backoff_seconds=math.inf)
    task = await runner.schedule("push", {"n": "lone \ud800"}, retry_policy=endless)
    assert await until_ended(runner, task) is TaskStatus.FAILED
    record = await runner.tasks.get(task.task_id)
    assert record is not None
    assert (record.lane, record.last_error) == ("lone \ufffd", "PermanentPushError: \ufffd")
    assert record.payload == {"n": "lone \ufffd"}
    await runner.shutdown()


@pytest.mark.anyio
async def test_work_and_its_cause_commit_together(tmp_path: Path, worker: Worker, until_ended: UntilEnded) -> None:
    store = DiskStore(tmp_path)
    await store.open()
    runner = InProcessTaskRunner(store=store)
    runner.register("push", worker)
    await runner.open()
    prepared = runner.prepare("push", {"n": "1"})
    assert await store.count(TASKS.name) == 0
    await store.commit([Put("journal", "turn", "answered"), prepared.write])
    assert worker.seen == []
    assert await runner.get(prepared.handle) is TaskStatus.SCHEDULED
    runner.start(prepared)
    assert await until_ended(runner, prepared.handle) is TaskStatus.SUCCEEDED
    await runner.shutdown()
    assert await store.get("journal", "turn") == "answered"
    await store.close()
