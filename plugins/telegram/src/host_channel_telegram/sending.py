"""Send one message and see every refusal to its proper end."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import cast

from agent_framework_hosting import PermanentPushError, RetryLater

from .chats import Chats
from .client import Bot, Upload
from .faults import ApiError, Meaning, NotSent, Unclear, meaning_of
from .pacing import Pacer
from .parts import File
from .places import Place
from .reading import as_object, number
from .rich import Rich

logger = logging.getLogger(__name__)

PATIENCE_SECONDS = 20.0


class MessageGone(Exception):  # noqa: N818 - reads as the condition it names
    """The message to edit is not there any more."""


Mark = Callable[[bool], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Manner:
    """How a message is sent: what it replies to, whether it makes a sound, what buttons it has.

    ``mark`` is told True right before the send begins, False once it is known to have had no effect.
    """

    reply_to: int | None = None
    silent: bool = False
    keyboard: Mapping[str, object] | None = None
    mark: Mark | None = None


@dataclass(frozen=True, slots=True)
class House:
    """The operator's wishes for every message."""

    link_previews: bool = False
    protect_content: bool = False


Attempt = Callable[[Place, Manner], Awaitable[object]]


class Sender:
    """Send with the bot's pace, wait out floods, follow moved groups. Callers keep messages of one chat in order.

    Every method raises ``RetryLater``, ``PermanentPushError``, or ``Unclear`` when a send may have been applied.
    """

    def __init__(self, bot: Bot, pacer: Pacer, chats: Chats, house: House) -> None:
        self._bot = bot
        self._pacer = pacer
        self._chats = chats
        self._house = house

    async def text(self, place: Place, rich: Rich, manner: Manner) -> int:
        """Send a text and return its message id."""

        async def formatted(to: Place, how: Manner) -> object:
            return await self._bot.call("sendMessage", {**self._text(rich), **self._where(to, how)})

        async def plain(to: Place, how: Manner) -> object:
            return await self._bot.call("sendMessage", {**self._text(Rich(rich.text)), **self._where(to, how)})

        return _id_of(await self._send(place, manner, formatted, otherwise=plain if rich.entities else None))

    async def edit(
        self, place: Place, message_id: int, rich: Rich, keyboard: Mapping[str, object] | None = None
    ) -> None:
        """Make a message read like this; repeating it is safe. Raises ``MessageGone``."""

        async def formatted(to: Place, _: Manner) -> object:
            return await self._edit(to, message_id, rich, keyboard)

        async def plain(to: Place, _: Manner) -> object:
            return await self._edit(to, message_id, Rich(rich.text), keyboard)

        for attempt in range(4):
            try:
                await self._send(place, Manner(), formatted, otherwise=plain)
            except Unclear:
                if attempt == 3:
                    raise RetryLater(2.0) from None
                await asyncio.sleep(0.3 * 2**attempt)
            else:
                return

    async def file(self, place: Place, file: File, manner: Manner) -> int:
        """Send a file and return its message id; a photo that is refused goes as a document, then as a note."""

        async def as_it_is(to: Place, how: Manner) -> object:
            return await self._one_file(to, how, file)

        async def as_document(to: Place, how: Manner) -> object:
            return await self._one_file(to, how, replace(file, kind="document"))

        try:
            return _id_of(await self._send(place, manner, as_it_is, otherwise=as_document))
        except PermanentPushError:
            if await self._chats.is_dead(place.chat_id):
                raise
            shown = Rich(f"I could not send the file {file.name}." + (f" {file.url}" if file.url else ""))
            await self.text(place, shown, manner)
            raise

    async def album(self, place: Place, files: list[File], manner: Manner) -> list[int]:
        """Send two to ten files as one album and return their message ids."""
        uploads: dict[str, Upload] = {}
        media: list[dict[str, object]] = []
        for index, file in enumerate(files):
            if file.data is not None:
                uploads[f"file{index}"] = (file.name, file.data, file.media_type)
            source = file.url if file.data is None else f"attach://file{index}"
            media.append({"type": file.kind, "media": source, **_caption(file.caption)})

        async def send(to: Place, how: Manner) -> object:
            where = self._where(to, how)
            where.pop("reply_markup", None)
            where.pop("link_preview_options", None)
            return await self._bot.upload("sendMediaGroup", {"media": media, **where}, uploads)

        answer = await self._send(place, manner, send)
        return [_id_of(one) for one in cast("list[object]", answer)] if isinstance(answer, list) else []

    async def _one_file(self, place: Place, manner: Manner, file: File) -> object:
        where = self._where(place, manner)
        where.pop("link_preview_options", None)
        method = f"send{file.kind.capitalize()}"
        params: dict[str, object] = {**where, **_caption(file.caption)}
        if file.data is None:
            return await self._bot.call(method, {**params, file.kind: file.url})
        return await self._bot.upload(method, params, {file.kind: (file.name, file.data, file.media_type)})

    async def _edit(self, place: Place, message_id: int, rich: Rich, keyboard: Mapping[str, object] | None) -> object:
        where = {"chat_id": place.chat_id, "message_id": message_id, "reply_markup": keyboard}
        return await self._bot.call("editMessageText", {**self._text(rich), **where})

    def _text(self, rich: Rich) -> dict[str, object]:
        return {
            "text": rich.text,
            "entities": list(rich.entities) or None,
            "link_preview_options": None if self._house.link_previews else {"is_disabled": True},
        }

    def _where(self, place: Place, manner: Manner) -> dict[str, object]:
        reply = (
            None if manner.reply_to is None else {"message_id": manner.reply_to, "allow_sending_without_reply": True}
        )
        return {
            "chat_id": place.chat_id,
            "message_thread_id": place.thread_id,
            "reply_parameters": reply,
            "disable_notification": manner.silent or None,
            "protect_content": self._house.protect_content or None,
            "reply_markup": manner.keyboard,
        }

    async def _send(
        self, place: Place, manner: Manner, attempt: Attempt, *, otherwise: Attempt | None = None
    ) -> object:
        """Try until sent, refused for good or out of patience."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + PATIENCE_SECONDS
        to, tries = self._chats.now_at(place), 0
        while True:
            if (frozen := self._pacer.frozen_for(to.chat_id)) > PATIENCE_SECONDS:
                raise RetryLater(frozen)
            await self._pacer.turn(to.chat_id)
            tries += 1
            if manner.mark is not None:
                await manner.mark(True)
            try:
                return await attempt(to, manner)
            except NotSent as error:
                await _not_applied(manner)
                if loop.time() > deadline:
                    raise RetryLater(30.0, str(error)) from None
                await asyncio.sleep(min(5.0, 0.2 * 2**tries) * (0.5 + random.random() / 2))  # noqa: S311 - jitter
            except ApiError as error:
                await _not_applied(manner)
                if meaning_of(error) is Meaning.UNCHANGED:
                    return None
                if meaning_of(error) in (Meaning.BAD_TEXT, Meaning.TOO_LARGE) and otherwise is not None:
                    logger.warning("Telegram refused a message, trying its simpler form: %s", error.description)
                    attempt, otherwise = otherwise, None
                    continue
                to, manner = await self._after(error, place, to, manner, patience=deadline - loop.time())

    async def _after(
        self, error: ApiError, place: Place, to: Place, manner: Manner, *, patience: float
    ) -> tuple[Place, Manner]:
        """Return where and how to try again after a refusal; raise when that cannot help."""
        match meaning_of(error):
            case Meaning.FLOOD:
                self._pacer.freeze(to.chat_id, error.retry_after)
                if error.retry_after > patience:
                    raise RetryLater(error.retry_after)
                return to, manner
            case Meaning.MOVED if error.moved_to is not None and error.moved_to != to.chat_id:
                await self._chats.move(to.chat_id, error.moved_to)
                return replace(to, chat_id=error.moved_to), manner
            case Meaning.NO_THREAD if to.thread_id is not None:
                return replace(to, thread_id=None), manner
            case Meaning.NO_QUESTION if manner.reply_to is not None:
                return to, replace(manner, reply_to=None)
            case Meaning.NO_MESSAGE:
                raise MessageGone
            case Meaning.DEAD:
                await self._chats.bury(place.chat_id, error.description)
                raise PermanentPushError(f"Telegram refuses this chat: {error.description}")
            case Meaning.BAD_TOKEN:
                raise RetryLater(30.0, "Telegram refuses the bot's token.")
            case _:
                raise PermanentPushError(f"Telegram refused: {error.code} {error.description}")


async def _not_applied(manner: Manner) -> None:
    if manner.mark is not None:
        await manner.mark(False)


def _caption(caption: Rich | None) -> dict[str, object]:
    if caption is None:
        return {}
    return {"caption": caption.text, **({"caption_entities": list(caption.entities)} if caption.entities else {})}


def _id_of(answer: object) -> int:
    return number(as_object(answer), "message_id") or 0
