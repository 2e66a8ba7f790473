"""What the host offers a channel, and what a channel may add to itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Protocol, TypeAlias, runtime_checkable

from ..model.command import ChannelCommand
from ..model.identity import ChannelIdentity
from ..model.outcome import HostedStream, Outcome, Stopped
from ..model.request import ChannelRequest
from ..model.result import HostedRunResult, TargetResult
from ..model.target import ResponseTarget
from ..model.verdict import AuthorizationOutcome, ClaimValue, Denied, LinkRequired
from .store import Store

if TYPE_CHECKING:
    from agent_framework import Message, SupportsAgentRun, Workflow

Target: TypeAlias = "SupportsAgentRun | Workflow | Callable[[], Workflow]"


@runtime_checkable
class ChannelPush(Protocol):
    """A channel that can send without being asked."""

    async def push(self, identity: ChannelIdentity, payload: HostedRunResult[TargetResult]) -> str | None:
        """Send; return the platform's message id when it has one. Raising means retry."""
        ...


@runtime_checkable
class ChannelPushCodec(Protocol):
    """Store and restore what a channel pushes, when the default codec cannot carry it."""

    async def encode(
        self,
        *,
        result: HostedRunResult[TargetResult],
        request: ChannelRequest | None,
        identity: ChannelIdentity,
        echo_result: HostedRunResult[TargetResult] | None,
    ) -> Mapping[str, object]:
        """Return a JSON mapping from which ``decode`` restores both payloads."""
        ...

    async def decode(
        self, envelope: Mapping[str, object], /
    ) -> tuple[HostedRunResult[TargetResult], HostedRunResult[TargetResult] | None]:
        """Return (answer, echo or None)."""
        ...


class Sole(Protocol):
    """A name that one host holds alone, for as long as ``held``."""

    @property
    def held(self) -> bool:
        """Whether it is still held; another host may take it over when this one was silent for too long."""
        ...

    async def lost(self) -> None:
        """Wait until it is not held any more."""
        ...


@runtime_checkable
class LiveReply(Protocol):
    """Show one answer while it is written. ``finish`` is the delivery: preview and final are one message."""

    async def update(self, text: str, /) -> None:
        """Show the text so far; failures are contained."""
        ...

    async def finish(self, result: HostedRunResult[TargetResult], /) -> str | None:
        """Deliver the final answer and return its receipt. Raising means retry."""
        ...

    async def fail(self, reason: str, /) -> None:
        """End the preview with a text that is safe to show."""
        ...


class ChannelContext(Protocol):
    """What the host offers one channel.

    The doors ``dispatch``, ``admit``, ``invoke_command`` and ``stop`` return what became of a request: a refusal is an
    outcome like any other, safe to show, and nothing a user can cause is raised. ``authorize`` returns the decision it
    was asked for. What hands back a value of its own has no place for an outcome and raises ``AuthorizationError``,
    which carries it: ``run``, ``run_stream``, ``deliver_response``, and ``wire_target``, a check of the wire's words
    before there is a request.
    """

    @property
    def target(self) -> Target:
        """The agent or workflow being served."""
        ...

    @property
    def commands(self) -> Sequence[ChannelCommand]:
        """The channel's own commands and the host's, in display order; complete once the app is built."""
        ...

    @property
    def store(self) -> Store:
        """The host's store, with tables of this channel's own.

        Declare them in ``ChannelContribution(tables=...)`` and read and write them through ``Records``.
        """
        ...

    @property
    def host_id(self) -> str:
        """The id of this start of the host: what a record names that says who is at work on something."""
        ...

    async def hosts(self) -> Collection[str]:
        """Return the ids of the hosts on this store that live, this one's included."""
        ...

    def sole(self, name: str) -> AbstractAsyncContextManager[Sole]:
        """Wait until this host is the only one to hold a name of this channel, and hold it inside the context.

        For what only one may do at a time, such as polling with a bot's token. Watch ``Sole.lost`` meanwhile.
        """
        ...

    def messages_of(self, result: HostedRunResult[TargetResult]) -> Sequence[Message]:
        """Return an answer as messages, whoever made it: a workflow's outputs and questions are one message each."""
        ...

    async def dispatch(self, request: ChannelRequest) -> Outcome:
        """Run one turn inside the wire's request. Never raises for anything a user can cause."""
        ...

    async def admit(self, request: ChannelRequest) -> Outcome:
        """Authorize, journal and deduplicate, then return; the host runs the turn in its lane afterwards."""
        ...

    async def invoke_command(
        self, name: str, request: ChannelRequest, reply: Callable[[str], Awaitable[None]]
    ) -> Outcome:
        """Run one of ``commands`` for the request's speaker, behind the same gate as a message.

        ``reply`` writes a text to the asker, in private where the command demands it. An unknown name is ``Failed``
        with code ``unknown_command``.
        """
        ...

    async def stop(self, request: ChannelRequest) -> Stopped | LinkRequired | Denied:
        """Cancel the admitted turns of the request's conversation, running and waiting; return how many.

        The request passes the gate: who may not speak stops nothing, and is told as for a message.
        """
        ...

    async def run(self, request: ChannelRequest) -> HostedRunResult[TargetResult]:
        """Run the target and return its answer, delivering nothing. Raises ``AuthorizationError`` when refused."""
        ...

    def run_stream(self, request: ChannelRequest) -> HostedStream:
        """Like ``run``, streaming; the gate is passed when the stream is first read."""
        ...

    async def deliver_response(self, request: ChannelRequest, payload: HostedRunResult[TargetResult]) -> bool:
        """Send an answer to the request's target; True means the origin should render it itself.

        Raises ``AuthorizationError`` when the speaker is refused.
        """
        ...

    def wire_target(self, name: str | Sequence[str] | None) -> ResponseTarget:
        """Turn a target named on the wire into a trusted one.

        ``name`` is ``"originating"``, ``"active"``, ``"all_linked"``, ``"none"``, a channel's name or several; None
        is the originating channel. Raises ``AuthorizationError`` for what the operator did not grant.
        """
        ...

    async def authorize(
        self, identity: ChannelIdentity, *, verified_claims: Mapping[str, ClaimValue] | None = None
    ) -> AuthorizationOutcome:
        """Decide with this channel's own rules, without writing anything."""
        ...

    async def reset_session(self, isolation_key: str, *, key: str | None = None) -> None:
        """Start the person's conversation afresh, or forget the one thread or snapshot named ``key``."""
        ...
