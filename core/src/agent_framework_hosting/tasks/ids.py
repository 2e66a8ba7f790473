"""Ids that sort by the time they were made."""

from __future__ import annotations

import secrets
import time


class TaskIds:
    """Make unique ids of 24 hexadecimal digits; later ids sort above earlier ones, whatever the clock does."""

    def __init__(self) -> None:
        self._last = 0
        self._maker = secrets.token_hex(4)

    def new(self) -> str:
        """Return the next id."""
        self._last = max(self._last + 1, time.time_ns())
        return f"{self._last:016x}{self._maker}"

    def seen(self, task_id: str) -> None:
        """Make all later ids sort above one that an earlier process made."""
        try:
            self._last = max(self._last, int(task_id[:16], 16))
        except ValueError:
            pass  # not one of ours
