from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from agent_framework_hosting.errors import PermanentPushError, RetryLater, UncertainSend
from agent_framework_hosting.model.durable import TaskHandle, TaskStatus
from agent_framework_hosting.ports import DurableTaskRunner, Put
from agent_framework_hosting.records import Catalog, Names
from agent_framework_hosting.state.disk import DiskStore
from agent_framework_hosting.tasks.inprocess import InProcessTaskRunner
from agent_framework_hosting.tasks.record import RECEIPTS, TASKS
from agent_framework_hosting.tasks.table import StoredTaskTable

Worker = Any  # the fixture of conftest.py
UntilEnded = Callable[[DurableTaskRunner, TaskHandle], Awaitable[TaskStatus | None]]


def lane_of(payload: Mapping[str, object]) -> str:
    return str(payload["lane"])


async def filled(directory: Path, worker: Worker, until_ended: UntilEnded) -> dict[str, str]:
    """Leave one task of each kind behind; return their ids by kind."""
    runner = InProcessTaskRunner(state_dir=directory)
    runner.register("push", worker, lane=lane_of, on_uncertain=lambda _: "unknown")
    worker.outcomes.extend([PermanentPushError("gone"), UncertainSend("timeout"), "receipt", RetryLater(3600)])
    ids: dict[str, str] = {}
    for kind in ("dead", "unknown", "succeeded", "pending"):
        handle = await runner.schedule("push", {"n": kind, "lane": f"lane {kind}"})
        ids[kind] = handle.task_id
        if kind == "pending":
            await worker.started.acquire()
            while (await runner.get(handle)) is not TaskStatus.SCHEDULED:
                await asyncio.sleep(0.001)
        else:
            await until_ended(runner, handle)
            await worker.started.acquire()
    await runner.shutdown()
    return ids


@pytest.mark.anyio
async def test_a_stopped_hosts_tasks_are_listed_and_shown(
    tmp_path: Path, worker: Worker, until_ended: UntilEnded
) -> None:
    ids = await filled(tmp_path, worker, until_ended)
    store = DiskStore(tmp_path)
    await store.open()
    table = StoredTaskTable(store)
    assert [record.id for record in await table.list()] == list(ids.values())
    assert [record.status for record in await table.list(status=["dead", "unknown"])] == ["dead", "unknown"]
    assert [record.id for record in await table.list(lane="lane dead")] == [ids["dead"]]
    assert await table.list(name="other") == []
    assert [record.status for record in await table.list(limit=1)] == ["dead"]
    assert [record.status for record in await table.list(after=ids["unknown"])] == ["succeeded", "pending"]
    assert await table.counts() == {
        "pending": 1,
        "succeeded": 1,
        "dead": 1,
        "unknown": 1,
        "cancelled": 0,
        "unreadable": 0,
    }
    dead = await table.get(ids["dead"])
    assert dead is not None
    shown = dead.to_dict()
    assert shown["payload"] == {"n": "dead", "lane": "lane dead"}
    assert (shown["status"], shown["attempts"], shown["last_error"]) == ("dead", 1, "PermanentPushError: gone")
    assert await table.get("no such id") is None
    await store.commit([Put(TASKS.name, "0", "damaged")])
    assert len(await table.list()) == 4
    assert await table.get("0") is None
    assert (await table.counts())["unreadable"] == 1
    await store.close()


@pytest.mark.anyio
async def test_dead_and_unknown_tasks_are_replayed_by_the_next_start(
    tmp_path: Path, worker: Worker, until_ended: UntilEnded
) -> None:
    ids = await filled(tmp_path, worker, until_ended)
    store = DiskStore(tmp_path)
    await store.open()
    table = StoredTaskTable(store)
    for kind in ("dead", "unknown"):
        assert (await table.replay(ids[kind])).attempts == 0
    for kind in ("pending", "succeeded"):
        with pytest.raises(ValueError, match=f"is {kind}; only dead and unknown"):
            await table.replay(ids[kind])
    with pytest.raises(KeyError):
        await table.replay("no such id")
    await store.close()
    worker.seen.clear()
    runner = InProcessTaskRunner(state_dir=tmp_path)
    runner.register("push", worker, lane=lane_of)
    assert await runner.resume() == 3
    for kind in ("dead", "unknown"):
        assert await until_ended(runner, TaskHandle(ids[kind], "push")) is TaskStatus.SUCCEEDED
    assert sorted(worker.seen) == [("dead", 1, False), ("unknown", 1, False)]
    await runner.shutdown()


@pytest.mark.anyio
async def test_tasks_are_dropped_and_purged(tmp_path: Path, worker: Worker, until_ended: UntilEnded) -> None:
    ids = await filled(tmp_path, worker, until_ended)
    store = DiskStore(tmp_path)
    await store.open()
    table = StoredTaskTable(store)
    assert (await table.drop(ids["pending"])).status == "pending"
    with pytest.raises(KeyError):
        await table.drop(ids["pending"])
    with pytest.raises(ValueError, match="one by one"):
        await table.purge(status=["pending"])
    assert await table.purge(finished_before=time.time() - 3600) == 0
    assert await table.purge(lane="lane dead") == 1
    assert await table.purge() == 1
    assert await table.purge(status=["succeeded"], name="push") == 1
    assert await table.list() == []
    await store.close()


@pytest.mark.anyio
async def test_a_live_runner_tries_a_replayed_task_at_once_and_keeps_count(
    worker: Worker, until_ended: UntilEnded
) -> None:
    runner = InProcessTaskRunner()
    runner.register("push", worker)
    worker.outcomes.append(PermanentPushError("gone"))
    task = await runner.schedule("push", {})
    assert await until_ended(runner, task) is TaskStatus.FAILED
    assert runner.counts()["dead"] == 1
    await runner.tasks.replay(task.task_id)
    assert await until_ended(runner, task) is TaskStatus.SUCCEEDED
    assert runner.counts() == {"pending": 0, "succeeded": 1, "dead": 0, "unknown": 0, "cancelled": 0}
    assert await runner.tasks.purge(status=["succeeded"]) == 1
    assert runner.counts()["succeeded"] == 0
    assert await runner.get(task) is None
    await runner.shutdown()


@pytest.mark.anyio
async def test_a_live_runner_drops_what_waits_and_refuses_what_runs(worker: Worker, until_ended: UntilEnded) -> None:
    runner = InProcessTaskRunner()
    runner.register("push", worker, lane=lane_of)
    worker.gate.clear()
    tasks = [await runner.schedule("push", {"n": str(n), "lane": "a"}) for n in range(3)]
    await worker.started.acquire()
    with pytest.raises(ValueError, match="being tried at this moment"):
        await runner.tasks.drop(tasks[0].task_id)
    await runner.tasks.drop(tasks[1].task_id)
    worker.gate.set()
    assert await until_ended(runner, tasks[2]) is TaskStatus.SUCCEEDED
    assert worker.order == ["0", "2"]
    assert await runner.get(tasks[1]) is None
    assert runner.counts() == {"pending": 0, "succeeded": 2, "dead": 0, "unknown": 0, "cancelled": 0}
    await runner.shutdown()


@pytest.mark.anyio
async def test_dropping_a_head_that_waits_frees_its_lane(worker: Worker, until_ended: UntilEnded) -> None:
    runner = InProcessTaskRunner()
    runner.register("push", worker, lane=lane_of)
    worker.outcomes.append(RetryLater(3600))
    head = await runner.schedule("push", {"n": "head", "lane": "a"})
    follower = await runner.schedule("push", {"n": "follower", "lane": "a"})
    while (await runner.tasks.list(lane="a"))[0].last_error is None:
        await asyncio.sleep(0.001)
    while await runner.get(head) is not TaskStatus.SCHEDULED:
        await asyncio.sleep(0.001)
    assert await runner.get(follower) is TaskStatus.SCHEDULED
    await runner.tasks.drop(head.task_id)
    assert await until_ended(runner, follower) is TaskStatus.SUCCEEDED
    await runner.shutdown()


@pytest.mark.anyio
async def test_whom_a_task_is_about_is_found_whether_it_waits_or_has_ended(
    worker: Worker, until_ended: UntilEnded
) -> None:
    runner = InProcessTaskRunner()
    runner.register("push", worker, lane=lambda payload: json.dumps([*payload["to"].values(), {}]))  # type: ignore[attr-defined]
    worker.outcomes.extend([PermanentPushError("gone"), PermanentPushError("gone")])
    ada, bob = ({"channel": "echo", "native_id": name} for name in ("ada", "bob"))
    payloads = [
        {"to": ada, "destination": ada},
        {"to": bob, "destination": bob, "request": {"identity": ada}},
        {"to": ada, "destination": ada},
        {"to": bob, "destination": bob, "request": {"identity": bob}},
    ]
    tasks = [await runner.schedule("push", payload) for payload in payloads]
    for task in tasks:
        await until_ended(runner, task)
    names = Names(frozenset(), frozenset({("echo", "ada")}))
    found = [each async for each in Catalog(runner.store, runner.tables).about(names)]
    assert {(each.table, each.key) for each in found} == {
        (TASKS.name, tasks[0].task_id),
        (TASKS.name, tasks[1].task_id),
        (RECEIPTS.name, tasks[2].task_id),
    }
    await runner.shutdown()
