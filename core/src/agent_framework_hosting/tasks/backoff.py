"""How long to wait before the next attempt."""

from __future__ import annotations

from collections.abc import Callable

from ..model.durable import RetryPolicy


def backoff_seconds(policy: RetryPolicy, attempt: int, *, random: Callable[[], float], at_least: float = 0.0) -> float:
    """Return the pause after attempt number ``attempt`` (from 1): exponential, with full jitter.

    ``random`` returns a number from 0 to 1. ``at_least`` is what the platform asked for; the pause is never shorter.
    """
    try:
        ceiling = policy.initial_backoff_seconds * policy.backoff_multiplier ** (attempt - 1)
    except OverflowError:
        ceiling = policy.max_backoff_seconds
    return max(at_least, random() * min(ceiling, policy.max_backoff_seconds))
