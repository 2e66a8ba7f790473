"""What the tests of the runner share."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from agent_framework_hosting.model.durable import TaskHandle, TaskStatus
from agent_framework_hosting.ports import DurableTask, DurableTaskRunner


@dataclass
class Worker:
    """A handler under the test's control: it records each attempt and does what the test lined up for it.

    A lined-up exception is raised, anything else returned. While ``gate`` is cleared attempts wait at it.
    """

    seen: list[tuple[str, int, bool]] = field(default_factory=list[tuple[str, int, bool]])
    outcomes: deque[object] = field(default_factory=deque[object])
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    started: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))
    at_once: int = 0
    most_at_once: int = 0

    def __post_init__(self) -> None:
        self.gate.set()

    async def __call__(self, task: DurableTask) -> object:
        self.seen.append((str(task.payload.get("n", "")), task.attempt, task.maybe_applied))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        self.started.release()
        try:
            await self.gate.wait()
        finally:
            self.at_once -= 1
        outcome = self.outcomes.popleft() if self.outcomes else None
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    @property
    def order(self) -> list[str]:
        return [n for n, _, _ in self.seen]


@pytest.fixture
def worker() -> Worker:
    return Worker()


@pytest.fixture
def until_ended() -> Callable[[DurableTaskRunner, TaskHandle], object]:
    """Wait until a task is neither scheduled nor running; return its status."""

    async def wait(runner: DurableTaskRunner, handle: TaskHandle) -> TaskStatus | None:
        async with asyncio.timeout(20):
            while (status := await runner.get(handle)) in {TaskStatus.SCHEDULED, TaskStatus.RUNNING}:
                await asyncio.sleep(0.001)
        return status

    return wait
