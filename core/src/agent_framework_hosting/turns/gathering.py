"""Wait a moment for messages that belong together, and run them as one turn."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from .turn import Turn

MOST_MESSAGES = 12
LONGEST_SECONDS = 7.5


@dataclass(slots=True)
class _Group:
    started: float
    turns: list[Turn] = field(default_factory=list[Turn])
    timer: asyncio.TimerHandle | None = None


class Gathering:
    """Collect admitted turns by lane until it has been quiet for as long as the channel asked; bounded.

    ``release`` takes each group, oldest message first; everything collected is in the journal already.
    """

    def __init__(self, release: Callable[[list[Turn]], None]) -> None:
        self._release = release
        self._groups: dict[str, _Group] = {}

    def add(self, turn: Turn, quiet_seconds: float) -> None:
        """Take a turn; without a pause to wait for, it runs at once, after what was waiting before it."""
        lane, loop = turn.conversation.lane, asyncio.get_running_loop()
        if quiet_seconds <= 0:
            self.flush(lane)
            self._release([turn])
            return
        group = self._groups.setdefault(lane, _Group(loop.time()))
        group.turns.append(turn)
        if group.timer is not None:
            group.timer.cancel()
        left = group.started + LONGEST_SECONDS - loop.time()
        if len(group.turns) >= MOST_MESSAGES or left <= 0:
            self.flush(lane)
        else:
            group.timer = loop.call_later(min(quiet_seconds, left), self.flush, lane)

    def flush(self, lane: str) -> None:
        """Release what waits in a lane."""
        group = self._groups.pop(lane, None)
        if group is not None:
            if group.timer is not None:
                group.timer.cancel()
            self._release(group.turns)

    def flush_all(self) -> None:
        """Release everything."""
        for lane in list(self._groups):
            self.flush(lane)
