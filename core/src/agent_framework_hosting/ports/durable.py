"""What carries work that must not be lost."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeAlias, runtime_checkable

from ..model.durable import DurableTaskPayloadMode, RetryPolicy, TaskHandle, TaskStatus
from .store import Store, Write


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
