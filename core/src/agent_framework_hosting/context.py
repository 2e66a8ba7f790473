"""What the host offers one channel: the two doors, and the parts behind them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from types import CoroutineType
from typing import TYPE_CHECKING

from .authorization.gate import Gate
from .commands import Commands
from .errors import TurnFailed
from .execution.updates import messages_of
from .hookspecs import Channel
from .inbound import Inbound
from .model.command import ChannelCommand
from .model.identity import ChannelIdentity
from .model.outcome import HostedStream, Outcome, Reply, Stopped
from .model.request import ChannelRequest
from .model.result import HostedRunResult, TargetResult
from .model.target import ResponseTarget
from .model.verdict import AuthorizationError, AuthorizationOutcome, ClaimValue, Denied, LinkRequired
from .ports import Sole, Store, Target
from .state.ownership import Ownership
from .turns.proactive import Proactive

if TYPE_CHECKING:
    from agent_framework import AgentResponseUpdate, Message

_NAMED_TARGETS = {
    "originating": ResponseTarget.originating,
    "active": ResponseTarget.active,
    "all_linked": ResponseTarget.all_linked,
    "none": ResponseTarget.none,
}


class HostChannelContext:
    """Implement ``ChannelContext`` for one channel."""

    def __init__(
        self,
        channel: Channel,
        *,
        target: Target,
        store: Store,
        inbound: Inbound,
        gate: Gate,
        proactive: Proactive,
        commands: Commands,
        ownership: Ownership,
        reset: Callable[[str, str | None], Awaitable[None]],
    ) -> None:
        self._channel = channel
        self._target = target
        self._store = store
        self._inbound = inbound
        self._gate = gate
        self._proactive = proactive
        self._commands = commands
        self._ownership = ownership
        self._reset = reset

    @property
    def target(self) -> Target:
        """The agent or workflow being served."""
        return self._target

    @property
    def commands(self) -> Sequence[ChannelCommand]:
        """The channel's own commands and the host's."""
        return self._commands.of(self._channel.name)

    @property
    def store(self) -> Store:
        """The host's store, with tables of this channel's own."""
        return self._store

    @property
    def host_id(self) -> str:
        """The id of this start of the host."""
        return self._ownership.owner.id

    async def hosts(self) -> Collection[str]:
        """Return the ids of the hosts on this store that live."""
        return await self._ownership.living()

    def sole(self, name: str) -> AbstractAsyncContextManager[Sole]:
        """Hold a name of this channel alone inside the context."""
        return self._ownership.sole(f"of.{self._channel.name}.{name}")

    def messages_of(self, result: HostedRunResult[TargetResult]) -> Sequence[Message]:
        """Return an answer as messages."""
        return messages_of(result)

    def dispatch(self, request: ChannelRequest) -> CoroutineType[object, object, Outcome]:
        """Run one turn inside the wire's request."""
        return self._inbound.dispatch(request)

    def admit(self, request: ChannelRequest) -> CoroutineType[object, object, Outcome]:
        """Accept one message durably; its turn runs afterwards."""
        return self._inbound.admit(request)

    async def invoke_command(
        self, name: str, request: ChannelRequest, reply: Callable[[str], Awaitable[None]]
    ) -> Outcome:
        """Run one command behind the same gate as a message."""
        return await self._commands.invoke(name, request, reply)

    async def stop(self, request: ChannelRequest) -> Stopped | LinkRequired | Denied:
        """Cancel the admitted turns of the request's conversation."""
        return await self._inbound.stop(request)

    async def run(self, request: ChannelRequest) -> HostedRunResult[TargetResult]:
        """Run the target and return its answer, delivering nothing."""
        outcome = await self._inbound.undelivered(replace(request, stream=False))
        reply = _reply_or_raise(outcome)
        if reply.result is None:
            raise TurnFailed("The agent gave no answer.")
        return reply.result

    def run_stream(self, request: ChannelRequest) -> HostedStream:
        """Run the target piece by piece, delivering nothing; the gate is passed at the first read."""
        from agent_framework import ResponseStream  # noqa: PLC0415 - heavy, and only needed to stream

        ended: list[HostedRunResult[TargetResult]] = []

        async def updates() -> AsyncIterator[AgentResponseUpdate]:
            reply = _reply_or_raise(await self._inbound.undelivered(replace(request, stream=True)))
            if reply.stream is not None:
                async with reply.stream as stream:
                    async for update in stream:
                        yield update
                    ended.append(await stream.get_final_response())

        return ResponseStream(updates(), finalizer=lambda _: ended[0])

    async def deliver_response(self, request: ChannelRequest, payload: HostedRunResult[TargetResult]) -> bool:
        """Send an answer to the request's target; True means the origin should render it itself."""
        verdict = await self._gate.authorize_request(request)
        if isinstance(verdict, (Denied, LinkRequired)):
            raise AuthorizationError(verdict)
        plan, _ = await self._proactive.deliver(
            payload, request.response_target, person=verdict.isolation_key or None, request=request
        )
        return plan.here

    def wire_target(self, name: str | Sequence[str] | None) -> ResponseTarget:
        """Turn a target named on the wire into a trusted one."""
        names = ("originating",) if name is None else (name,) if isinstance(name, str) else tuple(name)
        granted = {"originating", *self._channel.wire_targets}
        if not names or not granted.issuperset(names):
            raise AuthorizationError(Denied("policy_denied", "You may not choose where the answer goes."))
        named = _NAMED_TARGETS.get(names[0]) if len(names) == 1 else None
        return named or ResponseTarget.channels(names)

    async def authorize(
        self, identity: ChannelIdentity, *, verified_claims: Mapping[str, ClaimValue] | None = None
    ) -> AuthorizationOutcome:
        """Decide with this channel's own rules, without writing anything."""
        return await self._gate.authorize(identity, verified_claims=verified_claims)

    async def reset_session(self, isolation_key: str, *, key: str | None = None) -> None:
        """Start the person's conversation afresh, or forget one keyed session."""
        await self._reset(isolation_key, key)


def _reply_or_raise(outcome: Outcome) -> Reply:
    if isinstance(outcome, (Denied, LinkRequired)):
        raise AuthorizationError(outcome)
    if not isinstance(outcome, Reply):
        raise TurnFailed(str(outcome.to_public_dict().get("message", "The agent failed.")))
    return outcome
