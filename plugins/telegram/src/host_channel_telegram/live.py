"""An answer shown while it is written: typing, then one message that grows, then the whole answer in its place."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from agent_framework_hosting import ChannelIdentity, HostedRunResult, StoreError

from .chats import Chats
from .client import Bot
from .deliveries import Deliveries
from .faults import ApiError, Meaning, TelegramError, Unclear, meaning_of
from .pacing import Pacer
from .places import Place
from .progress import LiveMessage, Progress
from .reading import as_object, number
from .rendering import render
from .rich import Rich
from .splitting import split
from .utf16 import units

logger = logging.getLogger(__name__)

PREVIEW_UNITS = 4000
_FIRST_UNITS, _FIRST_SECONDS = 20, 1.0
_TYPING_AFTER, _TYPING_EVERY = 0.2, 4.0
_PREVIEW_SECONDS = 10.0
_LONGEST_FREEZE = 5.0
_MOST_FAILURES = 3

STOP_DATA = "stop"
STOP_KEYBOARD: Mapping[str, object] = {"inline_keyboard": [[{"text": "Stop", "callback_data": STOP_DATA}]]}


@dataclass(frozen=True, slots=True)
class Stage:
    """What live replies share: the way to Telegram and the operator's wishes."""

    bot: Bot
    pacer: Pacer
    chats: Chats
    progress: Progress
    deliveries: Deliveries
    streaming: Literal["edit", "draft", "off"]
    typing: bool
    stop_button: bool
    link_previews: bool
    no_drafts: list[str] = field(default_factory=list[str])  # why drafts are off for this bot, once they failed


class GrowingReply:
    """Show one answer. A task of its own talks to Telegram, so that the turn never waits for a preview."""

    def __init__(
        self,
        stage: Stage,
        identity: ChannelIdentity,
        place: Place,
        *,
        event: str | None,
        reply_to: int | None,
        general: bool,
    ) -> None:
        self._stage = stage
        self._identity = identity
        self._place = place
        self._event = event
        self._reply_to = reply_to
        self._general = general
        self._text = ""
        self._shown: Rich | None = None
        self._message_id: int | None = None
        self._changed = asyncio.Event()
        self._closing = asyncio.Event()
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def update(self, text: str, /) -> None:
        """Show the text so far; never waits."""
        self._text = text
        self._changed.set()

    async def finish(self, result: HostedRunResult, /) -> str | None:
        """Deliver the answer: its first text in the message that grew, the rest after it."""
        await self._end_previews()
        return await self._stage.deliveries.deliver(
            self._identity, result, live=self._live, shown=None if self._stage.stop_button else self._shown
        )

    async def fail(self, reason: str, /) -> None:
        """End with a sentence, after what was written so far."""
        await self._end_previews()
        await self._stage.deliveries.end_with(self._identity, reason, live=self._live, written=self._text)

    async def close(self) -> None:
        """Stop talking to Telegram; what was shown stays."""
        self._task.cancel()
        await asyncio.wait([self._task])

    @property
    def has_ended(self) -> bool:
        """Whether previews are over."""
        return self._task.done()

    @property
    def _live(self) -> LiveMessage | None:
        return None if self._message_id is None else LiveMessage(self._message_id, self._event)

    async def _end_previews(self) -> None:
        """Let the call under way end, so that the answer never races it."""
        self._closing.set()
        self._changed.set()
        await asyncio.wait([self._task], timeout=_PREVIEW_SECONDS + 5.0)
        if not self._task.done():
            self._task.cancel()

    async def _run(self) -> None:
        try:
            await self._type_until_text()
            if self._stage.streaming == "off":
                await self._closing.wait()
                return
            if units(self._text) < _FIRST_UNITS:
                await self._pause(_FIRST_SECONDS)
            await self._preview_until_closing()
        except Exception as error:  # a failing preview never endangers the answer
            logger.warning("Previews of an answer ended early", extra={"error": type(error).__name__})

    async def _type_until_text(self) -> None:
        wait = _TYPING_AFTER
        while not await self._text_within(wait):
            wait = _TYPING_EVERY
            if self._stage.typing and not self._stage.pacer.frozen_for(self._chat_id):
                await self._type()

    async def _type(self) -> None:
        to = self._stage.chats.now_at(self._place)
        thread = 1 if self._general else to.thread_id
        try:
            await self._stage.bot.call(
                "sendChatAction",
                {"chat_id": to.chat_id, "message_thread_id": thread, "action": "typing"},
                limit_seconds=_PREVIEW_SECONDS,
            )
        except TelegramError:
            pass  # it only says that somebody works

    async def _preview_until_closing(self) -> None:
        failures, drafts = 0, self._stage.streaming == "draft" and not self._place.is_group
        while not self._closing.is_set() and failures < _MOST_FAILURES:
            self._changed.clear()
            wait = self._stage.pacer.preview_wait(self._chat_id)
            if wait:
                if wait > 60.0:
                    return
                await self._pause(wait)
                continue
            frame = first_part(self._text)
            if frame is not None and frame != self._shown:
                went_well = await self._frame(frame, draft=drafts and not self._stage.no_drafts)
                if went_well is None:
                    return
                failures = 0 if went_well else failures + 1
            if not self._changed.is_set():
                await self._changed.wait()

    async def _frame(self, frame: Rich, *, draft: bool) -> bool | None:
        """Show one state; False when that failed, None when nothing more may be shown."""
        try:
            await (self._draft(frame) if draft else self._show(frame))
        except Unclear:
            # there may be a message that nobody can edit: then nothing more is shown
            return None if self._message_id is None and not draft else False
        except ApiError as error:
            return False if self._goes_on_after(error, draft=draft) else None
        except TelegramError:
            return False
        self._shown = frame
        return True

    def _goes_on_after(self, error: ApiError, *, draft: bool) -> bool:
        """Say whether previews go on after a refusal."""
        match meaning_of(error):
            case Meaning.FLOOD:
                self._stage.pacer.freeze(self._chat_id, error.retry_after)
                return error.retry_after <= _LONGEST_FREEZE
            case Meaning.UNCHANGED:
                return True
            case Meaning.DEAD | Meaning.NO_MESSAGE | Meaning.MOVED | Meaning.NO_THREAD:
                return False
            case _ if draft:
                self._stage.no_drafts.append(error.description)
                return True
            case _:
                return True

    async def _show(self, frame: Rich) -> None:
        stage, to = self._stage, self._stage.chats.now_at(self._place)
        params: dict[str, object] = {
            "chat_id": to.chat_id,
            "text": frame.text,
            "entities": list(frame.entities) or None,
            "link_preview_options": None if stage.link_previews else {"is_disabled": True},
            "reply_markup": STOP_KEYBOARD if stage.stop_button else None,
        }
        stage.pacer.reserve(self._chat_id)
        if self._message_id is not None:
            params["message_id"] = self._message_id
            await stage.bot.call("editMessageText", params, limit_seconds=_PREVIEW_SECONDS)
            return
        if self._reply_to is not None:
            params["reply_parameters"] = {"message_id": self._reply_to, "allow_sending_without_reply": True}
        params["message_thread_id"] = to.thread_id
        sent = await stage.bot.call("sendMessage", params, limit_seconds=_PREVIEW_SECONDS)
        self._message_id = number(as_object(sent), "message_id")
        if (live := self._live) is not None:
            try:
                await stage.progress.grows(self._place, self._identity.native_id, live)
            except StoreError as error:
                logger.warning("A live message could not be noted", extra={"error": type(error).__name__})

    async def _draft(self, frame: Rich) -> None:
        self._stage.pacer.reserve(self._chat_id)
        await self._stage.bot.call(
            "sendMessageDraft",
            {
                "chat_id": self._chat_id,
                "message_thread_id": self._place.thread_id,
                "draft_id": (id(self) >> 4) % 2**31 or 1,
                "text": frame.text,
                "entities": list(frame.entities) or None,
            },
            limit_seconds=_PREVIEW_SECONDS,
        )

    @property
    def _chat_id(self) -> int:
        return self._stage.chats.now_at(self._place).chat_id

    async def _text_within(self, seconds: float) -> bool:
        """Wait for text or the end; False when neither came in time."""
        if not self._text.strip() and not self._closing.is_set():
            self._changed.clear()
            try:
                async with asyncio.timeout(seconds):
                    await self._changed.wait()
            except TimeoutError:
                return False
        return bool(self._text.strip()) or self._closing.is_set()

    async def _pause(self, seconds: float) -> None:
        """Wait, but not beyond the end."""
        try:
            async with asyncio.timeout(seconds):
                await self._closing.wait()
        except TimeoutError:
            pass


def first_part(markdown: str) -> Rich | None:
    """Return what a preview shows of a growing answer: at most its first 4000 units."""
    chunks = split(render(markdown[: 2 * PREVIEW_UNITS]), PREVIEW_UNITS)
    return chunks[0] if chunks else None
