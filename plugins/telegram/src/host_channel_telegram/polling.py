"""Ask Telegram for updates, one poll at a time. The offset moves once an update is stored."""

from __future__ import annotations

import asyncio
import logging
import random
import re
from collections.abc import Sequence

from .client import Bot
from .faults import ApiError, TelegramError, Unreadable
from .health import BAD_TOKEN, TWO_POLLERS, Health, is_bad_token
from .parsing import ALLOWED_UPDATES, place_in
from .reading import Json, number, part
from .updates import Updates

logger = logging.getLogger(__name__)

_LONGEST_PAUSE = 30.0
_LONGEST_CONFLICT_PAUSE = 10.0
_STALL_SECONDS = 20.0
_UPDATE_ID = re.compile(r'"update_id"\s*:\s*(\d{1,18})')


class Poller:
    """Poll until cancelled. A poll that hangs beyond its time is dropped together with its connections."""

    def __init__(self, bot: Bot, updates: Updates, health: Health, *, seconds: int) -> None:
        self._bot = bot
        self._updates = updates
        self._health = health
        self._seconds = seconds
        self._offset: int | None = None
        self._confirmed: int | None = None

    async def run(self) -> None:
        """Poll; returns when Telegram does not know the token."""
        failures = conflicts = 0
        while True:
            try:
                async with asyncio.timeout(self._seconds + _STALL_SECONDS):
                    asked = self._offset
                    batch = await self._bot.updates(asked, self._seconds, ALLOWED_UPDATES)
                    self._confirmed = asked
                self._health.beat()
                failures = failures + 1 if not await self._handle(batch) else 0
                conflicts = 0
            except Unreadable as error:
                await self._skip_unreadable(error)
            except (TelegramError, TimeoutError) as error:
                if isinstance(error, TelegramError) and is_bad_token(error):
                    self._health.fatal = BAD_TOKEN
                    logger.error(BAD_TOKEN)  # noqa: TRY400 - the traceback would tell nothing
                    return
                if isinstance(error, ApiError) and error.code == 409:
                    conflicts += 1
                    await self._conflict(error, conflicts)
                    continue
                failures += 1
                self._health.trouble = f"Polling fails ({type(error).__name__}); it is tried again."
                if isinstance(error, TimeoutError):
                    await self._bot.drop_polls()
                logger.warning("A poll failed", extra={"error": type(error).__name__})
            if failures:
                await asyncio.sleep(_pause(failures, _LONGEST_PAUSE))

    async def confirm(self) -> None:
        """Tell Telegram what was stored last, when no poll has told it yet."""
        if self._offset is None or self._offset == self._confirmed:
            return
        try:
            async with asyncio.timeout(1.0):
                await self._bot.updates(self._offset, 0, ALLOWED_UPDATES, limit=1)
        except (TelegramError, TimeoutError):
            pass  # they come again and are known by their ids

    async def _handle(self, batch: Sequence[Json]) -> bool:
        """Store a batch, chats side by side; False when something must come again."""
        chats: dict[object, list[Json]] = {}
        for update in batch:
            chats.setdefault(chat_of(update), []).append(update)
        left = [each for each in await asyncio.gather(*map(self._in_order, chats.values())) if each is not None]
        ids = [each for update in batch if (each := number(update, "update_id")) is not None]
        if left:
            self._offset = min(left)
        elif ids:
            self._offset = max(ids) + 1
        return not left

    async def _in_order(self, updates: Sequence[Json]) -> int | None:
        """Store the updates of one chat; return the id of the first that could not be."""
        for update in updates:
            if await self._updates.take(update) == "come_back":
                return number(update, "update_id")
        return None

    async def _conflict(self, error: ApiError, count: int) -> None:
        if "webhook" in error.description.lower():
            self._health.trouble = "A webhook is set for this bot; polling removes it."
            await self._bot.ask("deleteWebhook", {"drop_pending_updates": False})
            return
        if count == 1:
            logger.warning(TWO_POLLERS)
        self._health.trouble = TWO_POLLERS
        await asyncio.sleep(_pause(count, _LONGEST_CONFLICT_PAUSE))

    async def _skip_unreadable(self, error: Unreadable) -> None:
        """Get past an update that no parser can read: take what comes before it, then leave it out by its id."""
        logger.warning("Telegram's answer could not be read; looking at its updates one by one")
        found = _UPDATE_ID.findall(error.body)
        for _ in range(len(found)):
            try:
                batch = await self._bot.updates(self._offset, 1, ALLOWED_UPDATES, limit=1)
                await self._handle(batch)
                if not batch:
                    return
            except Unreadable as single:
                ids = _UPDATE_ID.findall(single.body)
                if ids:
                    self._offset = int(ids[0]) + 1
                    logger.warning("Update %s cannot be read and is left out", ids[0])


def chat_of(update: Json) -> object:
    """Return the chat an update belongs to, so that those of one chat stay in order."""
    query, change = part(update, "callback_query"), part(update, "my_chat_member")
    for message in (part(update, "message"), part(query, "message"), change, part(update, "edited_message")):
        if message:
            place = place_in(message)
            return None if place is None else place.chat_id
    return None


def _pause(count: int, longest: float) -> float:
    return min(longest, 2.0 ** min(count - 1, 8)) * (0.5 + random.random() / 2)  # noqa: S311 - jitter
