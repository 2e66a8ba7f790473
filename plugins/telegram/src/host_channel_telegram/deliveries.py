"""Deliver an answer: each message once, in order, from where an earlier attempt stopped."""

from __future__ import annotations

import asyncio
import logging
import weakref
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from agent_framework import AgentResponse, Message

from agent_framework_hosting import (
    ChannelIdentity,
    HostedRunResult,
    PermanentPushError,
    RetryLater,
    SendRecord,
    UncertainSend,
    result_text,
)

from .answers import Meta, messages_of, meta_of, with_key
from .approvals import Approvals
from .chats import Chats
from .faults import Unclear
from .parts import ApprovalPart, FilePart, Part, TextPart, long_captions_apart, parts_of, text_parts
from .places import Place, place_of
from .progress import LiveMessage, Progress, Steps, fallback_key
from .reading import as_object, flag, text
from .rendering import render
from .rich import Rich
from .sending import Manner, MessageGone, Sender

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Job:
    """One delivery: to whom and where, what it knows of itself, the message it grew in and what that reads."""

    identity: ChannelIdentity
    place: Place
    meta: Meta
    live: LiveMessage | None
    shown: Rich | None


class Deliveries:
    """Send answers, notices and direct replies; one chat gets one of them at a time."""

    def __init__(
        self, sender: Sender, progress: Progress, chats: Chats, approvals: Approvals, *, most_parts: int
    ) -> None:
        self._sender = sender
        self._progress = progress
        self._chats = chats
        self._approvals = approvals
        self._most = most_parts
        self._locks: weakref.WeakValueDictionary[int, asyncio.Lock] = weakref.WeakValueDictionary()

    async def push(self, identity: ChannelIdentity, payload: HostedRunResult) -> str | None:
        """Deliver to an address without a live message at hand; one that an earlier process began is used."""
        place = place_of(identity)
        growing = await self._progress.growing(place, identity.native_id)
        meta = meta_of(payload)
        mine = growing is not None and (meta is None or growing.event == meta.event)
        return await self.deliver(identity, payload, live=growing if mine else None)

    async def deliver(
        self,
        identity: ChannelIdentity,
        payload: HostedRunResult,
        *,
        live: LiveMessage | None,
        shown: Rich | None = None,
    ) -> str | None:
        """Deliver; ``live`` is the message the answer grew in, ``shown`` what it reads when that is final already.

        Raises ``UncertainSend`` once everything was tried and the fate of a message is unknown.
        """
        place = place_of(identity)
        meta = meta_of(payload) or Meta(fallback_key(_destination(identity), result_text(payload)))
        if await self._chats.is_dead(place.chat_id):
            raise PermanentPushError("The bot was blocked here, or the chat is gone; a new message revives it.")
        job = Job(identity, place, meta, live, shown)
        lock = self._locks.setdefault(place.chat_id, asyncio.Lock())
        async with lock:
            steps = await self._progress.load(meta.key) or Steps(captions=live is None)
            todo = parts_of(payload, most=self._most, captions=steps.captions) or _nothing_to_show(payload)
            steps.total = len(todo)
            refused: PermanentPushError | None = None
            for index, each in enumerate(todo):
                if index in steps.sent or index in steps.unclear:
                    continue
                try:
                    await self._step(job, steps, index, each)
                except PermanentPushError as error:  # a file may be refused; what comes after it is still sent
                    if not isinstance(each, FilePart) or await self._chats.is_dead(place.chat_id):
                        raise
                    refused = error
            if live is not None:
                await self._progress.grown(place, identity.native_id)
        if refused is not None:
            raise refused
        if steps.unclear:
            raise UncertainSend("Telegram broke off during a send; the message may be there.")
        if meta_of(payload) is None:
            await self._progress.forget(meta.key)
        return steps.receipt

    async def end_with(self, identity: ChannelIdentity, reason: str, *, live: LiveMessage | None, written: str) -> None:
        """Deliver a sentence of the host's own in the place of an answer, after what was written of it."""
        key = fallback_key(_destination(identity), reason)
        said = f"{written}\n\n{reason}" if live is not None and written.strip() else reason
        answer = AgentResponse(messages=[Message("assistant", [said])], additional_properties=with_key(key))
        await self.deliver(identity, HostedRunResult(answer), live=live)
        await self._progress.forget(key)

    async def say(self, place: Place, said: str, *, reply_to: int | None = None, markdown: bool = False) -> None:
        """Send a direct reply, once and as well as it goes."""
        lock = self._locks.setdefault(place.chat_id, asyncio.Lock())
        try:
            async with lock:
                for each in text_parts(render(said) if markdown else Rich(said)):
                    await self._sender.text(place, each.rich, Manner(reply_to=reply_to))
        except (RetryLater, PermanentPushError, Unclear) as error:
            logger.warning("A reply could not be sent", extra={"error": type(error).__name__})

    async def rewrite(self, place: Place, message_id: int, rich: Rich) -> None:
        """Make a message of the bot's read differently and take its buttons away, as well as it goes."""
        try:
            await self._sender.edit(place, message_id, rich)
        except (RetryLater, PermanentPushError, MessageGone) as error:
            logger.warning("A message could not be changed", extra={"error": type(error).__name__})

    async def reconcile(self, record: SendRecord) -> Literal["sent", "not_sent"] | None:
        """Say what became of a delivery that was cut off: a message that was under way is the only unknown."""
        key = text(as_object(record.envelope), "key") or fallback_key(_destination(record.identity), record.text)
        try:
            steps = await self._progress.load(key)
        except RetryLater:
            return "not_sent"  # by this host; an attempt waits for the other
        if steps is None or not steps.is_settled:
            return "not_sent"  # an attempt sends what is missing and leaves out what may be there
        return None if steps.unclear else "sent"

    async def _step(self, job: Job, steps: Steps, index: int, each: Part) -> None:
        """Send one message and write down its receipt."""
        meta = job.meta
        if index == 0 and job.live is not None and await self._grown_into(job, each, job.live):
            steps.sent[index] = str(job.live.message_id)
            await self._progress.save(meta.key, steps)
            return

        async def mark(under_way: bool) -> None:
            steps.under_way = index if under_way else None
            await self._progress.save(meta.key, steps)

        manner = Manner(
            meta.reply_to if index == 0 else None, silent=flag(job.identity.attributes, "silent"), mark=mark
        )
        try:
            ids = await self._send(job, each, manner)
        except Unclear:
            steps.unclear.append(index)
        else:
            steps.sent[index] = ",".join(map(str, ids))
        await mark(False)

    async def _grown_into(self, job: Job, each: Part, live: LiveMessage) -> bool:
        """Make the live message read the first text of the answer; False when it is gone or there is no text."""
        if not isinstance(each, TextPart):
            return False
        try:
            if job.shown != each.rich:
                await self._sender.edit(job.place, live.message_id, each.rich)
        except MessageGone:
            return False
        return True

    async def _send(self, job: Job, each: Part, manner: Manner) -> list[int]:
        if isinstance(each, TextPart):
            return [await self._sender.text(job.place, each.rich, manner)]
        if isinstance(each, ApprovalPart):
            keyboard, rich = await self._approvals.ask(job.identity, job.place, job.meta.key, each)
            return [await self._sender.text(job.place, rich, replace(manner, keyboard=keyboard))]
        return await self._files(job.place, each, manner)

    async def _files(self, place: Place, each: FilePart, manner: Manner) -> list[int]:
        files, rest = long_captions_apart(each.files)
        if len(files) == 1:
            ids = [await self._sender.file(place, files[0], manner)]
        else:
            ids = await self._sender.album(place, files, manner)
        return ids + [await self._sender.text(place, more.rich, replace(manner, reply_to=None)) for more in rest]


def _nothing_to_show(payload: HostedRunResult) -> list[Part]:
    """Return a sentence for an answer without anything to show, so that its question has a visible end."""
    return (
        [TextPart(Rich("(The agent finished without an answer.)"))] if meta_of(payload) or messages_of(payload) else []
    )


def _destination(identity: ChannelIdentity) -> Mapping[str, object]:
    return {"channel": identity.channel, "native_id": identity.native_id, "attributes": dict(identity.attributes)}
