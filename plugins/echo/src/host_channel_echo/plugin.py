"""The hooks and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from starlette.routing import Route

from agent_framework_hosting import (
    Channel,
    ChannelCommand,
    ChannelContext,
    ChannelContribution,
    ChannelIdentity,
    ChannelRequest,
    HostedRunResult,
    LiveReply,
    hookimpl,
)

from .client import CallbackClient
from .config import EchoOptions
from .live import CallbackReply
from .rendering import render_push
from .webhook import Webhook


class EchoChannel(Channel[EchoOptions]):
    """Speak JSON over one route; answer in the same request, or push to the callback the caller named.

    Keyword arguments are the fields of ``EchoOptions`` and a channel's common settings, and what no file can express:
    ``commands`` are the developer's own.
    """

    name = "echo"
    path = "/echo"
    Options: ClassVar = EchoOptions

    def __init__(
        self, options: EchoOptions | None = None, /, *, commands: Sequence[ChannelCommand] = (), **settings: object
    ) -> None:
        """Check the options; nothing is opened."""
        super().__init__(options, **settings)
        self._commands = tuple(commands)
        self._client = CallbackClient(self.options.callback_hosts, self.options.timeout_seconds)

    @hookimpl
    def contribute_routes(self, context: ChannelContext) -> ChannelContribution:
        """Add the one route, and close the client with the host."""
        return ChannelContribution(
            routes=[Route("/", Webhook(self.name, context, self.options.token).receive, methods=["POST"])],
            commands=self._commands,
            on_shutdown=[self._client.close],
        )

    @hookimpl
    async def push(self, identity: ChannelIdentity, payload: HostedRunResult) -> str | None:
        """POST the answer to the caller's callback."""
        return await self._client.post(identity.attributes.get("callback"), render_push(payload))

    def live_reply(self, request: ChannelRequest) -> LiveReply | None:
        """Show work in progress at the callback."""
        callback = None if request.identity is None else request.identity.attributes.get("callback")
        return None if callback is None else CallbackReply(self._client, callback)
