"""Feed a live reply without ever waiting for it: the latest text wins, a failing preview is dropped."""

from __future__ import annotations

import asyncio
import logging
from types import TracebackType
from typing import Self

from ..ports import LiveReply

logger = logging.getLogger(__name__)

LAST_UPDATE_SECONDS = 2.0
AFTER_CANCEL_SECONDS = 1.0


class Preview:
    """Show the text so far while a turn runs; on exit the update in flight is awaited, then previews stop."""

    def __init__(self, live: LiveReply) -> None:
        self._live = live
        self._text = ""
        self._fresh = asyncio.Event()
        self._ended = False
        self._pump: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Start showing."""
        self._pump = asyncio.get_running_loop().create_task(self._show())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop showing, so that ``finish`` never races an update."""
        self._ended = True
        self._fresh.set()
        if self._pump is not None:
            _, late = await asyncio.wait([self._pump], timeout=LAST_UPDATE_SECONDS)
            for pump in late:
                pump.cancel()
                await asyncio.wait([pump], timeout=AFTER_CANCEL_SECONDS)

    def feed(self, text: str) -> None:
        """Add text; frames are never queued."""
        if text:
            self._text += text
            self._fresh.set()

    async def _show(self) -> None:
        try:
            while True:
                await self._fresh.wait()
                if self._ended:
                    return
                self._fresh.clear()
                await self._live.update(self._text)
        except Exception as error:
            logger.warning("A live preview failed and was dropped", extra={"error": type(error).__name__})
