"""What becomes of a record, one pure function for each thing that can happen, and how long it waits then."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from msgspec.structs import replace

from ..errors import PermanentPushError, RetryLater
from ..model.durable import RetryPolicy, Try
from .record import NO_PAYLOAD, TaskRecord
from .redact import redacted_error

Random = Callable[[], float]
CUT_OFF = "The process ended inside the attempt."
_LONGEST_PAUSE = 30 * 86_400.0
_TRIES_KEPT = 20


def begun(record: TaskRecord, now: float) -> TaskRecord:
    """Count an attempt before it is made, so that a crash inside it counts too."""
    tries = (*record.tries, Try(now))[-_TRIES_KEPT:]
    return replace(record, attempts=record.attempts + 1, in_attempt=True, tries=tries)


def succeeded(record: TaskRecord, receipt_json: msgspec.Raw, now: float) -> TaskRecord:
    """Keep the receipt and let the payload go."""
    return replace(
        record,
        status="succeeded",
        finished=now,
        receipt_json=receipt_json,
        payload_json=NO_PAYLOAD,
        in_attempt=False,
    )


def failed(record: TaskRecord, error: BaseException, now: float, random: Random) -> TaskRecord:
    """Wait for the next attempt, or give up: at ``PermanentPushError`` or when all attempts are used."""
    told = _told(record, redacted_error(error))
    if isinstance(error, PermanentPushError):
        return replace(told, status="dead", finished=now)
    return _again(told, now, random, error.seconds if isinstance(error, RetryLater) else 0.0)


def maybe_applied(record: TaskRecord, why: str, now: float, random: Random) -> TaskRecord:
    """Try again after an attempt of unknown effect, flagged as a possible duplicate; or give up."""
    return _again(replace(_told(record, why), maybe_duplicate=True), now, random)


def not_applied(record: TaskRecord, why: str, now: float, random: Random) -> TaskRecord:
    """Try again after an attempt that is known to have had no effect; or give up."""
    return _again(_told(record, why), now, random)


def left_unknown(record: TaskRecord, why: str, now: float) -> TaskRecord:
    """End a task whose effect nobody knows, payload kept, for the operator to settle."""
    return replace(_told(record, why), status="unknown", finished=now)


def cancelled(record: TaskRecord, now: float) -> TaskRecord:
    """End a task that the shutdown of a process without state cut short."""
    return replace(record, status="cancelled", finished=now, payload_json=NO_PAYLOAD, in_attempt=False)


def replayed(record: TaskRecord, now: float) -> TaskRecord:
    """Give a dead letter all its attempts again; it is nobody's until a runner takes it up."""
    fresh = replace(record, status="pending", attempts=0, next_attempt=now, finished=None, in_attempt=False)
    return replace(fresh, owner="", epoch=0)


def backoff_seconds(policy: RetryPolicy, attempt: int, *, random: Random, at_least: float = 0.0) -> float:
    """Return the pause after attempt number ``attempt`` (from 1): exponential, with full jitter.

    ``random`` returns a number from 0 to 1. ``at_least`` is what the platform asked for; the pause is never shorter.
    """
    try:
        ceiling = policy.initial_backoff_seconds * policy.backoff_multiplier ** (attempt - 1)
    except OverflowError:
        ceiling = policy.max_backoff_seconds
    return max(at_least, random() * min(ceiling, policy.max_backoff_seconds))


def _told(record: TaskRecord, why: str) -> TaskRecord:
    """End the attempt under way with an error."""
    tries = record.tries[:-1] + tuple(Try(last.at, why) for last in record.tries[-1:])
    return replace(record, last_error=why, in_attempt=False, tries=tries)


def _again(record: TaskRecord, now: float, random: Random, at_least: float = 0.0) -> TaskRecord:
    if record.attempts >= record.max_attempts:
        return replace(record, status="dead", finished=now)
    pause = backoff_seconds(record.policy, record.attempts, random=random, at_least=at_least)
    return replace(record, next_attempt=now + min(pause, _LONGEST_PAUSE))
