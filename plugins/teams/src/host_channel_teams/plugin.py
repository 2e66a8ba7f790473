"""The hooks of the Teams channel, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

from agent_framework_hosting import (
    Channel,
    ChannelContext,
    ChannelContribution,
    ChannelIdentity,
    ChannelRequest,
    HostedRunResult,
    LiveReply,
    SendRecord,
    Store,
    hookimpl,
)

from .config import TeamsOptions
from .connections import Connections
from .forgetting import forget_chats
from .pace import Clock, RealClock

if TYPE_CHECKING:
    from .bot import Bot
    from .feedback import FeedbackHandler


class TeamsChannel(Channel[TeamsOptions]):
    """Answer people in Microsoft Teams.

    Keyword arguments are the fields of ``TeamsOptions`` and a channel's common settings, and what no file can express:
    ``on_feedback`` is called with each opinion about an answer, ``clock`` paces streams. Raises
    ``ChannelConfigurationError``.
    """

    name = "teams"
    path = "/api/messages"
    emits_verified_claims = True
    on_uncertain_send = "unknown"
    Options: ClassVar = TeamsOptions

    def __init__(
        self,
        options: TeamsOptions | None = None,
        /,
        *,
        on_feedback: FeedbackHandler | None = None,
        clock: Clock | None = None,
        **settings: object,
    ) -> None:
        """Check the options; nothing is opened."""
        super().__init__(options, **settings)
        self._on_feedback = on_feedback
        self._clock = clock or RealClock()
        self._connections = Connections(self.options, self._clock)
        self._bot: Bot | None = None

    @hookimpl
    def contribute_routes(self, context: ChannelContext) -> ChannelContribution:
        """Put the bot together and add its route, its commands and its lifecycle."""
        from .bot import Bot  # noqa: PLC0415 - Microsoft's models take a second to import

        self._bot = Bot(
            context,
            self.options,
            self._connections,
            self._clock,
            channel=self.name,
            addressing=lambda: self.accept_in_group,
            on_feedback=self._on_feedback,
        )
        return self._bot.contribution()

    @hookimpl
    async def run_hook(self, request: ChannelRequest) -> ChannelRequest | None:
        """Fetch the files that came with a message."""
        return await self._running.with_files(request)

    @hookimpl
    async def push(self, identity: ChannelIdentity, payload: HostedRunResult) -> str | None:
        """Send an answer to one conversation, or to a person."""
        return await self._running.push(identity, payload)

    def live_reply(self, request: ChannelRequest) -> LiveReply | None:
        """Show an answer while it is made."""
        return self._running.live_reply(request)

    async def reconcile(self, record: SendRecord) -> Literal["sent", "not_sent"] | None:
        """Say whether a send that was cut off had not begun; one that had may have arrived."""
        return await self._running.reconcile(record)

    async def forget(self, identities: Sequence[ChannelIdentity], store: Store) -> None:
        """Remove what is remembered of these people besides the records that tell whose they are."""
        await forget_chats(identities, store)
        if self._bot is not None:
            self._bot.forget()

    async def check(self) -> Sequence[str]:
        """Say whether the bot gets a token and can check Microsoft's."""
        try:
            return await self._connections.check()
        finally:
            if self._bot is None:  # a doctor's visit: nothing stays open
                await self._connections.close()

    async def user_token(self, identity: ChannelIdentity) -> str | None:
        """Return the token of a user who has signed in through ``oauth_connection``, for tools; None otherwise."""
        return await self._running.user_token(identity)

    @property
    def _running(self) -> Bot:
        if self._bot is None:
            raise RuntimeError("The host has not built its app yet; enter it or read host.app first.")
        return self._bot
