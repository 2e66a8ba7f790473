"""A Microsoft on loopback, and a host that talks to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from agent_framework_hosting import AgentFrameworkHost
from agent_framework_hosting.testing import Answer, EchoAgent, call
from host_channel_teams import TeamsChannel
from host_channel_teams.testing import FakeMicrosoft, People, Room
from host_channel_teams.testing.microsoft import TENANT


@dataclass
class Bot:
    """A running host with one Teams channel."""

    host: AgentFrameworkHost
    microsoft: FakeMicrosoft
    agent: object

    async def send(self, activity: Mapping[str, object], headers: Mapping[str, str] | None = None) -> Answer:
        """Deliver an activity as Teams would."""
        sent = self.microsoft.headers() if headers is None else headers
        return await call(self.host.app, "POST", "/api/messages", json_body=activity, headers=sent)


@pytest.fixture
async def microsoft() -> AsyncIterator[FakeMicrosoft]:
    async with FakeMicrosoft() as found:
        yield found


@pytest.fixture
def ada() -> People:
    return People("ada", TENANT)


@pytest.fixture
def bob() -> People:
    return People("bob", TENANT)


@pytest.fixture
def chat(microsoft: FakeMicrosoft) -> Room:
    """Ada's personal chat with the bot."""
    microsoft.connector.rooms.add("a:ada")
    return Room("a:ada", "personal", TENANT)


@pytest.fixture
def group(microsoft: FakeMicrosoft) -> Room:
    microsoft.connector.rooms.add("19:group@thread.v2")
    return Room("19:group@thread.v2", "groupChat", TENANT)


@pytest.fixture
def thread(microsoft: FakeMicrosoft) -> Room:
    """A thread of a channel."""
    microsoft.connector.rooms.add("19:room@thread.tacv2")
    return Room("19:room@thread.tacv2;messageid=1732200000000", "channel", TENANT)


@pytest.fixture
def run(microsoft: FakeMicrosoft):
    """Return what runs a bot: ``async with run(agent, **options) as bot``."""

    @asynccontextmanager
    async def running(agent: object = None, *, state_dir: object = None, **options: object) -> AsyncIterator[Bot]:
        target = EchoAgent() if agent is None else agent
        keys = {name: options.pop(name) for name in list(options) if name in HOST_KEYS}
        channel = TeamsChannel(**{**microsoft.options, **options})
        for name, value in keys.items():
            setattr(channel, name, value)
        host = AgentFrameworkHost(target, channels=[channel], config={}, state_dir=state_dir)
        async with host:
            yield Bot(host, microsoft, target)

    return running


HOST_KEYS = {"allowlist", "accept_in_group", "conversation_scope", "require_link"}
