"""Commands of channels and of the host, run behind the same gate as messages."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence

from .inbound import Inbound
from .model.command import ChannelCommand, ChannelCommandContext
from .model.outcome import Accepted, Failed, Outcome
from .model.request import ChannelRequest
from .model.verdict import LinkRequired

logger = logging.getLogger(__name__)

UNKNOWN_COMMAND = Failed("unknown_command", "I do not know that command.", 404)
COMMAND_FAILED = Failed("command_failed", "That command failed. Please try again later.")


class Commands:
    """Hold each channel's commands beside the host's own; a channel's own name wins.

    ``linking`` are the host's commands by which a person proves who they are: they also answer somebody who is
    still asked to link.
    """

    def __init__(
        self,
        inbound: Inbound,
        linking: Sequence[ChannelCommand],
        reset: Callable[[str, str | None], Awaitable[None]],
    ) -> None:
        self._inbound = inbound
        self._linking: Mapping[str, ChannelCommand] = {command.name: command for command in linking}
        self._reset = reset
        self._own: dict[str, dict[str, ChannelCommand]] = {}

    def add(self, channel: str, commands: Sequence[ChannelCommand]) -> None:
        """Take what a channel contributed."""
        self._own[channel] = {command.name: command for command in commands}

    def of(self, channel: str) -> Sequence[ChannelCommand]:
        """Return a channel's commands, its own first, then the host's."""
        own = self._own.get(channel, {})
        return (*own.values(), *(command for name, command in self._linking.items() if name not in own))

    async def invoke(self, name: str, request: ChannelRequest, reply: Callable[[str], Awaitable[None]]) -> Outcome:
        """Run one command for the request's speaker; whatever stops it comes back as an outcome."""
        try:
            return await self._invoke(name, request, reply)
        except Exception:
            logger.exception("A command failed", extra={"channel": request.channel})
            return COMMAND_FAILED

    async def _invoke(self, name: str, request: ChannelRequest, reply: Callable[[str], Awaitable[None]]) -> Outcome:
        own = self._own.get(request.channel, {})
        refusal, person = await self._inbound.check(request)
        may_link = isinstance(refusal, LinkRequired) and name in self._linking and name not in own
        if refusal is not None and not may_link:
            return refusal
        command = own.get(name) or self._linking.get(name)
        if command is None:
            return UNKNOWN_COMMAND

        async def reset_session() -> None:
            where = self._inbound.conversation(request, person)
            if where.isolation_key is not None and refusal is None:
                await self._reset(where.isolation_key, where.key)

        await command.handle(ChannelCommandContext(request, reply, self._inbound.dispatch, reset_session))
        return Accepted("")
