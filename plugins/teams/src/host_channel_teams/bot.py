"""The parts of the channel, put together. Imported when the host is built: Microsoft's models take a second."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Literal

from agent_framework import Content, Message
from starlette.routing import Route

from agent_framework_hosting import (
    ChannelContext,
    ChannelContribution,
    ChannelIdentity,
    ChannelRequest,
    HostedRunResult,
    LiveReply,
    SendRecord,
    Stopped,
)

from .answers import OutFile, Question, answer_of
from .approvals import Approvals
from .authentication import TokenCheck
from .background import Background
from .client import Connector
from .commands import OwnCommands
from .config import TeamsOptions
from .connections import Connections
from .feedback import FEEDBACK, FeedbackBook, FeedbackHandler
from .files import FileNotTaken, Files, attachments_in
from .hosts import TrustedHosts
from .invokes import Invokes
from .lifecycle import Lifecycle
from .live import StreamedReply, TypingReply
from .marks import SENDING, SendMarks
from .messages import GroupAddressing, Messages
from .once import COMMANDS, EXCHANGES, WELCOMED, Once
from .pace import Clock
from .pending import PendingBook
from .people import People
from .references import DEAD, PEOPLE, REFERENCES, TENANTS, Reference, ReferenceBook, from_attributes
from .rendering import Look
from .sending import PROGRESS, Sender
from .signin import SignIn
from .streaming import Stream
from .webhook import Webhook

logger = logging.getLogger(__name__)

TABLES = (REFERENCES, PEOPLE, TENANTS, DEAD, COMMANDS, EXCHANGES, WELCOMED, FEEDBACK, SENDING, PROGRESS)


class Bot:
    """One running Teams bot."""

    def __init__(
        self,
        context: ChannelContext,
        options: TeamsOptions,
        connections: Connections,
        clock: Clock,
        *,
        channel: str,
        addressing: Callable[[], GroupAddressing],
        on_feedback: FeedbackHandler | None,
    ) -> None:
        self._context, self._options, self._clock, self._channel = context, options, clock, channel
        self._connections = connections
        store, wire, tokens = context.store, connections.wire, connections.tokens
        hosts = TrustedHosts((*options.endpoints.service_hosts, *options.allowed_service_hosts))
        file_hosts = TrustedHosts((*options.endpoints.file_hosts, *options.allowed_file_hosts))
        self._streams_refused: set[str] = set()
        self._background = Background()
        self._pending = PendingBook(store, options.approval_hours * 3600)
        self._connector = Connector(wire, tokens, hosts)
        self._book = ReferenceBook(store)
        self._people = People(self._connector, self._book, options)
        self._files = Files(
            wire, tokens, self._pending, file_hosts=file_hosts, service_hosts=hosts, max_bytes=options.max_file_bytes
        )
        self._approvals = Approvals(context, self._pending, channel)
        look = Look(ai_label=options.ai_label, feedback=options.feedback)
        self._marks = SendMarks(store)
        self._sender = Sender(self._connector, self._book, look, offers=self, store=store, marks=self._marks)
        token_service = options.token_service_url or options.endpoints.token_service_url
        self._sign_in = SignIn(
            wire,
            tokens,
            Once(store, EXCHANGES),
            url=token_service,
            connection=options.oauth_connection,
            app_id=options.app_id,
        )
        messages = Messages(
            context,
            self._sender,
            self._approvals,
            Once(store, COMMANDS),
            self._background,
            channel=channel,
            addressing=addressing,
        )
        feedback = FeedbackBook(store, on_feedback)
        invokes = Invokes(
            context,
            messages=messages,
            approvals=self._approvals,
            files=self._files,
            feedback=feedback,
            sign_in=self._sign_in,
            sender=self._sender,
            background=self._background,
            channel=channel,
        )
        welcomed = Once(store, WELCOMED)
        lifecycle = Lifecycle(self._book, self._sender, welcomed, feedback, self._background, welcome=options.welcome)
        check = TokenCheck(connections.keys, options.endpoints.issuer, options.app_id, hosts, options.allowed_tenants)
        self._webhook = Webhook(check, self._book, messages, invokes, lifecycle)

    def contribution(self) -> ChannelContribution:
        """Return the route, the commands, the tables, and what happens at shutdown."""
        commands = OwnCommands(self._context, self._sender, self._sign_in if self._options.oauth_connection else None)
        return ChannelContribution(
            routes=[Route("/", self._webhook.receive, methods=["POST"])],
            commands=commands.all(),
            on_shutdown=[self._background.close, self._connections.close],
            tables=(*TABLES, *self._pending.tables),
        )

    async def push(self, identity: ChannelIdentity, payload: HostedRunResult) -> str | None:
        """Send an answer to somebody, in a conversation that is opened when there is none."""
        return await self._sender.deliver(answer_of(payload), await self._people.reference_of(identity))

    def live_reply(self, request: ChannelRequest) -> LiveReply | None:
        """Show an answer while it is made."""
        to = None if request.identity is None else from_attributes(request.identity.attributes)
        if to is None:
            return None
        activity_id = request.attributes.get("activity_id")
        reply_to = activity_id if isinstance(activity_id, str) else None
        if to.kind != "personal" or not self._options.streaming or to.kind in self._streams_refused:
            return TypingReply(self._sender, self._connector, to, reply_to, self._clock)

        async def cancel() -> None:
            if not isinstance(await self._context.stop(request), Stopped):
                logger.info("Somebody who may not speak any more pressed Stop")

        stream = Stream(
            self._connector,
            to,
            self._clock,
            reply_to=reply_to,
            status=self._options.status_text,
            interval=self._options.stream_interval_seconds,
            on_cancel=cancel,
            on_not_allowed=lambda: self._streams_refused.add(to.kind),
        )
        return StreamedReply(self._sender, stream, to, reply_to)

    async def reconcile(self, record: SendRecord) -> Literal["not_sent"] | None:
        """Say whether a delivery that was cut off had not begun to leave."""
        return await self._marks.settle(record)

    async def with_files(self, request: ChannelRequest) -> ChannelRequest | None:
        """Fetch what came with a message; what cannot be had is said in its place."""
        listed = attachments_in(request.attributes)
        if not listed:
            return None
        contents = [Content.from_text(str(request.input))] if request.input else []
        for attachment in listed:
            try:
                contents.append(await self._files.fetch(attachment))
            except FileNotTaken as refused:
                contents.append(Content.from_text(f"({refused})"))
        rest = {name: value for name, value in request.attributes.items() if name != "attachments"}
        return replace(request, input=Message("user", contents), attributes=rest)

    async def user_token(self, identity: ChannelIdentity) -> str | None:
        """Return the token of a signed-in user."""
        return await self._sign_in.token_of(await self._people.reference_of(identity))

    def forget(self) -> None:
        """Let go of what is remembered of conversations besides the store."""
        self._book.clear()
        self._people.clear()

    async def question(self, question: Question, to: Reference) -> Mapping[str, object]:
        """Keep a question and return its card."""
        return await self._approvals.ask(question, to)

    async def file(self, file: OutFile, to: Reference) -> Mapping[str, object]:
        """Keep a file and return the card that offers it."""
        return await self._files.offer(file, to)
