"""A process to be killed while it runs tasks. It says what its caller may rely on, line by line."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from agent_framework_hosting.errors import RetryLater
from agent_framework_hosting.model.durable import RetryPolicy
from agent_framework_hosting.ports import DurableTask
from agent_framework_hosting.tasks.inprocess import InProcessTaskRunner

TWICE = RetryPolicy(max_attempts=2, initial_backoff_seconds=0)


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def lane_of(payload: Mapping[str, object]) -> str:
    return str(payload["lane"])


class Storm:
    """Schedule for ever over eight lanes; a send is one line appended to a file that outlives the process."""

    def __init__(self, directory: Path) -> None:
        self._sent = os.open(directory / "sent", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    async def send(self, task: DurableTask) -> str:
        await asyncio.sleep(0)
        os.write(self._sent, f"{task.task_id}\n".encode())
        await asyncio.sleep(0)
        return "receipt"

    async def run(self, runner: InProcessTaskRunner) -> None:
        async def schedule(lane: int) -> None:
            while True:
                handle = await runner.schedule("push", {"lane": str(lane)}, retry_policy=RetryPolicy(max_attempts=100))
                say(handle.task_id)

        await asyncio.gather(*(schedule(lane) for lane in range(8)))


async def hang(task: DurableTask) -> None:
    await task.checkpoint({**task.payload, "echo_done": True})
    say(f"attempt {task.attempt} {task.maybe_applied}")
    await asyncio.Event().wait()


async def ask_for_an_hour(task: DurableTask) -> None:
    raise RetryLater(3600)


async def main(directory: Path, mode: str) -> None:
    runner = InProcessTaskRunner(state_dir=directory / "runner", terminal_cache_size=10**6)
    storm = Storm(directory)
    handlers = {"hang": hang, "wait": ask_for_an_hour, "storm": storm.send}
    runner.register("push", handlers[mode], lane=lane_of)
    say(f"resumed {await runner.resume()}")
    if mode == "storm":
        await storm.run(runner)
    elif not await runner.tasks.list():
        handle = await runner.schedule("push", {"lane": "a"}, retry_policy=TWICE)
        while mode == "wait":
            record = await runner.tasks.get(handle.task_id)
            if record is not None and record.last_error is not None:
                say("waiting")
                break
            await asyncio.sleep(0)
    await asyncio.Event().wait()


asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
