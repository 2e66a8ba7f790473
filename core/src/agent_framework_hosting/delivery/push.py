"""One push: load the record, shape it for its destination, hand it to the owning channel. Raise to retry."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from ..errors import PermanentPushError, RetryLater, UncertainSend, UnreadableRecord
from ..model.identity import ChannelIdentity
from ..model.result import ChannelResponseContext, HostedRunResult, TargetResult, result_text
from ..plugins.manager import PluginManager
from ..ports import DurableTask, LiveReply
from .delivery import Delivery, decode_delivery, destination_of

logger = logging.getLogger(__name__)

LONGEST_PUSH_SECONDS = 300.0  # a channel without a time limit of its own must not take one of the runner's for ever
MOST_LIVE_REPLIES = 1000
_UNCERTAIN = (TimeoutError, ConnectionResetError, ConnectionAbortedError, BrokenPipeError, EOFError)
_UNCERTAIN_NAMES = frozenset(
    {"ReadTimeout", "WriteTimeout", "ReadError", "WriteError", "RemoteProtocolError", "ServerDisconnectedError"}
)


class PushHandler:
    """The handler of every ``hosting.push`` task."""

    def __init__(self, plugins: PluginManager, output_types: Sequence[type]) -> None:
        self._plugins = plugins
        self._output_types = output_types
        self._live: OrderedDict[str, LiveReply] = OrderedDict()

    def attach(self, task_id: str, live: LiveReply) -> None:
        """Let ``live`` finish the delivery ``task_id`` instead of a push, as long as this process lives."""
        self._live[task_id] = live
        if len(self._live) > MOST_LIVE_REPLIES:  # those of dead letters, kept for a replay
            self._live.popitem(last=False)

    async def __call__(self, task: DurableTask) -> object:
        """Deliver one record and return the platform's receipt."""
        delivery = await self._load(task.payload)
        if delivery.echo is not None and not delivery.echo_done:
            await self._echo(delivery, delivery.echo)
            await task.checkpoint({**task.payload, "echo_done": True})
        answer = await self._shaped(delivery, delivery.answer, is_echo=False)
        try:
            receipt = await self._deliver(task.task_id, delivery, answer)
        except (RetryLater, PermanentPushError, UncertainSend):
            raise
        except Exception as error:
            if is_uncertain(error):
                raise UncertainSend(f"{type(error).__name__} after the send began.") from error
            raise
        self._live.pop(task.task_id, None)
        return receipt

    async def _load(self, payload: Mapping[str, object]) -> Delivery:
        """Restore a delivery. What no further attempt could read is a dead letter at once."""
        try:
            name = destination_of(payload).channel
            if not self._plugins.can_push(name):
                raise PermanentPushError(f"No enabled channel {name!r} can push; enable it, then replay the delivery.")
            return await decode_delivery(payload, self._plugins.channel(name).push_codec, self._output_types)
        except UnreadableRecord as error:
            raise PermanentPushError(str(error)) from error

    async def _deliver(self, task_id: str, delivery: Delivery, answer: HostedRunResult[TargetResult]) -> str | None:
        live = self._live.get(task_id)
        async with asyncio.timeout(LONGEST_PUSH_SECONDS):
            if live is None:
                return await self._plugins.push(delivery.destination, answer)
            if delivery.kind == "notice":
                await live.fail(result_text(answer))
                return None
            return await live.finish(answer)

    async def _echo(self, delivery: Delivery, echo: HostedRunResult[TargetResult]) -> None:
        try:
            async with asyncio.timeout(LONGEST_PUSH_SECONDS):
                await self._plugins.push(delivery.destination, await self._shaped(delivery, echo, is_echo=True))
        except Exception as error:
            logger.warning("An echo could not be sent", extra=_fields(delivery.destination, error))

    async def _shaped(
        self, delivery: Delivery, payload: HostedRunResult[TargetResult], *, is_echo: bool
    ) -> HostedRunResult[TargetResult]:
        if delivery.kind == "notice":
            return payload
        context = ChannelResponseContext(
            request=delivery.request,
            channel_name=delivery.destination.channel,
            destination_identity=delivery.destination,
            originating=delivery.originating,
            is_echo=is_echo,
        )
        return await self._plugins.response_hook(replace(payload), context)


def is_uncertain(error: BaseException) -> bool:
    """Whether a failed send may have reached the platform all the same.

    Time-outs and broken connections happen after bytes were sent, and a 5xx may follow the effect. HTTP clients are
    told by the shape of their errors (``error.response.status_code``, ``error.status``) and class names, so the core
    needs none of them. An error that a channel raised ``from`` such an error counts as that one.
    """
    if isinstance(error, _UNCERTAIN):
        return True
    status = getattr(getattr(error, "response", None), "status_code", getattr(error, "status", None))
    if isinstance(status, int):
        return status >= 500
    if any(cls.__name__ in _UNCERTAIN_NAMES for cls in type(error).__mro__):
        return True
    return error.__cause__ is not None and is_uncertain(error.__cause__)


def _fields(identity: ChannelIdentity, error: Exception) -> dict[str, object]:
    return {"channel": identity.channel, "error": type(error).__name__}
