"""What carries work that must not be lost: what every runner does, and what it may do besides.

A runner offers more than ``DurableTaskRunner`` by having the members of a further protocol of this module, all of them:
the host asks with ``isinstance`` and does without what is not offered.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias, runtime_checkable

from ..model.durable import DurableTaskPayloadMode, RetryPolicy, TaskHandle, TaskRecordStatus, TaskStatus, Try
from ..model.table import AnyTable
from .ownership import WorkOwnership
from .store import Fence, Store, Write


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


@runtime_checkable
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


class StoredTask(Protocol):
    """One task as its runner keeps it. Times are seconds since the epoch."""

    @property
    def id(self) -> str:
        """Its id."""
        ...

    @property
    def name(self) -> str:
        """What its handler is called."""
        ...

    @property
    def lane(self) -> str:
        """The queue it waits in; "" for a task that waits for nobody."""
        ...

    @property
    def status(self) -> TaskRecordStatus:
        """Where it stands."""
        ...

    @property
    def attempts(self) -> int:
        """How many attempts were started."""
        ...

    @property
    def max_attempts(self) -> int:
        """How many there may be."""
        ...

    @property
    def created(self) -> float:
        """When it was accepted."""
        ...

    @property
    def next_attempt(self) -> float:
        """When it may be tried next."""
        ...

    @property
    def finished(self) -> float | None:
        """When it ended, None before."""
        ...

    @property
    def last_error(self) -> str | None:
        """How the latest failed attempt failed."""
        ...

    @property
    def maybe_duplicate(self) -> bool:
        """Whether an attempt whose effect is not known was followed by another."""
        ...

    @property
    def tries(self) -> Sequence[Try]:
        """The latest attempts, oldest first."""
        ...

    @property
    def payload(self) -> Mapping[str, object]:
        """The payload as last checkpointed; empty once the task succeeded."""
        ...

    @property
    def receipt(self) -> object:
        """What the handler returned, when it was JSON."""
        ...

    def to_dict(self) -> dict[str, object]:
        """Return the task as JSON values."""
        ...


LaneOf: TypeAlias = Callable[[Mapping[str, object]], str]
OnUncertain: TypeAlias = Callable[[Mapping[str, object]], Literal["retry", "unknown"]]
Reconcile: TypeAlias = Callable[[StoredTask], Awaitable[Literal["sent", "not_sent"] | None]]
TaskRule: TypeAlias = Literal["lane", "on_uncertain", "reconcile"]


@runtime_checkable
class RuledTaskRunner(DurableTaskRunner, Protocol):
    """A runner that follows rules for the tasks of a handler: those named in ``rules``; others are None for it."""

    @property
    def rules(self) -> frozenset[TaskRule]:
        """The rules that ``register`` takes."""
        ...

    def register(
        self,
        name: str,
        handler: DurableTaskHandler,
        *,
        lane: LaneOf | None = None,
        on_uncertain: OnUncertain | None = None,
        reconcile: Reconcile | None = None,
    ) -> None:
        """Name a handler and its rules.

        ``lane(payload)`` names the queue a task waits in: tasks of one lane are tried one after the other, and one
        that waits for its next attempt holds the rest back. Without it each task is on its own. When an attempt is cut
        off or raises ``UncertainSend``, ``on_uncertain(payload)`` says whether to ``"retry"`` it as a possible
        duplicate (the default) or to leave it ``"unknown"``; then ``reconcile(task)`` may find out ``"sent"`` or
        ``"not_sent"``.
        """
        ...


@runtime_checkable
class StartedTaskRunner(Protocol):
    """A runner that the host starts and stops."""

    @property
    def in_process(self) -> bool:
        """Whether it tries tasks inside this process, so that they wait while there is none."""
        ...

    async def open(self) -> None:
        """Get ready; after a shutdown, start again. Does nothing when open."""
        ...

    async def resume(self) -> int:
        """Take up what an earlier process left and return the number of its tasks; does nothing the second time."""
        ...

    async def shutdown(self, *, timeout: float | None = None) -> None:  # noqa: ASYNC109 - the public name is fixed
        """Take no more work, give running attempts ``timeout`` seconds (None: as the runner has it), then cut them."""
        ...


class TaskTable(Protocol):
    """The operator's hand on tasks. Failures raise ``StoreError``."""

    async def list(
        self,
        *,
        status: Collection[TaskRecordStatus] | None = None,
        name: str | None = None,
        lane: str | None = None,
        after: str = "",
        limit: int = 100,
    ) -> Sequence[StoredTask]:
        """Return up to ``limit`` tasks in the order of their ids, from above ``after``; None filters nothing."""
        ...

    async def get(self, task_id: str) -> StoredTask | None:
        """Return one task or None."""
        ...

    async def replay(self, task_id: str) -> StoredTask:
        """Make a dead or unknown task pending again, with all its attempts, due now.

        Raises ``KeyError`` for an unknown id and ``ValueError`` for a task that is pending or has succeeded.
        """
        ...

    async def drop(self, task_id: str) -> StoredTask:
        """Remove a task for good and return what it was.

        Raises ``KeyError`` for an unknown id and ``ValueError`` for a task that cannot be taken from who is at it.
        """
        ...

    async def purge(
        self,
        *,
        status: Collection[TaskRecordStatus] = ("dead", "unknown"),
        name: str | None = None,
        lane: str | None = None,
        finished_before: float | None = None,
    ) -> int:
        """Remove all ended tasks that fit and return their number; ``finished_before`` is in epoch seconds.

        Raises ``ValueError`` when asked for pending ones: drop those one by one.
        """
        ...

    async def counts(self) -> Mapping[str, int]:
        """Return the number of tasks by status, and of those set aside as ``unreadable``."""
        ...


@runtime_checkable
class OperableTaskRunner(Protocol):
    """A runner whose tasks an operator can see and settle while it works."""

    @property
    def tasks(self) -> TaskTable:
        """The operator's hand on them."""
        ...

    def counts(self) -> Mapping[str, int]:
        """Return the number of tasks by status, as far as this process has met them; it costs nothing."""
        ...


@dataclass(frozen=True, slots=True)
class PreparedTask:
    """A task that is valid and named, but accepted only once ``write`` is committed and ``start`` is called.

    ``fence`` goes into the same commit, where several hosts share the store.
    """

    handle: TaskHandle
    write: Write
    fence: Fence | None = None


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


@runtime_checkable
class HousedTaskRunner(Protocol):
    """A runner that keeps its records in the host's store, and shares the work with other hosts there."""

    @property
    def tables(self) -> Sequence[AnyTable]:
        """The tables it keeps: the host bounds them, and forgets people in them."""
        ...

    def keep_in(self, store: Store, ownership: WorkOwnership | None = None) -> None:
        """Keep tasks in the host's store, which the host opens first and closes last.

        Does nothing for a runner that was made with a place of its own. Raises ``RuntimeError`` once there are tasks.
        """
        ...

    async def take_over(self, host_id: str) -> int:
        """Take up what a host that lives no more has left, and return the number of its tasks."""
        ...
