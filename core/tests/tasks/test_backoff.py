from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_framework_hosting.model.durable import RetryPolicy
from agent_framework_hosting.tasks.transitions import backoff_seconds

POLICIES = st.builds(
    RetryPolicy,
    max_attempts=st.integers(1, 10**6),
    initial_backoff_seconds=st.floats(0, 1e6),
    backoff_multiplier=st.floats(1, 1e6),
    max_backoff_seconds=st.floats(0, 1e6),
)


@pytest.mark.requirement("deliveries.backoff")
@given(POLICIES, st.integers(1, 10**6), st.floats(0, 1), st.floats(0, 1e6))
def test_the_pause_is_never_shorter_than_asked_nor_longer_than_allowed(
    policy: RetryPolicy, attempt: int, drawn: float, asked: float
) -> None:
    pause = backoff_seconds(policy, attempt, random=lambda: drawn, at_least=asked)
    assert asked <= pause <= max(asked, policy.max_backoff_seconds)


@given(POLICIES, st.integers(1, 1000))
def test_the_ceiling_never_falls_from_attempt_to_attempt(policy: RetryPolicy, attempt: int) -> None:
    first = backoff_seconds(policy, attempt, random=lambda: 1.0)
    assert first <= backoff_seconds(policy, attempt + 1, random=lambda: 1.0)


@pytest.mark.requirement("deliveries.backoff")
def test_the_ceiling_doubles_and_the_jitter_is_full() -> None:
    policy = RetryPolicy(max_attempts=9, initial_backoff_seconds=1, backoff_multiplier=2, max_backoff_seconds=5)
    assert [backoff_seconds(policy, n, random=lambda: 1.0) for n in range(1, 6)] == [1, 2, 4, 5, 5]
    assert [backoff_seconds(policy, n, random=lambda: 0.25) for n in range(1, 4)] == [0.25, 0.5, 1]
    assert backoff_seconds(policy, 3, random=lambda: 0.0) == 0
