"""Durable work: what a runner takes, what it says about it, and where state lives on disk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Literal, TypeAlias, TypedDict

from .identity import ChannelIdentity

RuntimeMode: TypeAlias = Literal["long_running", "ephemeral"]


class HostStatePaths(TypedDict, total=False):
    """Directories per kind of state; what is left out stays in memory.

    ``runner`` is the directory of the host's one store: accepted messages, deliveries, background runs, what channels
    keep, and, unless ``sessions`` is left out, people and their conversations. ``sessions`` alone is that directory as
    well; beside ``runner`` it names where the first edition kept people and conversations, which move into the store.
    ``checkpoints`` is for a workflow's checkpoints, ``links`` for an identity linker's own files.
    """

    runner: str
    sessions: str
    checkpoints: str
    links: str


class DurableTaskPayloadMode(StrEnum):
    """How a runner carries payloads: as JSON values, or as live objects (custom runners only)."""

    OBJECT = "object"
    JSON = "json"


class TaskStatus(StrEnum):
    """Where a scheduled task stands. Each member equals its lower-case name as a string."""

    SCHEDULED = scheduled = "scheduled"
    RUNNING = running = "running"
    SUCCEEDED = succeeded = "succeeded"
    FAILED = failed = "failed"
    CANCELLED = cancelled = "cancelled"


@dataclass(frozen=True, slots=True)
class TaskHandle:
    """Name one scheduled task."""

    task_id: str
    name: str


TaskRecordStatus: TypeAlias = Literal["pending", "succeeded", "dead", "unknown", "cancelled"]
"""How a runner keeps a task: ``pending`` until it ended.

``dead``: given up, payload kept. ``unknown``: perhaps applied, to be settled by the operator.
"""


@dataclass(frozen=True, slots=True)
class Try:
    """One attempt: when it began, in seconds since the epoch, and its error; None is success, or not over yet."""

    at: float
    error: str | None = None


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Bound the attempts of a task; times are in seconds, ``max_attempts`` counts the first one."""

    max_attempts: int = 5
    initial_backoff_seconds: float = 1.0
    backoff_multiplier: float = 2.0
    max_backoff_seconds: float = 60.0

    def __post_init__(self) -> None:
        """Refuse values that could never deliver."""
        if self.max_attempts < 1:
            raise ValueError("RetryPolicy.max_attempts must be at least 1.")
        if self.initial_backoff_seconds < 0 or self.max_backoff_seconds < 0 or self.backoff_multiplier < 1:
            raise ValueError("RetryPolicy: backoffs must not be negative and the multiplier must be at least 1.")


@dataclass(frozen=True, slots=True)
class SendAttempt:
    """One attempt to send: when it began, and its error; None is success, or that it never ended."""

    started_at: datetime
    error: str | None = None


@dataclass(frozen=True, slots=True)
class SendRecord(Mapping[str, object]):
    """What is known of one delivery whose effect on the platform is not; ``Channel.reconcile`` judges it.

    ``identity`` is where it goes. ``kind`` is ``notice`` for the host's own words, ``answer`` otherwise. ``attempts``
    counts every attempt begun, ``tries`` holds the latest of them, oldest first: the last is the one that was cut off.
    ``envelope`` is what the channel's ``push_codec`` made of the answer; without one, and for notices, ``text`` is what
    the send says.

    Earlier versions handed over the outbox's own JSON: that can still be read as from a mapping, and is no contract.
    """

    delivery_id: str
    identity: ChannelIdentity
    created_at: datetime
    attempts: int = 1
    tries: tuple[SendAttempt, ...] = ()
    kind: Literal["answer", "notice"] = "answer"
    envelope: Mapping[str, object] | None = field(default=None, hash=False)
    text: str = field(default="", repr=False)
    stored: Mapping[str, object] = field(default_factory=dict[str, object], repr=False, compare=False)

    def __getitem__(self, name: str) -> object:
        return self.stored[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.stored)

    def __len__(self) -> int:
        return len(self.stored)

    @property
    def last_started_at(self) -> datetime:
        """When the latest attempt began, as well as is known."""
        return self.tries[-1].started_at if self.tries else self.created_at


ContinuationStatus: TypeAlias = Literal["queued", "running", "completed", "failed"]


@dataclass(frozen=True, slots=True)
class ContinuationToken:
    """Follow one background run; ``token`` is opaque and URL-safe.

    Once completed ``result`` is the answer's ``to_dict()`` (a workflow's: outputs, questions and final state); once
    failed ``error`` is a text that is safe to show.
    """

    token: str
    status: ContinuationStatus
    created_at: datetime
    completed_at: datetime | None = None
    result: dict[str, object] | None = None
    error: str | None = None
