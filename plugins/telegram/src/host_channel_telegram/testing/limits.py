"""Flood control: one message a second in a chat, twenty a minute in a group, thirty a second in all."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable

from .faults import Refused


class Limiter:
    """Refuse what comes too fast, with the exact time to wait."""

    def __init__(self, *, per_second: int = 30, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last: dict[int, float] = {}
        self._minutes: dict[int, deque[float]] = {}
        self._all: deque[float] = deque(maxlen=per_second)
        self.refusals = 0

    def check(self, chat_id: int) -> None:
        """Count one message or edit in a chat. Raises ``Refused``."""
        now = self._clock()
        wait = self._last.get(chat_id, -9.0) + 1.0 - now
        minute = self._minutes.setdefault(chat_id, deque(maxlen=20))
        if chat_id < 0 and len(minute) == 20:
            wait = max(wait, minute[0] + 60.0 - now)
        if len(self._all) == self._all.maxlen:
            wait = max(wait, self._all[0] + 1.0 - now)
        if wait > 0:
            self.refusals += 1
            seconds = math.ceil(wait)
            raise Refused(429, f"Too Many Requests: retry after {seconds}", retry_after=seconds)
        self._last[chat_id] = now
        minute.append(now)
        self._all.append(now)
