"""One task as it is stored: everything the outbox knows about it, in one record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, cast

import msgspec

from ..model.durable import RetryPolicy, TaskStatus
from ..state.records import RecordCodec
from .payload import from_json

TASKS = "tasks"
UNREADABLE = "tasks.unreadable"

TaskRecordStatus: TypeAlias = Literal["pending", "succeeded", "dead", "unknown", "cancelled"]
STATUSES: tuple[TaskRecordStatus, ...] = ("pending", "succeeded", "dead", "unknown", "cancelled")
NO_PAYLOAD = msgspec.Raw(b"{}")
NO_RECEIPT = msgspec.Raw(b"null")

_PUBLIC: dict[TaskRecordStatus, TaskStatus] = {
    "pending": TaskStatus.SCHEDULED,
    "succeeded": TaskStatus.SUCCEEDED,
    "dead": TaskStatus.FAILED,
    "unknown": TaskStatus.FAILED,
    "cancelled": TaskStatus.CANCELLED,
}


@dataclass(frozen=True, slots=True)
class Try:
    """One attempt: when it began, in seconds since the epoch, and its error; None is success, or not over yet."""

    at: float
    error: str | None = None


@dataclass(frozen=True, slots=True)
class TaskRecord:
    """One task.

    ``pending`` until it is terminal: ``succeeded``, ``dead`` (given up, payload kept), ``unknown`` (perhaps applied, to
    be settled by the operator) or ``cancelled``. ``attempts`` counts started attempts; ``in_attempt`` stands on the
    disk while a handler runs, so a record that is found with it was cut off. ``tries`` are the latest of them, those
    before a replay included. ``maybe_duplicate``: an attempt whose effect is not known was followed by another.
    ``lane`` is "" for a task that waits for nobody. Times are seconds since the epoch. A succeeded task keeps its
    receipt, not its payload.
    """

    id: str
    name: str
    lane: str
    status: TaskRecordStatus
    attempts: int
    max_attempts: int
    backoff: tuple[float, float, float]
    created: float
    next_attempt: float
    payload_json: msgspec.Raw = field(repr=False, hash=False)
    receipt_json: msgspec.Raw = field(repr=False, hash=False)
    finished: float | None = None
    last_error: str | None = None
    maybe_duplicate: bool = False
    in_attempt: bool = False
    tries: tuple[Try, ...] = ()

    @property
    def payload(self) -> Mapping[str, object]:
        """The payload as last checkpointed, freshly decoded; empty once the task succeeded."""
        return cast("Mapping[str, object]", from_json(bytes(self.payload_json)))

    @property
    def receipt(self) -> object:
        """What the handler returned, when it was JSON."""
        return from_json(bytes(self.receipt_json))

    @property
    def policy(self) -> RetryPolicy:
        """How often and how fast the task is tried."""
        return RetryPolicy(self.max_attempts, *self.backoff)

    @property
    def public_status(self) -> TaskStatus:
        """The status in the words of ``TaskStatus``, which tells ``running`` from ``scheduled`` only while it runs."""
        return _PUBLIC[self.status]

    def to_dict(self) -> dict[str, object]:
        """Return the record as JSON values, for an operator."""
        return {
            "id": self.id,
            "name": self.name,
            "lane": self.lane,
            "status": self.status,
            "attempts": self.attempts,
            "max_attempts": self.max_attempts,
            "created": self.created,
            "next_attempt": self.next_attempt,
            "finished": self.finished,
            "last_error": self.last_error,
            "receipt": self.receipt,
            "maybe_duplicate": self.maybe_duplicate,
            "in_attempt": self.in_attempt,
            "tries": [{"at": each.at, "error": each.error} for each in self.tries],
            "payload": self.payload,
        }


task_codec = RecordCodec("task", 1, TaskRecord)
