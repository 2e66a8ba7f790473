"""Commands and presses: written down before they act, so that each has its effect once and a visible end."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, replace

from agent_framework_hosting import (
    ChannelContext,
    Expiry,
    RecordCodec,
    RecordExists,
    Records,
    RecordsDiffer,
    Table,
)

from .parsing import actor_of
from .reading import Json, as_object, text

logger = logging.getLogger(__name__)

KEPT_SECONDS = 2 * 86_400.0
SETTLE_SECONDS = 5.0
_TRIES = 5


@dataclass(frozen=True, slots=True)
class Control:
    """A command or press that has not had its effect: the update as JSON, who sent it, the host that acts on it."""

    update: str
    who: str | None
    host: str


@dataclass(frozen=True, slots=True)
class Taken:
    """That a command or press was taken, and when; the record's key is its number."""

    at: float


def _first_edition(fields: dict[str, object]) -> dict[str, object]:
    """Read one table of both: there, ``update`` went once it had its effect."""
    update = text(fields, "update")
    return {"update": update, "who": actor_of(as_object(json.loads(update))) if update else None, "host": ""}


CONTROLS = Table(
    "controls",
    RecordCodec("telegram.control", 1, Control, {0: _first_edition}),
    person="who",
    holds="commands and presses that have not had their effect",
)
TAKEN = Table(
    "taken",
    RecordCodec("telegram.taken", 1, Taken),
    expiry=Expiry(seconds=KEPT_SECONDS),
    holds="numbers of commands and presses, so that none acts twice",
)

Act = Callable[[Json, Callable[[], None]], Awaitable[None]]
Recover = Callable[[Json], Awaitable[None]]


class Controls:
    """Take controls durably and act on them beside the lanes.

    ``act`` is given an update and a function to call once its effect is there: what comes after in the same chat waits
    for that, not for the reply. It may raise, and is then tried again. ``recover`` sees what a crash cut off.
    """

    def __init__(self, context: ChannelContext, act: Act, recover: Recover) -> None:
        self._context = context
        self._store = context.store
        self._controls = Records(context.store, CONTROLS)
        self._taken = Records(context.store, TAKEN)
        self._act = act
        self._recover = recover
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def take(self, key: str, update: Json) -> None:
        """Store a control and act on it; a repeated one does nothing. Raises ``StoreError``: then it is not taken."""
        control = Control(json.dumps(update), actor_of(update), self._context.host_id)
        try:
            await self._store.commit(
                [self._taken.insert(key, Taken(self._store.now())), self._controls.insert(key, control)]
            )
        except RecordExists:
            return
        settled = asyncio.Event()
        self._start(key, self._see_through(key, update, settled.set))
        try:
            async with asyncio.timeout(SETTLE_SECONDS):
                await settled.wait()
        except TimeoutError:
            pass  # it goes on by itself

    async def take_up(self) -> None:
        """Bring to an end what hosts left that live no more. Raises ``StoreError``."""
        living = await self._context.hosts()
        async for key, control in self._controls.all():
            if not control.update:  # the first edition kept here, too, what had its effect
                await self._store.commit([self._taken.put(key, Taken(self._store.now())), self._controls.delete(key)])
            elif control.host not in living and key not in self._tasks and await self._claim(key):
                self._start(key, self._recovered(key, json.loads(control.update)))

    async def close(self) -> None:
        """Stop acting; what is unfinished is taken up once this host lives no more."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _claim(self, key: str) -> bool:
        """Write down that it is this host that acts now; False when another was faster."""
        found = await self._controls.read(key)
        if found is None:
            return False
        mine = replace(found.value, host=self._context.host_id)
        try:
            await self._store.commit([self._controls.put(key, mine, expect=found.version)])
        except RecordsDiffer:
            return False
        return True

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
        await self._store.commit([self._controls.delete(key)])

    def _start(self, key: str, work: Coroutine[None, None, None]) -> None:
        task = self._tasks[key] = asyncio.get_running_loop().create_task(work)
        task.add_done_callback(lambda ended: self._ended(key, ended))

    def _ended(self, key: str, task: asyncio.Task[None]) -> None:
        self._tasks.pop(key, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.warning("A command or press could not be finished", extra={"error": type(error).__name__})
