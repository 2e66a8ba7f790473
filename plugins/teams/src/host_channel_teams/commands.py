"""The commands every Teams bot has."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from agent_framework_hosting import ChannelCommand, ChannelCommandContext, ChannelContext, ChannelIdentity, Stopped

from .cards import commands_card
from .references import Reference, from_attributes
from .rendering import card_attachment
from .sending import Sender
from .signin import SignIn, SignInFailed


class OwnCommands:
    """``/help``, ``/new``, ``/stop``, ``/whoami`` and, with an OAuth connection, ``/signin``."""

    def __init__(self, context: ChannelContext, sender: Sender, sign_in: SignIn | None) -> None:
        self._context = context
        self._sender = sender
        self._sign_in = sign_in

    def all(self) -> Sequence[ChannelCommand]:
        """Return them in the order they are shown."""
        own: list[tuple[str, str, Callable[[ChannelCommandContext], Awaitable[None]]]] = [
            ("help", "Show what I can do.", self._help),
            ("new", "Start our conversation afresh.", self._new),
            ("stop", "Stop what I am working on.", self._stop),
            ("whoami", "Show the id I know you by.", self._whoami),
        ]
        if self._sign_in is not None:
            own.append(("signin", "Sign in.", self._signin))
        return [ChannelCommand(name, text, handle) for name, text, handle in own]

    async def _help(self, command: ChannelCommandContext) -> None:
        to = _reference(command.request.identity)
        if to is not None:
            await self._sender.say("", to, [card_attachment(commands_card(self._context.commands))])

    async def _new(self, command: ChannelCommandContext) -> None:
        await command.reset_session()
        await command.reply("Done. We start afresh.")

    async def _stop(self, command: ChannelCommandContext) -> None:
        if await self._context.stop(command.request) == Stopped(0):  # what was stopped says so itself
            await command.reply("There is nothing to stop.")

    async def _whoami(self, command: ChannelCommandContext) -> None:
        who = command.request.identity
        await command.reply("I do not know you." if who is None else f"I know you as `{who.native_id}`.")

    async def _signin(self, command: ChannelCommandContext) -> None:
        to = _reference(command.request.identity)
        if to is None or self._sign_in is None or command.request.is_group:
            await command.reply("Please write that to me in a personal chat.")
            return
        try:
            await self._sender.say("", to, [await self._sign_in.card(to)])
        except SignInFailed as failed:
            await command.reply(str(failed))


def _reference(identity: ChannelIdentity | None) -> Reference | None:
    return None if identity is None else from_attributes(identity.attributes)
