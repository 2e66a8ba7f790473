"""What a task runner may offer beyond what every one does: tested when it says that it does, and skipped when not."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import pytest

from ..errors import PermanentPushError, RetryLater, UncertainSend
from ..model.durable import RetryPolicy, TaskHandle, TaskStatus
from ..ports import (
    DurableTask,
    DurableTaskRunner,
    HousedTaskRunner,
    OperableTaskRunner,
    RuledTaskRunner,
    StartedTaskRunner,
    StoredTask,
    TaskRule,
    TransactionalTaskRunner,
)
from ..state.memory import MemoryStore

AT_ONCE = RetryPolicy(max_attempts=3, initial_backoff_seconds=0.0)
PATIENCE_SECONDS = 20.0


class RunnerOffersContract:
    """A part of ``RunnerContract``."""

    def make_runner(self, tmp_path: Path) -> DurableTaskRunner:
        """Return a new runner without handlers."""
        raise NotImplementedError("Return a new runner of yours from make_runner().")

    async def stop_runner(self, runner: DurableTaskRunner) -> None:
        """Stop a runner that ``make_runner`` returned."""
        raise NotImplementedError("Stop the runner in stop_runner().")

    async def _ended(self, runner: DurableTaskRunner, handle: TaskHandle) -> TaskStatus | None:
        """Return the status of a task once it is neither scheduled nor running."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while (status := await runner.get(handle)) in {TaskStatus.SCHEDULED, TaskStatus.RUNNING}:  # noqa: ASYNC110 - the port has no event
                await asyncio.sleep(0.001)
        return status

    @pytest.mark.anyio
    async def test_tasks_of_one_lane_keep_their_order_and_hold_no_other_back(self, tmp_path: Path) -> None:
        runner = _ruled(self.make_runner(tmp_path), "lane")
        seen: list[str] = []

        async def handler(task: DurableTask) -> None:
            seen.append(f"{task.payload['n']} {task.attempt}")
            if task.payload["n"] == "a1" and task.attempt == 1:
                raise RetryLater(0.2)

        runner.register("work", handler, lane=lambda payload: str(payload["n"])[0])
        handles = [await runner.schedule("work", {"n": n}, retry_policy=AT_ONCE) for n in ("a1", "a2", "b1")]
        try:
            assert [await self._ended(runner, handle) for handle in handles] == [TaskStatus.SUCCEEDED] * 3
        finally:
            await self.stop_runner(runner)
        assert [each for each in seen if each.startswith("a")] == ["a1 1", "a1 2", "a2 1"]
        assert seen.index("b1 1") < seen.index("a1 2")

    @pytest.mark.anyio
    @pytest.mark.parametrize("rule", ["retry", "unknown"])
    async def test_an_attempt_of_unknown_effect_goes_as_its_rule_says(
        self, tmp_path: Path, rule: Literal["retry", "unknown"]
    ) -> None:
        runner = _ruled(self.make_runner(tmp_path), "on_uncertain")
        seen: list[tuple[int, bool]] = []

        async def handler(task: DurableTask) -> None:
            seen.append((task.attempt, task.maybe_applied))
            if task.attempt == 1:
                raise UncertainSend("It broke off.")

        def on_uncertain(payload: Mapping[str, object]) -> Literal["retry", "unknown"]:
            assert payload == {"n": 1}
            return rule

        runner.register("work", handler, on_uncertain=on_uncertain)
        handle = await runner.schedule("work", {"n": 1}, retry_policy=AT_ONCE)
        try:
            ended = await self._ended(runner, handle)
        finally:
            await self.stop_runner(runner)
        if rule == "retry":
            assert (ended, seen) == (TaskStatus.SUCCEEDED, [(1, False), (2, True)])
        else:
            assert (ended, seen) == (TaskStatus.FAILED, [(1, False)])

    @pytest.mark.anyio
    @pytest.mark.parametrize(("found", "attempts"), [("sent", 1), ("not_sent", 2)])
    async def test_an_attempt_of_unknown_effect_can_be_looked_into(
        self, tmp_path: Path, found: Literal["sent", "not_sent"], attempts: int
    ) -> None:
        runner = _ruled(self.make_runner(tmp_path), "on_uncertain", "reconcile")
        tried: list[int] = []

        async def handler(task: DurableTask) -> None:
            tried.append(task.attempt)
            if task.attempt == 1:
                raise UncertainSend("It broke off.")

        async def reconcile(task: StoredTask) -> Literal["sent", "not_sent"]:
            assert (task.id, task.payload) == (handle.task_id, {"n": 1})
            return found

        runner.register("work", handler, on_uncertain=lambda _: "unknown", reconcile=reconcile)
        handle = await runner.schedule("work", {"n": 1}, retry_policy=AT_ONCE)
        try:
            assert await self._ended(runner, handle) == TaskStatus.SUCCEEDED
        finally:
            await self.stop_runner(runner)
        assert len(tried) == attempts

    @pytest.mark.anyio
    async def test_it_is_started_stopped_and_started_again(self, tmp_path: Path) -> None:
        runner = self.make_runner(tmp_path)
        if not isinstance(runner, StartedTaskRunner):
            pytest.skip("The host does not start this runner.")
        seen: list[object] = []

        async def handler(task: DurableTask) -> None:
            seen.append(task.payload["n"])

        runner.register("work", handler)
        try:
            for number in (1, 2):
                await runner.open()
                assert await runner.resume() == 0
                assert await runner.resume() == 0
                handle = await runner.schedule("work", {"n": number})
                assert await self._ended(runner, handle) == TaskStatus.SUCCEEDED
                await runner.shutdown(timeout=PATIENCE_SECONDS)
                with pytest.raises(RuntimeError):
                    await runner.schedule("work", {"n": "late"})
        finally:
            await self.stop_runner(runner)
        assert seen == [1, 2]

    @pytest.mark.anyio
    async def test_an_operator_sees_and_settles_its_tasks(self, tmp_path: Path) -> None:
        runner = self.make_runner(tmp_path)
        if not isinstance(runner, OperableTaskRunner):
            pytest.skip("This runner shows its tasks to nobody.")
        fails = True

        async def handler(task: DurableTask) -> str:
            if fails and task.payload["n"] != 0:
                raise PermanentPushError("The address is gone.")
            return "receipt"

        runner.register("work", handler)
        try:
            handles = [await runner.schedule("work", {"n": n}) for n in range(4)]
            for handle in handles:
                await self._ended(runner, handle)
            dead = await runner.tasks.list(status=["dead"], name="work")
            assert [task.id for task in dead] == [handle.task_id for handle in handles[1:]]
            assert [task.id for task in await runner.tasks.list(after=dead[0].id, limit=1)] == [dead[1].id]
            assert (dead[0].payload, dead[0].attempts, len(dead[0].tries)) == ({"n": 1}, 1, 1)
            assert dead[0].last_error is not None
            assert await runner.tasks.list(name="other") == []
            done = await runner.tasks.get(handles[0].task_id)
            assert done is not None
            assert (done.status, done.receipt) == ("succeeded", "receipt")
            fails = False
            assert (await runner.tasks.replay(dead[0].id)).status == "pending"
            assert await self._ended(runner, handles[1]) == TaskStatus.SUCCEEDED
            assert (await runner.tasks.drop(dead[1].id)).id == dead[1].id
            assert await runner.tasks.get(dead[1].id) is None
            for refused in (runner.tasks.replay, runner.tasks.drop):
                with pytest.raises(KeyError):
                    await refused(dead[1].id)
            with pytest.raises(ValueError, match=handles[0].task_id):
                await runner.tasks.replay(handles[0].task_id)
            with pytest.raises(ValueError, match=r"(?i)pending"):
                await runner.tasks.purge(status=["pending"])
            assert await runner.tasks.purge(name="other") == 0
            counted = await runner.tasks.counts()
            assert (counted["dead"], counted["succeeded"], counted["unreadable"]) == (1, 2, 0)
            assert (runner.counts()["dead"], runner.counts()["succeeded"]) == (1, 2)
            assert await runner.tasks.purge() == 1
            assert await runner.tasks.list(status=["dead"]) == []
        finally:
            await self.stop_runner(runner)

    @pytest.mark.anyio
    async def test_work_is_accepted_in_the_commit_of_its_cause_or_not_at_all(self, tmp_path: Path) -> None:
        runner = self.make_runner(tmp_path)
        if not isinstance(runner, TransactionalTaskRunner):
            pytest.skip("This runner keeps its records where nothing else is.")
        seen: list[object] = []

        async def handler(task: DurableTask) -> None:
            seen.append(task.payload["n"])

        runner.register("work", handler)
        await runner.store.open()
        try:
            with pytest.raises(KeyError):
                runner.prepare("other", {})
            left, taken = runner.prepare("work", {"n": "left"}), runner.prepare("work", {"n": "taken"})
            if isinstance(runner, StartedTaskRunner):
                await runner.open()
            await runner.store.commit([taken.write])
            runner.start(taken)
            assert await self._ended(runner, taken.handle) == TaskStatus.SUCCEEDED
            assert await runner.get(left.handle) is None
        finally:
            await self.stop_runner(runner)
        assert seen == ["taken"]

    @pytest.mark.anyio
    async def test_in_a_hosts_store_it_keeps_the_tables_it_names(self, tmp_path: Path) -> None:
        runner = self.make_runner(tmp_path)
        if not isinstance(runner, HousedTaskRunner):
            pytest.skip("This runner keeps its records elsewhere.")
        store = MemoryStore()
        runner.keep_in(store)
        if not isinstance(runner, TransactionalTaskRunner) or runner.store is not store:
            pytest.skip("This runner was made with a place of its own.")

        async def handler(task: DurableTask) -> None:
            del task

        runner.register("work", handler)
        try:
            handle = await runner.schedule("work", {})
            assert await self._ended(runner, handle) == TaskStatus.SUCCEEDED
            assert set(await store.tables()) <= {table.name for table in runner.tables}
            assert await runner.take_over("a host that never was") == 0
        finally:
            await self.stop_runner(runner)


def _ruled(runner: DurableTaskRunner, *rules: TaskRule) -> RuledTaskRunner:
    if not isinstance(runner, RuledTaskRunner) or not runner.rules.issuperset(rules):
        pytest.skip(f"This runner follows no rule for {' and '.join(rules)}.")
    return runner
