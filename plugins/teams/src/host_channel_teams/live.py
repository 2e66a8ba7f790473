"""Answers while they are made: streamed in personal chats, announced by typing elsewhere."""

from __future__ import annotations

import asyncio

from agent_framework_hosting import HostedRunResult

from .answers import Answer, answer_of
from .client import Connector
from .pace import Clock
from .references import Reference
from .rendering import addressed, typing
from .sending import Sender
from .splitting import for_teams
from .streaming import Stream

TYPING_SECONDS = 3.5
LONGEST_TYPING = 600.0


class StreamedReply:
    """Show an answer word by word; ``finish`` ends the stream with the whole of it."""

    def __init__(self, sender: Sender, stream: Stream, to: Reference, reply_to: str | None) -> None:
        self._sender = sender
        self._stream = stream
        self._to = to
        self._reply_to = reply_to

    async def update(self, text: str) -> None:
        """Show the text so far."""
        self._stream.show(text)

    async def finish(self, result: HostedRunResult) -> str | None:
        """Deliver the answer, once: as the end of the stream, or as a message of its own."""
        return await self._end(answer_of(result))

    async def fail(self, reason: str) -> None:
        """End with a text that is safe to show, below what was shown already."""
        await self._stream.end()
        shown = self._stream.shown if self._stream.id is not None else ""
        await self._end(Answer(f"{shown}\n\n{reason}" if shown else reason))

    async def _end(self, answer: Answer) -> str | None:
        stream = self._stream
        await stream.end()
        if stream.cancelled:
            return None
        if stream.shown and not for_teams(answer.text).startswith(stream.shown):
            stream.id = None  # the head was rewritten, which a stream may not do
        return await self._sender.deliver(answer, self._to, reply_to=self._reply_to, stream=stream)


class TypingReply:
    """Show that somebody is writing, then one message."""

    def __init__(self, sender: Sender, connector: Connector, to: Reference, reply_to: str | None, clock: Clock) -> None:
        self._sender = sender
        self._connector = connector
        self._to = to
        self._reply_to = reply_to
        self._clock = clock
        self._task = asyncio.get_running_loop().create_task(self._type())

    async def update(self, text: str) -> None:
        """Show nothing: in groups an answer comes whole."""

    async def finish(self, result: HostedRunResult) -> str | None:
        """Deliver the answer."""
        await self._quiet()
        return await self._sender.deliver(answer_of(result), self._to, reply_to=self._reply_to)

    async def fail(self, reason: str) -> None:
        """Say what is safe to say."""
        await self._quiet()
        await self._sender.deliver(Answer(reason), self._to, reply_to=self._reply_to)

    async def _quiet(self) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])

    async def _type(self) -> None:
        to, started = self._to, self._clock.now()
        activity = addressed(typing(), to)
        while self._clock.now() - started < LONGEST_TYPING:
            try:
                await self._connector.post(to.service_url, to.conversation_id, activity)
            except (
                Exception
            ):  # a sign of life is worth no trouble: whatever ails the connector, the answer will meet it
                return
            await self._clock.sleep(TYPING_SECONDS)
