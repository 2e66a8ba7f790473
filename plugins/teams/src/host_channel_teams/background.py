"""Work that goes on after the 200."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine

logger = logging.getLogger(__name__)

GRACE_SECONDS = 5.0


class Background:
    """Hold tasks until they are over; what fails is logged."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[object]] = set()

    def start(self, work: Coroutine[object, object, object]) -> None:
        """Run something nobody waits for."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._over)

    async def close(self) -> None:
        """Let everything end, for a while."""
        if self._tasks:
            _, late = await asyncio.wait(set(self._tasks), timeout=GRACE_SECONDS)
            for task in late:
                task.cancel()

    def _over(self, task: asyncio.Task[object]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("Work in the background failed", exc_info=error)
