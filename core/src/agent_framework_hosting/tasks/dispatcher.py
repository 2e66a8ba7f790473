"""When tasks are tried: what is due is started at once, what comes later is waited for with one timer."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import time
from collections.abc import Awaitable, Callable

from .agenda import Agenda, Entry

logger = logging.getLogger(__name__)

MOST_AT_ONCE = 64
_AFTER_BUG_SECONDS = 1.0
_AFTER_CANCEL_SECONDS = 1.0
_AFTER_FOREIGN_CANCEL_SECONDS = 0.2


class Dispatcher:
    """Try the tasks of an agenda on the running event loop, up to 64 at a time.

    ``attempt(task_id)`` makes one attempt and returns the seconds until the next, or None when the task is over.
    """

    def __init__(self, agenda: Agenda, attempt: Callable[[str], Awaitable[float | None]]) -> None:
        self._agenda = agenda
        self._attempt = attempt
        self._working = False
        self._running: dict[asyncio.Task[None], Entry] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> None:
        """Begin to work, one turn of the loop later: a resume that follows at once sorts the lanes first."""
        self._working = True
        asyncio.get_running_loop().call_soon(self.pump)

    def pump(self) -> None:
        """Start what is due and set the timer for what comes next. Call it whenever the agenda has changed."""
        if not self._working:
            return
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._move_to(loop)
        while len(self._running) < MOST_AT_ONCE and (entry := self._agenda.take(time.monotonic())) is not None:
            task = loop.create_task(self._try(entry), context=contextvars.Context())  # nothing leaks between tasks
            self._running[task] = entry
            task.add_done_callback(self._after)
        self._set_timer(loop)

    async def stop(self, grace: float) -> None:
        """Start no more, wait ``grace`` seconds for what runs, then cancel it."""
        self._working = False
        if self._timer is not None:
            self._timer.cancel()
        if self._running:
            await asyncio.wait(set(self._running), timeout=grace)
        for task in self._running:
            task.cancel()
        if self._running:
            await asyncio.wait(set(self._running), timeout=_AFTER_CANCEL_SECONDS)

    def _set_timer(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if len(self._running) >= MOST_AT_ONCE:
            return  # the next one that ends looks at the agenda
        due = self._agenda.next_due()
        if due is not None:
            self._timer = loop.call_later(max(0.0, due - time.monotonic()), self.pump)

    async def _try(self, entry: Entry) -> None:
        try:
            pause = await self._attempt(entry.task_id)
        except asyncio.CancelledError:
            self._agenda.retry(entry, time.monotonic())
            raise
        except Exception:
            logger.exception("Task %s could not be tried", entry.task_id)
            self._agenda.retry(entry, time.monotonic() + _AFTER_BUG_SECONDS)
            return
        if pause is None:
            self._agenda.finish(entry)
        else:
            self._agenda.retry(entry, time.monotonic() + pause)

    def _after(self, task: asyncio.Task[None]) -> None:
        self._running.pop(task, None)
        if task.cancelled() and self._working:  # the loop is being closed, and if not, there is time
            task.get_loop().call_later(_AFTER_FOREIGN_CANCEL_SECONDS, self.pump)
        else:
            self.pump()

    def _move_to(self, loop: asyncio.AbstractEventLoop) -> None:
        """Take back what another loop left behind when it was closed around its tasks, as outside of a server."""
        self._loop = loop
        self._timer = None
        for task, entry in list(self._running.items()):
            if task.get_loop().is_closed():
                del self._running[task]
                self._agenda.retry(entry, time.monotonic())
