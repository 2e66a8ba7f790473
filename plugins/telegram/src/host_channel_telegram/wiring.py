"""Put the parts of one bot together, and start and stop them."""

from __future__ import annotations

import logging
import weakref
from collections.abc import Collection

from starlette.routing import BaseRoute

from agent_framework_hosting import Channel, ChannelContext, ChannelRequest, StoreError

from .approvals import APPROVALS, Approvals
from .catalogue import CATALOGUE, Catalogue
from .chats import DEAD, MOVED, Chats
from .client import Bot
from .commands import Builtins
from .config import TelegramOptions
from .connection import Connection
from .controls import CONTROLS, TAKEN
from .deliveries import Deliveries
from .health import Health
from .live import GrowingReply, Stage
from .media import Media
from .pacing import Pacer
from .places import place_of
from .progress import LIVE, SENDING, Progress
from .reading import flag, number, part
from .sending import House, Sender
from .updates import Desk, Updates
from .webhook import Webhook

logger = logging.getLogger(__name__)

TABLES = (APPROVALS, CATALOGUE, CONTROLS, DEAD, LIVE, MOVED, SENDING, TAKEN)
"""Everything the channel keeps."""


def needs_everything(channel: Channel, options: TelegramOptions) -> bool:
    """Say whether the bot is meant to see every message of its groups."""
    return channel.accept_in_group == "all" or options.group_context > 0


class Wiring:
    """Everything one channel holds while its host lives."""

    def __init__(self, channel: Channel, context: ChannelContext, options: TelegramOptions) -> None:
        self._context = context
        self._options = options
        self._channel = channel
        self._replies: weakref.WeakSet[GrowingReply] = weakref.WeakSet()
        self._showing: weakref.WeakValueDictionary[str, GrowingReply] = weakref.WeakValueDictionary()
        self._bot = Bot(options.bot_token.get_secret_value(), options.api_base_url)
        self._pacer = Pacer()
        self._chats = Chats(context.store)
        self._progress = Progress(context)
        self._media = Media(self._bot, max_bytes=options.max_file_bytes, local_files=options.local_files)
        self._catalogue = Catalogue(self._bot, context.store, options.command_descriptions)
        self._approvals = Approvals(
            context, channel=channel.name, bot_id=options.bot_id, lifetime_seconds=options.approval_seconds
        )
        self.health = Health()
        self.deliveries = Deliveries(
            Sender(self._bot, self._pacer, self._chats, House(options.link_previews, options.protect_content)),
            self._progress,
            self._chats,
            self._approvals,
            most_parts=options.max_parts,
        )
        self.builtins = Builtins(
            context,
            channel=channel.name,
            scope=lambda: channel.conversation_scope,
            welcome=options.welcome,
            is_showing=self._is_showing,
        )
        self._updates = Updates(
            Desk(
                context, self._bot, self._chats, self.deliveries, self._approvals, self.builtins, channel.name, options
            )
        )
        self._connection = Connection(
            context,
            self._bot,
            self._updates,
            self.health,
            options,
            needs_everything=lambda: needs_everything(channel, options),
            prepare=self._prepare,
            look_around=self._look_around,
        )
        self._stage = Stage(
            bot=self._bot,
            pacer=self._pacer,
            chats=self._chats,
            progress=self._progress,
            deliveries=self.deliveries,
            streaming=options.streaming,
            typing=options.typing,
            stop_button=options.stop_button,
            link_previews=options.link_previews,
        )

    def routes(self, path: str) -> list[BaseRoute]:
        """Return the webhook's routes; polling needs none."""
        options = self._options
        if options.transport == "polling" or options.webhook_secret is None or options.webhook_url is None:
            return []
        return [*Webhook(self._updates, options.webhook_secret.get_secret_value()).routes(path, options.webhook_url)]

    async def start(self) -> None:
        """Read what earlier processes found out, then connect beside everything else."""
        await self._progress.open()
        await self._chats.load()
        await self._connection.start()

    async def stop(self) -> None:
        """Disconnect, end what is still showing, and close the client."""
        await self._connection.stop()
        await self._updates.close()
        for reply in list(self._replies):
            await reply.close()
        await self._bot.close()

    def forget(self, people: Collection[str]) -> None:
        """Drop from memory what is known of these people."""
        self._chats.forget(people)
        self._updates.forget(people)

    async def with_files(self, request: ChannelRequest) -> ChannelRequest:
        """Return a request with its files; the sender hears about each that was left out."""
        fetched = await self._media.fetch(request)
        if fetched.notes and request.identity is not None:
            await self.deliveries.say(place_of(request.identity), "\n".join(fetched.notes))
        return fetched.request

    def live_reply(self, request: ChannelRequest) -> GrowingReply | None:
        """Return what shows the answer to a request."""
        if request.identity is None:
            return None
        told = part(request.attributes, "telegram")
        reply = GrowingReply(
            self._stage,
            request.identity,
            place_of(request.identity),
            event=request.event_id,
            reply_to=number(told, "reply_to"),
            general=flag(told, "general"),
        )
        self._replies.add(reply)
        self._showing[_spot(request)] = reply
        return reply

    def _is_showing(self, request: ChannelRequest) -> bool:
        reply = self._showing.get(_spot(request))
        return reply is not None and not reply.has_ended

    async def _prepare(self) -> None:
        if self._options.register_commands:
            await self._catalogue.publish(self._context.commands)
        await self._look_around()

    async def _look_around(self) -> None:
        """Learn what other hosts found out, and take up what those left that live no more."""
        try:
            await self._chats.load()
            await self._updates.controls.take_up()
        except StoreError as error:
            logger.warning("What other hosts left could not be read", extra={"error": type(error).__name__})


def _spot(request: ChannelRequest) -> str:
    who = "" if request.identity is None else request.identity.native_id
    return f"{request.conversation_id} {who}"
