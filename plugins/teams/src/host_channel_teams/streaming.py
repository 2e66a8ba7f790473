"""One streamed answer: a status, then the text so far, each at least a second after the one before."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from agent_framework_hosting import PermanentPushError, RetryLater, UncertainSend

from .client import Connector, NotSent, RefusedByTeams
from .pace import Clock
from .references import Reference
from .refusals import end_of_stream
from .rendering import StreamType, addressed, frame
from .splitting import BUDGET_BYTES, for_teams, settled

logger = logging.getLogger(__name__)

STATUS_DELAY = 0.25
SHORTEST_GAP = 1.05
LONGEST_GAP = 10.0
LONGEST_STREAM = 110.0


class Stream:
    """Show a growing text in a personal chat. The latest text wins; nothing is queued.

    After ``end`` no frame is under way, and ``id`` is the stream that the final message ends, or None when the
    answer must be a message of its own. ``shown`` is the text that the final must begin with. ``cancelled`` says that
    the person pressed Stop: nothing more may be sent.
    """

    def __init__(
        self,
        connector: Connector,
        to: Reference,
        clock: Clock,
        *,
        reply_to: str | None,
        status: str,
        interval: float,
        on_cancel: Callable[[], Awaitable[None]],
        on_not_allowed: Callable[[], None],
    ) -> None:
        self._connector = connector
        self._to = to
        self._clock = clock
        self._reply_to = reply_to
        self._status = status
        self._interval = interval
        self._on_cancel = on_cancel
        self._on_not_allowed = on_not_allowed
        self.id: str | None = None
        self.shown = ""
        self.cancelled = False
        self._open = True
        self._sequence = 0
        self._first_at = 0.0
        self._last_at = 0.0
        self._next_at = 0.0
        self._text = ""
        self._fresh = asyncio.Event()
        self._ended = asyncio.Event()
        self._stopper: asyncio.Task[None] | None = None
        self._task = asyncio.get_running_loop().create_task(self._run())

    def show(self, text: str) -> None:
        """Take the text so far."""
        self._text = text
        self._fresh.set()

    async def end(self) -> None:
        """Stop showing, wait for the frame under way and for the pause the final needs."""
        self._ended.set()
        self._fresh.set()
        await asyncio.wait([self._task])
        if self.id is not None and not self.cancelled:
            await self._clock.sleep(max(0.0, self._last_at + SHORTEST_GAP - self._clock.now()))
            if self._clock.now() - self._first_at > LONGEST_STREAM:
                self.id = None

    def give_up(self, refused: RefusedByTeams) -> None:
        """Take a refusal of the final, so that it is sent as a message of its own, or not at all."""
        self._close(refused)

    async def _run(self) -> None:
        await self._pause(STATUS_DELAY)
        if self._status and not self._ended.is_set():
            await self._send(self._status, "informative")
        while self._open:
            await self._fresh.wait()
            await self._pause(self._next_at - self._clock.now())
            if self._ended.is_set():
                return
            self._fresh.clear()
            text = for_teams(settled(self._text))
            if not text.strip() or text == self.shown:
                continue
            if len(text.encode()) > BUDGET_BYTES - 512 or self._is_late():
                self._open = False  # the rest comes with the final
            elif await self._send(text, "streaming"):
                self.shown = text

    async def _send(self, text: str, kind: StreamType) -> bool:
        activity = frame(text, kind, self._sequence + 1, self.id)
        to = self._to
        try:
            answered = await self._connector.post(
                to.service_url, to.conversation_id, addressed(activity, to, self._reply_to)
            )
        except RetryLater as later:
            self._interval = min(self._interval * 2, LONGEST_GAP)
            self._taken(max(later.seconds, self._interval))
            return False
        except NotSent:
            self._taken(self._interval)
            return False
        except RefusedByTeams as refused:
            self._close(refused)
            return False
        except (UncertainSend, PermanentPushError):
            self._taken(self._interval)
            self._open = False  # what the person sees is not known; the final replaces it where it can
            return False
        self._taken(self._interval)
        self._sequence += 1
        if self.id is None:
            self.id, self._first_at = answered, self._last_at
            self._open = answered is not None
        return True

    def _taken(self, pause: float) -> None:
        """Note that a request has just ended; the next frame waits."""
        self._last_at = self._clock.now()
        self._next_at = self._last_at + pause

    def _close(self, refused: RefusedByTeams) -> None:
        self._open, self.id = False, None
        match end_of_stream(refused):
            case "cancelled":
                if not self.cancelled:
                    self.cancelled = True
                    self._stopper = asyncio.get_running_loop().create_task(self._stop())
            case "not_allowed":
                self._on_not_allowed()
            case _:
                pass

    async def _stop(self) -> None:
        try:
            await self._on_cancel()
        except Exception as error:
            logger.warning("A stopped answer could not be cancelled", extra={"error": type(error).__name__})

    def _is_late(self) -> bool:
        return self.id is not None and self._clock.now() - self._first_at > LONGEST_STREAM - self._interval

    async def _pause(self, seconds: float) -> None:
        """Wait, but no longer than until the end."""
        if seconds <= 0 or self._ended.is_set():
            return
        loop = asyncio.get_running_loop()
        waits = [loop.create_task(self._clock.sleep(seconds)), loop.create_task(self._ended.wait())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
