"""Notice that a client closed its connection while its answer is being made."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Self

from starlette.types import Receive

GRACE_SECONDS = 0.02


class Disconnects:
    """Hand out watches. They begin after one or two graces: most answers are out before a watch costs anything.

    One timer serves all of them, and there is none while there are none.
    """

    def __init__(self) -> None:
        """Start without watches."""
        self._young: set[Watch] = set()
        self._old: set[Watch] = set()
        self._loop: asyncio.AbstractEventLoop | None = None

    def watch(self, receive: Receive, gone: Callable[[], object]) -> Watch:
        """Return a watch that calls ``gone``; use it in a ``with`` block, once the body was read."""
        return Watch(self, receive, gone)

    def add(self, watch: Watch) -> None:
        """Let a watch begin after its grace."""
        self._young.add(watch)
        loop = asyncio.get_running_loop()
        if self._loop is not loop:  # not ticking, or ticking for a loop that has ended
            self._loop = loop
            loop.call_later(GRACE_SECONDS, self._tick)

    def discard(self, watch: Watch) -> None:
        """Forget a watch."""
        self._young.discard(watch)
        self._old.discard(watch)

    def _tick(self) -> None:
        for watch in self._old:
            watch.begin()
        self._old, self._young = self._young, set()
        if self._old and self._loop is not None:
            self._loop.call_later(GRACE_SECONDS, self._tick)
        else:
            self._loop = None


class Watch:
    """One watch over one connection; ``noticed`` says whether the client went away."""

    __slots__ = ("_disconnects", "_gone", "_receive", "_task", "noticed")

    def __init__(self, disconnects: Disconnects, receive: Receive, gone: Callable[[], object]) -> None:
        """Prepare."""
        self._disconnects = disconnects
        self._receive = receive
        self._gone = gone
        self._task: asyncio.Task[None] | None = None
        self.noticed = False

    def __enter__(self) -> Self:
        """Begin the grace."""
        self._disconnects.add(self)
        return self

    def __exit__(self, *_: object) -> None:
        """Stop watching."""
        self._disconnects.discard(self)
        if self._task is not None:
            self._task.cancel()

    def begin(self) -> None:
        """Start to watch."""
        self._task = asyncio.get_running_loop().create_task(self._wait())

    async def _wait(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.noticed = True
        self._gone()
