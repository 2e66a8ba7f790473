"""Durable work: what a runner takes, what it says about it, and where state lives on disk."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal, TypeAlias, TypedDict

RuntimeMode: TypeAlias = Literal["long_running", "ephemeral"]


class HostStatePaths(TypedDict, total=False):
    """Directories per kind of state; what is left out stays in memory."""

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
