"""Commands and presses: written down before they act, so that each has its effect once and a visible end."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine

import msgspec

from agent_framework_hosting.errors import RecordExists
from agent_framework_hosting.ports import Delete, Insert, Put, Store

from .reading import Json

logger = logging.getLogger(__name__)

CONTROLS = "controls"
KEPT_SECONDS = 2 * 86_400.0
SETTLE_SECONDS = 5.0
_TRIES = 5


class Control(msgspec.Struct, omit_defaults=True):
    """One command or press as stored; ``update`` goes once it has had its effect."""

    at: float
    update: str | None = None


Act = Callable[[Json, Callable[[], None]], Awaitable[None]]
Recover = Callable[[Json], Awaitable[None]]


class Controls:
    """Take controls durably and act on them beside the lanes.

    ``act`` is given an update and a function to call once its effect is there: what comes after in the same chat waits
    for that, not for the reply. It may raise, and is then tried again. ``recover`` sees what a crash cut off.
    """

    def __init__(self, store: Store, act: Act, recover: Recover, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._act = act
        self._recover = recover
        self._clock = clock
        self._tasks: set[asyncio.Task[None]] = set()

    async def take(self, key: str, update: Json) -> None:
        """Store a control and act on it; a repeated one does nothing. Raises ``StoreError``: then it is not taken."""
        record = Control(self._clock(), json.dumps(update))
        try:
            await self._store.commit([Insert(CONTROLS, key, msgspec.json.encode(record).decode())])
        except RecordExists:
            return
        settled = asyncio.Event()
        self._start(self._see_through(key, update, settled.set))
        try:
            async with asyncio.timeout(SETTLE_SECONDS):
                await settled.wait()
        except TimeoutError:
            pass  # it goes on by itself

    async def take_up(self) -> None:
        """Bring to an end what an earlier process left, and forget what ended long ago."""
        after, oldest = "", self._clock() - KEPT_SECONDS
        while rows := await self._store.scan(CONTROLS, after=after):
            for key, stored in rows:
                control = msgspec.json.decode(stored, type=Control)
                if control.update is not None:
                    self._start(self._recovered(key, json.loads(control.update)))
                elif control.at < oldest:
                    await self._store.commit([Delete(CONTROLS, key)])
            after = rows[-1][0]

    async def close(self) -> None:
        """Stop acting; what is unfinished is taken up at the next start."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(set(self._tasks))

    async def _see_through(self, key: str, update: Json, settled: Callable[[], None]) -> None:
        try:
            for attempt in range(1, _TRIES + 1):
                try:
                    await self._act(update, settled)
                    break
                except Exception as error:
                    logger.warning("A command or press failed", extra={"error": type(error).__name__})
                    await asyncio.sleep(0.5 * 2**attempt)
            await self._done(key)
        finally:
            settled()

    async def _recovered(self, key: str, update: Json) -> None:
        await self._recover(update)
        await self._done(key)

    async def _done(self, key: str) -> None:
        await self._store.commit([Put(CONTROLS, key, msgspec.json.encode(Control(self._clock())).decode())])

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.warning("A command or press could not be finished", extra={"error": type(error).__name__})
