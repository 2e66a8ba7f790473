"""From start to stop: who am I, how do updates come, is all well."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable

from agent_framework_hosting import ChannelContext, Sole, StoreError

from .client import Bot
from .config import TelegramOptions
from .faults import TelegramError
from .health import BAD_TOKEN, FRESH_SECONDS, PRIVACY, Health, is_bad_token, profile_of, webhook_fault
from .parsing import ALLOWED_UPDATES
from .polling import Poller
from .reading import as_object, number, text
from .updates import Updates

logger = logging.getLogger(__name__)

_WATCH_SECONDS = 60.0
_STOP_SECONDS = 1.5
_STORE_SECONDS = 5.0


class Connection:
    """Keep the bot connected in a task of its own, so that a Telegram that is away holds nobody up.

    Of several hosts on one store one polls, the others wait. ``prepare`` runs once Telegram has said who the bot is,
    before updates come; ``look_around`` every minute after that.
    """

    def __init__(
        self,
        context: ChannelContext,
        bot: Bot,
        updates: Updates,
        health: Health,
        options: TelegramOptions,
        *,
        needs_everything: Callable[[], bool],
        prepare: Callable[[], Awaitable[None]],
        look_around: Callable[[], Awaitable[None]],
    ) -> None:
        self._context = context
        self._bot = bot
        self._updates = updates
        self._health = health
        self._options = options
        self._needs_everything = needs_everything
        self._prepare = prepare
        self._look_around = look_around
        self._poller = Poller(bot, updates, health, seconds=options.poll_seconds)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to connect."""
        await self._bot.open()
        self._health.start()
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """End the connection; what Telegram holds for the bot stays there."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
        self._health.is_running = False
        if self._options.transport == "polling" or self._options.keep_webhook or self._health.fatal is not None:
            return
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                await self._without_webhook()
        except (TelegramError, TimeoutError) as error:
            logger.warning("Telegram could not be told of the stop", extra={"error": type(error).__name__})

    async def _run(self) -> None:
        try:
            if not await self._introduced():
                return
            if self._options.transport == "polling":
                await self._poll_when_alone()
            else:
                await self._prepare()
                await self._until_done(self._register)
                await self._watch()
        except Exception:
            logger.exception("The connection to Telegram ended")
            self._health.fatal = "The connection to Telegram ended with an error of this channel's; see the log."

    async def _introduced(self) -> bool:
        """Find out who the bot is; False when Telegram does not know the token."""

        async def ask() -> None:
            self._updates.me = await profile_of(self._bot)

        if not await self._until_done(ask):
            return False
        if self._needs_everything() and not self._updates.me.reads_everything:
            self._health.privacy = PRIVACY
            logger.warning(PRIVACY)
        return True

    async def _until_done(self, work: Callable[[], Awaitable[None]]) -> bool:
        """Try until it works; False when Telegram does not know the token."""
        failures = 0
        while True:
            try:
                await work()
            except TelegramError as error:
                if is_bad_token(error):
                    self._health.fatal = BAD_TOKEN
                    logger.error(BAD_TOKEN)  # noqa: TRY400 - the traceback would tell nothing
                    return False
                failures += 1
                self._health.trouble = f"Telegram cannot be reached or refuses ({error}); it is tried again."
                if failures == 1:
                    logger.warning("Connecting to Telegram fails: %s", error)
                await asyncio.sleep(min(30.0, 0.5 * 2 ** min(failures, 7)) * (0.5 + random.random() / 2))  # noqa: S311 - jitter
            else:
                self._health.beat()
                return True

    async def _poll_when_alone(self) -> None:
        """Poll whenever this host alone may; returns when Telegram does not know the token."""
        while self._health.fatal is None:
            self._health.stand_by()
            try:
                async with self._context.sole(f"poll:{self._options.bot_id}") as sole:
                    self._health.beat()
                    await self._prepare()
                    await self._poll_while(sole)
            except StoreError as error:
                self._health.trouble = "The store cannot say whether another host polls; it is asked again."
                logger.warning("Polling could not begin", extra={"error": type(error).__name__})
                await asyncio.sleep(_STORE_SECONDS)

    async def _poll_while(self, sole: Sole) -> None:
        loop = asyncio.get_running_loop()
        works = [loop.create_task(work) for work in (self._poll(), self._look_around_often(), sole.lost())]
        try:
            await asyncio.wait(works, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for work in works:
                work.cancel()
            await asyncio.wait(works)
            if sole.held:
                await self._poller.confirm()
        for work in works:
            if not work.cancelled():
                work.result()

    async def _poll(self) -> None:
        if await self._until_done(self._without_webhook):
            await self._poller.run()

    async def _look_around_often(self) -> None:
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            await self._look_around()

    async def _without_webhook(self) -> None:
        await self._bot.call("deleteWebhook", {"drop_pending_updates": False})

    async def _register(self) -> None:
        secret = self._options.webhook_secret
        await self._bot.call(
            "setWebhook",
            {
                "url": self._options.webhook_url,
                "secret_token": None if secret is None else secret.get_secret_value(),
                "allowed_updates": list(ALLOWED_UPDATES),
                "max_connections": self._options.max_connections,
                "drop_pending_updates": False,
            },
        )

    async def _watch(self) -> None:
        """Look after the webhook: set it again when somebody took it, pass on Telegram's complaints."""
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            await self._look_around()
            try:
                info = as_object(await self._bot.ask("getWebhookInfo"))
                if text(info, "url") != self._options.webhook_url:
                    logger.warning("The webhook was changed or removed and is set again")
                    await self._register()
            except TelegramError as error:
                if is_bad_token(error):
                    self._health.fatal = BAD_TOKEN
                    return
                self._health.trouble = f"Telegram cannot be reached ({type(error).__name__})."
                continue
            self._health.beat()
            failed_at = number(info, "last_error_date") or 0
            if time.time() - failed_at < FRESH_SECONDS and (number(info, "pending_update_count") or 0):
                self._health.trouble = webhook_fault(info)
