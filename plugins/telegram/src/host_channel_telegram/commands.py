"""The commands every Telegram bot of this channel knows, and how any command is run."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence

from agent_framework_hosting import (
    Allowed,
    ChannelCommand,
    ChannelCommandContext,
    ChannelContext,
    ChannelRequest,
    Denied,
    Failed,
    LinkRequired,
    Outcome,
    Stopped,
)

logger = logging.getLogger(__name__)

NEW_TEXT = "A new conversation. What can I do for you?"
STOPPED_TEXT = "Stopped."
NOTHING_TEXT = "There is nothing to stop."
ANSWERED_HERE = frozenset({"start", "whoami"})  # unless somebody offers a command of that name


class Builtins:
    """``/new``, ``/stop``, ``/help``, ``/start`` and ``/whoami``. ``scope`` tells who shares a group's session."""

    def __init__(
        self,
        context: ChannelContext,
        *,
        channel: str,
        scope: Callable[[], str | None],
        welcome: str,
        is_showing: Callable[[ChannelRequest], bool],
    ) -> None:
        self._context = context
        self._channel = channel
        self._scope = scope
        self._welcome = welcome
        self._is_showing = is_showing

    def commands(self, taken: Sequence[ChannelCommand]) -> tuple[ChannelCommand, ...]:
        """Return the built-in commands whose names are free."""
        own = (
            ChannelCommand("new", "Start a new conversation", self._new),
            ChannelCommand("stop", "Stop the answer under way", self._stop),
            ChannelCommand("help", "Show what I can do", self._help),
        )
        names = {command.name for command in taken}
        return tuple(command for command in own if command.name not in names)

    async def answer_here(
        self, name: str, request: ChannelRequest, reply: Callable[[str], Awaitable[None]]
    ) -> Outcome | None:
        """Answer ``/start`` or ``/whoami``; a refusal comes back as its outcome."""
        if request.identity is None:
            return None
        verdict = await self._context.authorize(request.identity)
        if not isinstance(verdict, Allowed):
            return verdict
        if name == "start":
            await reply(self._welcome)
        else:
            place = f", chat {request.conversation_id}" if request.is_group else ""
            await reply(f"You are Telegram user {request.identity.native_id}{place}.")
        return None

    async def _new(self, context: ChannelCommandContext) -> None:
        await self._context.stop(context.request)
        await self.reset(context.request)
        await context.reply(NEW_TEXT)

    async def reset(self, request: ChannelRequest) -> None:
        """Forget the session of the conversation a request belongs to."""
        if request.identity is None:
            return
        verdict = await self._context.authorize(request.identity)
        if not isinstance(verdict, Allowed) or not verdict.isolation_key:
            return
        owner, key = verdict.isolation_key, None if request.session is None else request.session.key
        scope, room = self._scope(), f"{self._channel}:{request.conversation_id}"
        if request.is_group and scope == "per_conversation":
            owner = f"{self._channel}:conversation:{request.conversation_id}"
        elif request.is_group and scope != "per_user":
            key = room
        await self._context.reset_session(owner, key=key)

    async def _stop(self, context: ChannelCommandContext) -> None:
        showing = self._is_showing(context.request)
        stopped = await self._context.stop(context.request)
        if not isinstance(stopped, Stopped) or not stopped:
            await context.reply(NOTHING_TEXT)
        elif not showing:  # an answer that was showing says so itself
            await context.reply(STOPPED_TEXT)

    async def _help(self, context: ChannelCommandContext) -> None:
        lines = [f"/{command.name} - {command.description}" for command in self._context.commands]
        await context.reply("\n".join(["Write me what you need. I also know:", *lines]))


def words_for(outcome: Outcome | None) -> tuple[str, bool] | None:
    """Return what to tell a person about an outcome, and whether it must stay private; None when there is nothing."""
    if isinstance(outcome, (Denied, LinkRequired)):
        told = outcome.to_public_dict()
        link = f"\n{told['url']}" if told.get("url") else ""
        return f"{told['message']}{link}", True
    if isinstance(outcome, Failed) or (outcome is not None and outcome.status_code == 429):
        return str(outcome.to_public_dict()["message"]), False
    return None
