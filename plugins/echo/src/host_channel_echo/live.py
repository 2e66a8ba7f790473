"""An answer shown while it is written."""

from __future__ import annotations

from agent_framework_hosting import HostedRunResult

from .client import CallbackClient
from .rendering import render_push, render_state


class CallbackReply:
    """Post each state of one answer to a callback; ``finish`` is the delivery."""

    def __init__(self, client: CallbackClient, callback: object) -> None:
        self._client = client
        self._callback = callback

    async def update(self, text: str) -> None:
        """Show the text so far."""
        await self._client.post(self._callback, render_state(text, "partial"))

    async def finish(self, result: HostedRunResult) -> str | None:
        """Deliver the answer."""
        return await self._client.post(self._callback, render_push(result))

    async def fail(self, reason: str) -> None:
        """End without an answer."""
        await self._client.post(self._callback, render_state(reason, "failed"))
