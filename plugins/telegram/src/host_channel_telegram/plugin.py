"""The hooks and nothing else; ``wiring.py`` puts the parts together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

from agent_framework_hosting import (
    Channel,
    ChannelCommand,
    ChannelContext,
    ChannelContribution,
    ChannelIdentity,
    ChannelRequest,
    ChannelRunHook,
    HostedRunResult,
    LiveReply,
    SendRecord,
    Store,
    Target,
    apply_run_hook,
    hookimpl,
)

from .answers import AnswerCodec
from .client import Bot
from .config import TelegramOptions
from .health import examine
from .media import merged
from .reading import number, part, text
from .wiring import TABLES, Wiring, needs_everything

_SPLIT_UNITS = 4000  # clients cut what people paste at 4096


class TelegramChannel(Channel[TelegramOptions]):
    """Let people talk to the agent on Telegram.

    Keyword arguments are the fields of ``TelegramOptions`` and a channel's common settings, and what no file can
    express: ``commands`` are the developer's own, ``run_hook`` changes each request. Raises
    ``ChannelConfigurationError`` for an option that cannot work. Constructing opens nothing.
    """

    name = "telegram"
    path = "/telegram"
    push_codec = AnswerCodec()
    on_uncertain_send: Literal["retry", "unknown"] = "unknown"
    Options: ClassVar = TelegramOptions

    def __init__(
        self,
        options: TelegramOptions | None = None,
        /,
        *,
        commands: Sequence[ChannelCommand] = (),
        run_hook: ChannelRunHook | None = None,
        **settings: object,
    ) -> None:
        """Check the options; nothing is opened."""
        super().__init__(options, **settings)
        self._commands = tuple(commands)
        self._own_run_hook = run_hook
        self._wiring: Wiring | None = None

    @hookimpl
    def contribute_routes(self, context: ChannelContext) -> ChannelContribution:
        """Add the webhook's route when there is one, the commands, the tables, and the connection's start and stop."""
        wiring = self._wiring = Wiring(self, context, self.options)
        return ChannelContribution(
            routes=wiring.routes(self.path),
            commands=(*self._commands, *wiring.builtins.commands(self._commands)),
            on_startup=[wiring.start],
            on_shutdown=[wiring.stop],
            tables=TABLES,
        )

    @hookimpl
    async def run_hook(
        self, request: ChannelRequest, target: Target, protocol_request: object
    ) -> ChannelRequest | None:
        """Fetch the files of a message before the agent sees it."""
        fetched = await self._wired.with_files(request)
        return await apply_run_hook(self._own_run_hook, fetched, target=target, protocol_request=protocol_request)

    @hookimpl
    async def push(self, identity: ChannelIdentity, payload: HostedRunResult) -> str | None:
        """Send an answer; the receipt is the ids of its messages."""
        return await self._wired.deliveries.push(identity, payload)

    def live_reply(self, request: ChannelRequest) -> LiveReply | None:
        """Show that the bot works, and the answer while it grows."""
        return self._wired.live_reply(request)

    def settle(self, request: ChannelRequest) -> float:
        """Wait a moment for the other parts of an album or of a long text, and for a quick second message."""
        told = part(request.attributes, "telegram")
        if "message_id" not in told:
            return 0.0
        if text(told, "album"):
            return 0.7
        if not self.options.merge_quick_messages:
            return 0.0
        return 1.5 if (number(told, "units") or 0) >= _SPLIT_UNITS else 0.3

    def merge(self, requests: Sequence[ChannelRequest]) -> ChannelRequest:
        """Make one message of several: their words in order, and all their files."""
        return merged(requests)

    async def reconcile(self, record: SendRecord) -> Literal["sent", "not_sent"] | None:
        """Say what became of an answer whose sending was cut off."""
        return await self._wired.deliveries.reconcile(record)

    async def forget(self, identities: Sequence[ChannelIdentity], store: Store) -> None:  # noqa: ARG002 - the signature is the hook's
        """Drop what this channel has of people in memory; its tables say themselves whose their records are."""
        if self._wiring is not None:
            self._wiring.forget({identity.native_id for identity in identities})

    async def check(self) -> Sequence[str]:
        """Return what is wrong: with the running bot, or with what it would meet at start."""
        if self._wiring is not None and self._wiring.health.is_running:
            return self._wiring.health.faults()
        bot = Bot(self.options.bot_token.get_secret_value(), self.options.api_base_url)
        try:
            wants_all = needs_everything(self, self.options)
            return await examine(bot, polls=self.options.transport == "polling", needs_everything=wants_all)
        finally:
            await bot.close()

    @property
    def _wired(self) -> Wiring:
        if self._wiring is None:
            raise RuntimeError("The host has not built its app yet.")
        return self._wiring
