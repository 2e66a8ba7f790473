"""One task as it is stored, everything the runner knows about it in one record, and the tables of such records."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Final, cast

import msgspec

from ..model.durable import RetryPolicy, TaskRecordStatus, TaskStatus, Try
from ..records import Expiry, RecordCodec, Table
from .payload import from_json

STATUSES: Final[tuple[TaskRecordStatus, ...]] = ("pending", "succeeded", "dead", "unknown", "cancelled")
SETTLED: Final = frozenset[TaskRecordStatus]({"succeeded", "cancelled"})
"""How tasks end that nobody has to look at: of these only so many are kept, in a table of their own."""
_LARGEST = 1e9  # JSON knows no infinity
NO_PAYLOAD = msgspec.Raw(b"{}")
NO_RECEIPT = msgspec.Raw(b"null")

_PUBLIC: dict[TaskRecordStatus, TaskStatus] = {
    "pending": TaskStatus.SCHEDULED,
    "succeeded": TaskStatus.SUCCEEDED,
    "dead": TaskStatus.FAILED,
    "unknown": TaskStatus.FAILED,
    "cancelled": TaskStatus.CANCELLED,
}


class TaskRecord(msgspec.Struct, frozen=True):
    """One task.

    ``pending`` until it is terminal: ``succeeded``, ``dead`` (given up, payload kept), ``unknown`` (perhaps applied, to
    be settled by the operator) or ``cancelled``. ``attempts`` counts started attempts; ``in_attempt`` stands on the
    disk while a handler runs, so a record that is found with it was cut off. ``tries`` are the latest of them, those
    before a replay included. ``maybe_duplicate``: an attempt whose effect is not known was followed by another.
    ``lane`` is "" for a task that waits for nobody. Times are seconds since the epoch. A succeeded task keeps its
    receipt, not its payload. ``owner`` and ``epoch`` name the host that holds a pending task; "" is nobody.
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
    payload_json: msgspec.Raw
    receipt_json: msgspec.Raw
    finished: float | None = None
    last_error: str | None = None
    maybe_duplicate: bool = False
    in_attempt: bool = False
    tries: tuple[Try, ...] = ()
    owner: str = ""
    epoch: int = 0

    def __repr__(self) -> str:
        return f"<{self.status} task {self.id} ({self.name})>"  # payloads are people's words

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


def new_record(name: str, payload: str, policy: RetryPolicy, *, task_id: str, lane: str, now: float) -> TaskRecord:
    """Return the record of a task that is due now; ``payload`` is its JSON text."""
    pauses = policy.initial_backoff_seconds, policy.backoff_multiplier, policy.max_backoff_seconds
    return TaskRecord(
        id=task_id,
        name=name,
        lane=lane,
        status="pending",
        attempts=0,
        max_attempts=policy.max_attempts,
        backoff=(min(_LARGEST, pauses[0]), min(_LARGEST, pauses[1]), min(_LARGEST, pauses[2])),
        created=now,
        next_attempt=now,
        payload_json=msgspec.Raw(payload.encode()),
        receipt_json=NO_RECEIPT,
    )


class TaskIds:
    """Make unique ids of 24 hexadecimal digits; later ids sort above earlier ones, whatever the clock does."""

    def __init__(self) -> None:
        self._last = 0
        self._maker = secrets.token_hex(4)

    def new(self) -> str:
        """Return the next id."""
        self._last = max(self._last + 1, time.time_ns())
        return f"{self._last:016x}{self._maker}"

    def seen(self, task_id: str) -> None:
        """Make all later ids sort above one that an earlier process made."""
        try:
            self._last = max(self._last, int(task_id[:16], 16))
        except ValueError:
            pass  # not one of ours


task_codec = RecordCodec("task", 1, TaskRecord)
_WHOM = ("lane", "payload_json.destination", "payload_json.request.identity")
TASKS = Table(
    "tasks",
    task_codec,
    person=_WHOM,
    holds="deliveries and other work: waiting, given up, or unknown",
    keys_are_ids=True,
)
RECEIPTS = Table(
    "receipts",
    task_codec,
    person=_WHOM,
    holds="deliveries and other work that ended well, the latest",
    keys_are_ids=True,
)


def receipts_up_to(most: int) -> Table[TaskRecord]:
    """Return the table of settled tasks, of which the latest ``most`` are kept."""
    return replace(RECEIPTS, expiry=Expiry(most=most))
