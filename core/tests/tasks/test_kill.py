"""What is left of tasks whose process is killed at any moment."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pytest

from agent_framework_hosting.model.durable import TaskHandle, TaskStatus
from agent_framework_hosting.ports import DurableTask, DurableTaskRunner
from agent_framework_hosting.tasks.inprocess import InProcessTaskRunner

CHILD = Path(__file__).with_name("runner_child.py")
UntilEnded = Callable[[DurableTaskRunner, TaskHandle], Awaitable[TaskStatus | None]]
Worker = Any  # the fixture of conftest.py


@contextmanager
def running(directory: Path, mode: str) -> Iterator[IO[str]]:
    """Run the child and kill it at the end of the block."""
    process = subprocess.Popen(
        [sys.executable, str(CHILD), str(directory), mode], stdout=subprocess.PIPE, text=True, bufsize=1
    )
    assert process.stdout is not None
    try:
        yield process.stdout
    finally:
        process.kill()
        process.wait()


def lane_of(payload: Mapping[str, object]) -> str:
    return str(payload["lane"])


def runner_on(directory: Path) -> InProcessTaskRunner:
    return InProcessTaskRunner(state_dir=directory / "runner", terminal_cache_size=10**6)


@pytest.mark.anyio
async def test_the_cap_on_attempts_survives_kills_inside_attempts(tmp_path: Path, worker: Worker) -> None:
    for said in (["resumed 0", "attempt 1 False"], ["resumed 1", "attempt 2 True"]):
        with running(tmp_path, "hang") as output:
            assert [output.readline().strip() for _ in said] == said
    runner = runner_on(tmp_path)
    runner.register("push", worker, lane=lane_of)
    assert await runner.resume() == 1
    (record,) = await runner.tasks.list()
    while record.status == "pending":
        (record,) = await runner.tasks.list()
    assert (record.status, record.attempts, record.maybe_duplicate) == ("dead", 2, True)
    assert record.payload == {"lane": "a", "echo_done": True}
    assert worker.seen == []
    await runner.shutdown()


@pytest.mark.anyio
async def test_a_kill_between_attempts_keeps_count_and_appointment(tmp_path: Path, worker: Worker) -> None:
    with running(tmp_path, "wait") as output:
        assert output.readline() == "resumed 0\n"
        assert output.readline() == "waiting\n"
    runner = runner_on(tmp_path)
    runner.register("push", worker, lane=lane_of)
    assert await runner.resume() == 1
    (record,) = await runner.tasks.list()
    assert (record.status, record.attempts, record.in_attempt, record.maybe_duplicate) == ("pending", 1, False, False)
    assert record.next_attempt > time.time() + 3000
    assert await runner.get(TaskHandle(record.id, "push")) is TaskStatus.SCHEDULED
    assert worker.seen == []
    await runner.shutdown()


@pytest.mark.anyio
@pytest.mark.parametrize("answer", [None, "sent", "not_sent"])
async def test_a_cut_off_attempt_can_end_unknown_or_be_reconciled(
    tmp_path: Path, worker: Worker, until_ended: UntilEnded, answer: str | None
) -> None:
    with running(tmp_path, "hang") as output:
        assert [output.readline() for _ in range(2)] == ["resumed 0\n", "attempt 1 False\n"]

    async def reconcile(record: object) -> Any:
        return answer

    runner = runner_on(tmp_path)
    runner.register("push", worker, lane=lane_of, on_uncertain=lambda _: "unknown", reconcile=reconcile)
    assert await runner.resume() == 1
    (record,) = await runner.tasks.list()
    await until_ended(runner, TaskHandle(record.id, "push"))
    (record,) = await runner.tasks.list()
    assert record.status == ("unknown" if answer is None else "succeeded")
    assert not record.maybe_duplicate
    assert [(attempt, maybe) for _, attempt, maybe in worker.seen] == ([(2, False)] if answer == "not_sent" else [])
    await runner.shutdown()


@pytest.mark.anyio
async def test_in_a_storm_of_kills_nothing_is_lost_and_only_flagged_tasks_are_sent_twice(
    tmp_path: Path, until_ended: UntilEnded
) -> None:
    accepted: list[str] = []
    for kill_after in (1, 20, 75, 150, 400, 33):
        with running(tmp_path, "storm") as output:
            output.readline()
            lines = [output.readline() for _ in range(kill_after)]
        accepted += [line.strip() for line in lines if line.endswith("\n")]

    async def send(task: DurableTask) -> None:
        with (tmp_path / "sent").open("a") as file:
            file.write(f"{task.task_id}\n")

    runner = runner_on(tmp_path)
    runner.register("push", send, lane=lane_of)
    await runner.resume()
    for record in await runner.tasks.list(status=["pending"], limit=10**6):
        await until_ended(runner, TaskHandle(record.id, "push"))
    records = await runner.tasks.list(limit=10**6)
    await runner.shutdown()
    sends = (tmp_path / "sent").read_text().split()
    times = Counter(sends)
    assert len(accepted) >= 679
    assert set(accepted) <= {record.id for record in records}
    assert {record.status for record in records} == {"succeeded"}
    assert set(times) == {record.id for record in records}
    assert {task_id for task_id, sent in times.items() if sent > 1} <= {
        record.id for record in records if record.maybe_duplicate
    }
    lanes: dict[str, list[str]] = {}
    for record in records:
        lanes.setdefault(record.lane, []).append(record.id)
    last_send = {task_id: position for position, task_id in enumerate(sends)}
    for ids in lanes.values():
        assert ids == sorted(ids, key=last_send.__getitem__)
