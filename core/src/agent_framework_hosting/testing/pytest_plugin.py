"""Fixtures for tests of channels and hosts."""

from __future__ import annotations

import pytest

from .fakes import EchoAgent, HandClock, InboxChannel


@pytest.fixture
def echo_agent() -> EchoAgent:
    """An agent that answers with what it heard."""
    return EchoAgent()


@pytest.fixture
def inbox_channel() -> InboxChannel:
    """A channel that keeps what it is pushed."""
    return InboxChannel()


@pytest.fixture
def hand_clock() -> HandClock:
    """A clock that moves only when told."""
    return HandClock()
