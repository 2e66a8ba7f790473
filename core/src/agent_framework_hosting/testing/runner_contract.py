"""What every durable task runner must do, as tests to subclass; what it offers besides is tested when it offers it.

class TestMyRunner(RunnerContract):
    def make_runner(self, tmp_path):
        return MyRunner(...)
"""

from __future__ import annotations

import math
import time
from pathlib import Path

import pytest

from ..errors import PermanentPushError, PushPayloadNotSerializable, RetryLater
from ..model.durable import DurableTaskPayloadMode, TaskHandle, TaskStatus
from ..ports import DurableTask
from .runner_offers_contract import AT_ONCE, RunnerOffersContract


class RunnerContract(RunnerOffersContract):
    """Subclass it and say how to make the runner and how to stop it. Tests run on asyncio through anyio's plugin."""

    @pytest.mark.anyio
    async def test_a_scheduled_task_reaches_its_handler(self, tmp_path: Path) -> None:
        runner = self.make_runner(tmp_path)
        seen: list[tuple[str, dict[str, object], int, bool]] = []

        async def handler(task: DurableTask) -> str:
            seen.append((task.task_id, dict(task.payload), task.attempt, task.maybe_applied))
            return "receipt"

        runner.register("work", handler)
        payload: dict[str, object] = {"text": "ä\0日本", "list": [1, 2.5, None, True], "deep": {"er": []}}
        handle = await runner.schedule("work", payload)
        try:
            assert await self._ended(runner, handle) == TaskStatus.SUCCEEDED
        finally:
            await self.stop_runner(runner)
        assert handle.name == "work"
        assert seen == [(handle.task_id, payload, 1, False)]

    @pytest.mark.anyio
    async def test_a_failing_task_is_tried_again(self, tmp_path: Path) -> None:
        runner = self.make_runner(tmp_path)
        attempts: list[int] = []

        async def handler(task: DurableTask) -> None:
            attempts.append(task.attempt)
            if task.attempt < 3:
                raise OSError("not yet")

        runner.register("work", handler)
        handle = await runner.schedule("work", {}, retry_policy=AT_ONCE)
        try:
            assert await self._ended(runner, handle) == TaskStatus.SUCCEEDED
        finally:
            await self.stop_runner(runner)
        assert attempts == [1, 2, 3]

    @pytest.mark.anyio
    async def test_attempts_end(self, tmp_path: Path) -> None:
        runner = self.make_runner(tmp_path)
        attempts: list[int] = []

        async def handler(task: DurableTask) -> None:
            attempts.append(task.attempt)
            raise OSError("never")

        runner.register("work", handler)
        handle = await runner.schedule("work", {}, retry_policy=AT_ONCE)
        try:
            assert await self._ended(runner, handle) == TaskStatus.FAILED
        finally:
            await self.stop_runner(runner)
        assert attempts == [1, 2, 3]

    @pytest.mark.anyio
    async def test_a_permanent_error_ends_a_task_at_once(self, tmp_path: Path) -> None:
        runner = self.make_runner(tmp_path)
        attempts: list[int] = []

        async def handler(task: DurableTask) -> None:
            attempts.append(task.attempt)
            raise PermanentPushError("The address is gone.")

        runner.register("work", handler)
        handle = await runner.schedule("work", {}, retry_policy=AT_ONCE)
        try:
            assert await self._ended(runner, handle) == TaskStatus.FAILED
        finally:
            await self.stop_runner(runner)
        assert attempts == [1]

    @pytest.mark.anyio
    async def test_an_asked_for_pause_is_kept(self, tmp_path: Path) -> None:
        runner = self.make_runner(tmp_path)
        times: list[float] = []

        async def handler(task: DurableTask) -> None:
            times.append(time.monotonic())
            if task.attempt == 1:
                raise RetryLater(0.2)

        runner.register("work", handler)
        handle = await runner.schedule("work", {}, retry_policy=AT_ONCE)
        try:
            assert await self._ended(runner, handle) == TaskStatus.SUCCEEDED
        finally:
            await self.stop_runner(runner)
        assert times[1] - times[0] >= 0.19  # clocks differ by a tick

    @pytest.mark.anyio
    async def test_a_checkpoint_is_what_the_next_attempt_starts_from(self, tmp_path: Path) -> None:
        runner = self.make_runner(tmp_path)
        seen: list[dict[str, object]] = []

        async def handler(task: DurableTask) -> None:
            seen.append(dict(task.payload))
            if task.attempt == 1:
                await task.checkpoint({**task.payload, "echo_done": True})
                seen.append(dict(task.payload))
                raise OSError("after the checkpoint")

        runner.register("work", handler)
        handle = await runner.schedule("work", {"text": "hello"}, retry_policy=AT_ONCE)
        try:
            assert await self._ended(runner, handle) == TaskStatus.SUCCEEDED
        finally:
            await self.stop_runner(runner)
        done = {"text": "hello", "echo_done": True}
        assert seen == [{"text": "hello"}, done, done]

    @pytest.mark.anyio
    async def test_refuses_what_it_does_not_know(self, tmp_path: Path) -> None:
        runner = self.make_runner(tmp_path)

        async def handler(task: DurableTask) -> None:
            del task

        runner.register("work", handler)
        try:
            with pytest.raises(KeyError):
                await runner.schedule("other", {})
            await runner.schedule("work", {})
            with pytest.raises(RuntimeError):
                runner.register("late", handler)
            assert await runner.get(TaskHandle("no such task", "work")) is None
        finally:
            await self.stop_runner(runner)
        with pytest.raises(RuntimeError):
            await runner.schedule("work", {})

    @pytest.mark.anyio
    async def test_refuses_a_payload_that_is_no_json_at_the_call(self, tmp_path: Path) -> None:
        runner = self.make_runner(tmp_path)
        if runner.payload_mode is not DurableTaskPayloadMode.JSON:
            pytest.skip("This runner carries objects.")
        payloads: list[dict[str, object]] = []

        async def handler(task: DurableTask) -> None:
            payloads.append(dict(task.payload))

        runner.register("work", handler)
        holds_itself: dict[str, object] = {}
        holds_itself["self"] = holds_itself
        wrong: list[dict[str, object]] = [
            {"bytes": b"x"},
            {"object": object()},
            {"a": [{"b": math.inf}]},
            {"a": {1: "key"}},
            holds_itself,
        ]
        try:
            for payload in wrong:
                with pytest.raises(PushPayloadNotSerializable):
                    await runner.schedule("work", payload)
            handle = await runner.schedule("work", {"good": 1})
            assert await self._ended(runner, handle) == TaskStatus.SUCCEEDED
        finally:
            await self.stop_runner(runner)
        assert payloads == [{"good": 1}]
