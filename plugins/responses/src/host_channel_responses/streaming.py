"""A log of events on its way to one client."""

from __future__ import annotations

import asyncio
import logging

from .disconnects import Disconnects
from .http import Call
from .log import DONE, LogGone, LogReader
from .runs import Run

logger = logging.getLogger(__name__)

KEEP_ALIVE = b": keep-alive\n"


class EventSender:
    """Send logs as server-sent events: everything that waits goes out in one write."""

    def __init__(self, disconnects: Disconnects, *, keep_alive: float, stalled_after: float) -> None:
        """Break a silence of ``keep_alive`` seconds; give up on a reader that takes nothing for ``stalled_after``."""
        self._disconnects = disconnects
        self._keep_alive = keep_alive
        self._stalled_after = stalled_after

    async def own(self, call: Call, run: Run) -> None:
        """Send a run to the client that started it; unless it is of the background, it ends with its last reader."""
        await self._send(call, run.log.open(), run)

    async def follow(self, call: Call, reader: LogReader, run: Run | None) -> None:
        """Send a log, from wherever its reader stands, to a client that came later."""
        await self._send(call, reader, run)

    async def _send(self, call: Call, reader: LogReader, run: Run | None) -> None:
        if run is not None:
            run.readers += 1
        try:
            await call.start_events()
            with self._disconnects.watch(call.receive, reader.close):
                await self._pump(call, reader)
        finally:
            reader.close()
            if run is not None:
                run.readers -= 1
                if run.readers == 0 and not run.begun.turn.background:
                    run.cancel()

    async def _pump(self, call: Call, reader: LogReader) -> None:
        try:
            while (piece := await reader.next(self._keep_alive)) is not None:
                last = reader.at_end
                async with asyncio.timeout(self._stalled_after):
                    await call.send_events((piece or KEEP_ALIVE) + (DONE if last else b""), more=not last)
                if last:
                    return
            if not reader.closed:
                await call.send_events(DONE, more=False)
        except (TimeoutError, LogGone):
            logger.info("A reader of a stream was cut off: it took nothing for too long.")
            raise
