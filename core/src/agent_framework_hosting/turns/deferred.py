"""Turns no wire waits for: gathered with what belongs to them, then run after the 200."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field

from .turn import Turn

logger = logging.getLogger(__name__)

MOST_MESSAGES = 12
LONGEST_SECONDS = 7.5


@dataclass(slots=True)
class _Group:
    started: float
    turns: list[Turn] = field(default_factory=list[Turn])
    timer: asyncio.TimerHandle | None = None


class Deferred:
    """Run turns in tasks of their own, and cancel them. ``carry`` takes a turn from its start to its end.

    Turns of one lane that arrive while it is not quiet for as long as the channel asks run as one, the oldest first;
    at most 12 of them and 7.5 seconds are gathered. Everything gathered is in the journal already.
    """

    def __init__(self, carry: Callable[[Turn], Coroutine[object, object, None]]) -> None:
        self._carry = carry
        self._tasks: dict[asyncio.Task[None], Turn] = {}
        self._groups: dict[str, _Group] = {}

    def __len__(self) -> int:
        """Return how many turns are waiting or running."""
        return len(self._tasks)

    def start(self, turn: Turn, quiet_seconds: float) -> None:
        """Run a turn; without a pause to wait for it runs at once, after what was waiting before it."""
        lane, loop = turn.conversation.lane, asyncio.get_running_loop()
        if quiet_seconds <= 0:
            self._flush(lane)
            self._run([turn])
            return
        group = self._groups.setdefault(lane, _Group(loop.time()))
        group.turns.append(turn)
        if group.timer is not None:
            group.timer.cancel()
        left = group.started + LONGEST_SECONDS - loop.time()
        if len(group.turns) >= MOST_MESSAGES or left <= 0:
            self._flush(lane)
        else:
            group.timer = loop.call_later(min(quiet_seconds, left), self._flush, lane)

    async def stop(self, lane: str) -> list[Turn]:
        """Cancel the turns that wait or run in a lane and return them."""
        self._flush(lane)
        stopped = {task: turn for task, turn in self._tasks.items() if turn.conversation.lane == lane}
        for task, turn in stopped.items():
            turn.stopped = True
            task.cancel()
        if stopped:
            await asyncio.wait(stopped)
        return list(stopped.values())

    async def drain(self, grace_seconds: float) -> None:
        """Let turns finish for a while, then cancel them; a durable journal takes them up at the next start."""
        for lane in list(self._groups):
            self._flush(lane)
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace_seconds)
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _flush(self, lane: str) -> None:
        group = self._groups.pop(lane, None)
        if group is not None:
            if group.timer is not None:
                group.timer.cancel()
            self._run(group.turns)

    def _run(self, turns: list[Turn]) -> None:
        first, *rest = turns
        first.companions = tuple(rest)
        task = asyncio.get_running_loop().create_task(self._carry(first))
        self._tasks[task] = first
        task.add_done_callback(lambda _: self._over(task, turns))

    def _over(self, task: asyncio.Task[None], turns: list[Turn]) -> None:
        self._tasks.pop(task, None)
        for turn in turns:  # a task that is cancelled before its first step has not given anything back
            turn.close()
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("A turn could not be ended; a restart takes it up", exc_info=error)
