"""The seams of the host: what a store, a runner, an allowlist, a linker or a live reply must do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias, runtime_checkable

from .model.command import ChannelCommand
from .model.durable import DurableTaskPayloadMode, RetryPolicy, TaskHandle, TaskStatus
from .model.identity import ChannelIdentity
from .model.outcome import HostedStream, Outcome
from .model.request import ChannelRequest
from .model.result import HostedRunResult, TargetResult
from .model.target import ResponseTarget
from .model.verdict import (
    AllowlistDecision,
    AuthorizationContext,
    AuthorizationOutcome,
    ClaimValue,
    LinkResolution,
)

if TYPE_CHECKING:
    from agent_framework import SupportsAgentRun, Workflow

Target: TypeAlias = "SupportsAgentRun | Workflow | Callable[[], Workflow]"


# State


@dataclass(frozen=True, slots=True)
class Put:
    """Write a record, replacing what is there."""

    table: str
    key: str
    text: str


@dataclass(frozen=True, slots=True)
class Insert:
    """Write a record that must not exist yet; when it does, the whole commit is refused with ``RecordExists``."""

    table: str
    key: str
    text: str


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove a record; removing what is not there is no error."""

    table: str
    key: str


Write: TypeAlias = Put | Insert | Delete


class Store(Protocol):
    """Keep records of text under (table, key). Keys sort as text.

    A commit applies whole or not at all. When ``durable``, a commit that returned survives ``kill -9`` and power loss.
    Failures raise ``StoreError``.
    """

    @property
    def durable(self) -> bool:
        """Whether records outlive the process."""
        ...

    async def check(self) -> str | None:
        """Return why records cannot be written at present, in a sentence for the operator, or None."""
        ...

    async def open(self) -> None:
        """Take ownership; raises ``StateDirectoryInUse`` when another process holds the state."""
        ...

    async def close(self) -> None:
        """Finish waiting commits and give ownership back. A closed store may be opened again."""
        ...

    async def get(self, table: str, key: str) -> str | None:
        """Return one record or None."""
        ...

    async def scan(
        self, table: str, *, prefix: str = "", after: str = "", limit: int = 1000
    ) -> Sequence[tuple[str, str]]:
        """Return up to ``limit`` (key, text) pairs in key order, keys starting with ``prefix`` and above ``after``."""
        ...

    async def count(self, table: str) -> int:
        """Return the number of records in a table."""
        ...

    async def commit(self, writes: Sequence[Write]) -> None:
        """Apply all writes in one transaction, or none and raise."""
        ...


# Durable work


class DurableTask(Protocol):
    """One attempt at a task, as its handler sees it."""

    @property
    def task_id(self) -> str:
        """The id ``schedule`` returned."""
        ...

    @property
    def payload(self) -> Mapping[str, object]:
        """The payload as last checkpointed; do not mutate it."""
        ...

    @property
    def attempt(self) -> int:
        """1 for the first attempt; survives restarts."""
        ...

    @property
    def maybe_applied(self) -> bool:
        """Whether an earlier attempt was cut off and may have had its effect."""
        ...

    async def checkpoint(self, payload: Mapping[str, object]) -> None:
        """Replace the payload durably: the next attempt starts from it."""
        ...


DurableTaskHandler: TypeAlias = Callable[[DurableTask], Awaitable[object]]


class DurableTaskRunner(Protocol):
    """Run registered handlers until they succeed or their attempts are used up.

    A handler that returns has succeeded; its return value, when JSON, is kept as the receipt. It raises
    ``RetryLater`` to be tried again after a pause and ``PermanentPushError`` to stop at once.
    """

    @property
    def payload_mode(self) -> DurableTaskPayloadMode:
        """What kind of payload ``schedule`` takes."""
        ...

    def register(self, name: str, handler: DurableTaskHandler) -> None:
        """Name a handler; an error once work was scheduled or resumed."""
        ...

    async def schedule(
        self, name: str, payload: Mapping[str, object], *, retry_policy: RetryPolicy | None = None
    ) -> TaskHandle:
        """Accept work: once this returns it will be tried. Raises ``KeyError`` for an unknown name."""
        ...

    async def get(self, handle: TaskHandle) -> TaskStatus | None:
        """Return where a task stands, or None when it is not known any more."""
        ...


@dataclass(frozen=True, slots=True)
class PreparedTask:
    """A task that is valid and named, but accepted only once ``write`` is committed and ``start`` is called."""

    handle: TaskHandle
    write: Write


@runtime_checkable
class TransactionalTaskRunner(Protocol):
    """A runner whose records share the host's store, so that work and its cause commit together."""

    @property
    def store(self) -> Store:
        """Where the runner keeps its records."""
        ...

    def prepare(
        self, name: str, payload: Mapping[str, object], *, retry_policy: RetryPolicy | None = None
    ) -> PreparedTask:
        """Validate and name a task without accepting it; raises as ``schedule`` does."""
        ...

    def start(self, task: PreparedTask) -> None:
        """Begin to try a task whose write was committed."""
        ...


# Who may speak


@runtime_checkable
class IdentityAllowlist(Protocol):
    """Vote on an identity: ALLOW, DENY or ABSTAIN."""

    @property
    def requires_linked_claims(self) -> bool:
        """Whether a verdict needs claims that only a linker, or a channel that verifies them, can supply."""
        ...

    async def evaluate(self, context: AuthorizationContext, /) -> AllowlistDecision:
        """Vote; an exception counts as DENY."""
        ...


@runtime_checkable
class IdentityLinker(Protocol):
    """Find the person behind an identity, or say how they can prove who they are."""

    async def resolve(self, identity: ChannelIdentity, /) -> LinkResolution:
        """Return the linked person, or the challenge to show."""
        ...


IdentityResolver: TypeAlias = Callable[[ChannelIdentity], Awaitable[str | None]]


@runtime_checkable
class SupportsLinkStorePath(Protocol):
    """A linker that keeps its own files and takes the directory for them from the host."""

    def configure_link_store_path(self, path: str, /) -> None:
        """Take the directory (``state_dir/links``) before start-up."""
        ...


# What a channel may add to itself


class ChannelPush(Protocol):
    """A channel that can send without being asked."""

    async def push(self, identity: ChannelIdentity, payload: HostedRunResult[TargetResult]) -> str | None:
        """Send; return the platform's message id when it has one. Raising means retry."""
        ...


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
    """What the host offers one channel."""

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
        """The host's store, with tables of this channel's own."""
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

    async def run(self, request: ChannelRequest) -> HostedRunResult[TargetResult]:
        """Run the target and return its answer, delivering nothing. Raises ``AuthorizationError`` when refused."""
        ...

    def run_stream(self, request: ChannelRequest) -> HostedStream:
        """Like ``run``, streaming; the gate is passed when the stream is first read."""
        ...

    async def deliver_response(self, request: ChannelRequest, payload: HostedRunResult[TargetResult]) -> bool:
        """Send an answer to the request's target; True means the origin should render it itself."""
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
