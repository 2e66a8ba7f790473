"""How the channel is doing, and in which words an operator reads it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from .addressing import Profile
from .client import Bot
from .faults import ApiError, Meaning, NotSent, TelegramError, Unclear, meaning_of
from .reading import as_object, flag, number, text

STALE_SECONDS = 120.0
FRESH_SECONDS = 600.0

BAD_TOKEN = "Telegram refuses the bot token; copy it again from BotFather (/token) and set bot_token."  # noqa: S105 - no token
TWO_POLLERS = (
    "Another process polls with this bot's token, so messages reach one or the other; stop it, or give this host a bot "
    "of its own. Polling goes on with pauses until it is alone."
)
PRIVACY = (
    "Privacy mode is on, so the bot does not get every message of its groups, but accept_in_group or group_context "
    "needs them: in BotFather use /setprivacy and choose Disable, then remove the bot from each group and add it again."
)


class Health:
    """Collect what the transport finds out; ``clock`` counts seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.is_running = False
        self.fatal: str | None = None
        self.trouble: str | None = None
        self.privacy: str | None = None
        self._beat: float | None = None

    def start(self) -> None:
        """Begin anew."""
        self.is_running, self.fatal, self.trouble, self.privacy = True, None, None, None
        self._beat = self._clock()

    def beat(self) -> None:
        """Note that Telegram answered."""
        self._beat = self._clock()
        self.trouble = None

    def stand_by(self) -> None:
        """Note that another host polls, so that nothing is to be heard from Telegram here."""
        self._beat = None
        self.trouble = None

    def faults(self) -> Sequence[str]:
        """Return what is wrong now, one sentence each."""
        if self.fatal is not None:
            return [self.fatal]
        found = [fault for fault in (self.trouble, self.privacy) if fault is not None]
        if self._beat is not None and (silent := self._clock() - self._beat) > STALE_SECONDS:
            found.append(f"Telegram has not answered for {silent:.0f} seconds; is it reachable from here?")
        return found


async def profile_of(bot: Bot) -> Profile:
    """Ask Telegram who the bot is. Raises ``TelegramError``."""
    me = as_object(await bot.call("getMe"))
    return Profile(number(me, "id") or 0, text(me, "username"), flag(me, "can_read_all_group_messages"))


def is_bad_token(error: TelegramError) -> bool:
    """Whether Telegram does not know the token; trying again cannot help.

    An older server answers 404 to a method it does not have, so that counts for the two it must have only.
    """
    if not isinstance(error, ApiError) or meaning_of(error) is not Meaning.BAD_TOKEN:
        return False
    return error.code == 401 or error.method in ("getMe", "getUpdates")


async def examine(bot: Bot, *, polls: bool, needs_everything: bool) -> list[str]:
    """Return what would keep a bot that is not running from working."""
    try:
        me = await profile_of(bot)
        webhook = as_object(await bot.call("getWebhookInfo"))
    except (NotSent, Unclear) as error:
        return [f"Telegram cannot be reached ({error}); check api_base_url, the network and its proxy."]
    except TelegramError as error:
        return [BAD_TOKEN] if is_bad_token(error) else [f"Telegram refused getMe: {error}"]
    found: list[str] = []
    url = text(webhook, "url")
    if polls and url:
        found.append(
            "A webhook is set for this bot, and polling removes it at start; if another deployment uses it, "
            'give this host a bot of its own, or set transport = "webhook".'
        )
    if not polls and url and text(webhook, "last_error_message"):
        found.append(webhook_fault(webhook))
    if needs_everything and not me.reads_everything:
        found.append(PRIVACY)
    return found


def webhook_fault(info: object) -> str:
    """Return Telegram's own complaint about a webhook."""
    told = as_object(info)
    waiting = number(told, "pending_update_count") or 0
    return (
        f"Telegram could not deliver to the webhook: {text(told, 'last_error_message')} ({waiting} updates wait). "
        "Check that webhook_url leads here from the internet, over HTTPS with a valid certificate."
    )
