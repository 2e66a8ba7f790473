"""Messages and commands: behind the host's gate, and answered later."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Literal, TypeAlias

from agent_framework_hosting import (
    Accepted,
    Busy,
    ChannelContext,
    ChannelRequest,
    Denied,
    Duplicate,
    Failed,
    LinkRequired,
    Outcome,
)

from .approvals import Approvals, told
from .background import Background
from .cards import KEY
from .once import Once
from .parsing import Activity, mapping, to_request
from .rendering import card_attachment
from .sending import Sender

GroupAddressing: TypeAlias = Literal["mention_only", "command_only", "mention_or_command", "all"]

IN_PRIVATE = "Please write to me in a personal chat first."


class Messages:
    """Take what people write, and what they submit with cards."""

    def __init__(
        self,
        context: ChannelContext,
        sender: Sender,
        approvals: Approvals,
        commands: Once,
        background: Background,
        *,
        channel: str,
        addressing: Callable[[], GroupAddressing],
    ) -> None:
        self._context = context
        self._sender = sender
        self._approvals = approvals
        self._commands = commands
        self._background = background
        self._channel = channel
        self._addressing = addressing

    async def receive(self, activity: Activity) -> int:
        """Take one message; return the HTTP status. 503 asks Teams to deliver it again."""
        own = mapping(activity.data.get(KEY))
        if own.get("do") == "decide":
            return await self._decided(activity, own)
        name = str(own.get("name")) if own.get("do") == "command" else activity.command
        if name is not None and self.is_command(name) and self._is_meant(activity):
            return await self._command(activity, name)
        if not activity.text and not activity.attachments:
            if activity.value is None:
                return 200  # an empty message asks nothing
            request = to_request(activity, self._channel, given=submitted(activity.value))
            return await self.admit(
                replace(request, addressed=True), activity
            )  # a click on a card is meant for the bot
        return await self.admit(to_request(activity, self._channel), activity)

    def _is_meant(self, activity: Activity) -> bool:
        """Say whether a command in a group is for the bot, as the host would judge a message."""
        return (
            not activity.is_group or activity.mentioned or KEY in activity.data or self._addressing() != "mention_only"
        )

    def is_command(self, name: str) -> bool:
        """Say whether somebody can call this."""
        return any(command.name == name for command in self._context.commands)

    async def admit(self, request: ChannelRequest, activity: Activity) -> int:
        """Hand a request to the host; who is refused learns it in private."""
        outcome = await self._context.admit(request)
        if isinstance(outcome, (Accepted, Duplicate)):
            return 200
        if isinstance(outcome, Failed):
            return 503 if outcome.code == "unavailable" else 200
        self._background.start(self.refuse(outcome, activity))
        return 200

    async def run_command(self, activity: Activity, name: str) -> list[str]:
        """Run a command and return what it wrote, or why it was refused."""
        replies: list[str] = []

        async def reply(text: str) -> None:
            replies.append(text)

        request = replace(to_request(activity, self._channel), operation="command.invoke", addressed=True)
        outcome = await self._context.invoke_command(name, request, reply)
        if isinstance(outcome, LinkRequired):
            replies.append(_private(outcome, activity))
        elif isinstance(outcome, (Denied, Failed, Busy)):
            replies.append(told(outcome))
        return replies

    async def refuse(self, outcome: Outcome, activity: Activity) -> None:
        """Tell somebody why nothing happens; in a group nothing that is meant for one person."""
        if isinstance(outcome, LinkRequired):
            await self._sender.say(_private(outcome, activity), activity.reference)
        elif not activity.is_group or isinstance(outcome, Busy):
            await self._sender.say(told(outcome), activity.reference)

    async def _decided(self, activity: Activity, own: Mapping[str, object]) -> int:
        decided = await self._approvals.decide(activity, own)
        reply_to = activity.raw.get("replyToId")
        if isinstance(decided, str):
            self._background.start(self._sender.say(decided, activity.reference))
        elif isinstance(reply_to, str):
            shown = {"type": "message", "attachments": [card_attachment(decided)]}
            self._background.start(self._sender.replace(reply_to, shown, activity.reference))
        return 200

    async def _command(self, activity: Activity, name: str) -> int:
        if activity.event_id is not None and not await self._commands.first(
            activity.event_id, activity.reference.speaker
        ):
            return 200
        self._background.start(self._answer_command(activity, name))
        return 200

    async def _answer_command(self, activity: Activity, name: str) -> None:
        for text in await self.run_command(activity, name):
            await self._sender.say(text, activity.reference)


def submitted(value: object) -> str:
    """Return what a card sent, as the text the agent reads."""
    return json.dumps(value, ensure_ascii=False)


def _private(outcome: LinkRequired, activity: Activity) -> str:
    if activity.is_group:
        return IN_PRIVATE
    shown = outcome.to_public_dict()
    return f"{shown['message']} {shown['url']}" if shown.get("url") else str(shown["message"])
