"""A Microsoft on loopback, and a host that talks to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from agent_framework import AgentResponse, AgentResponseUpdate, Content, ResponseStream

from agent_framework_hosting import AgentFrameworkHost
from agent_framework_hosting.testing import Answer, EchoAgent, call
from host_channel_teams import TeamsChannel
from host_channel_teams.testing import FakeMicrosoft, People, Room, SteppedClock
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


class Speaker(EchoAgent):
    """An agent that says what it is told to, when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.started = asyncio.Event()
        self._pieces: asyncio.Queue[str | Exception | None] = asyncio.Queue()

    def say(self, *pieces: str | Exception) -> None:
        """Say more."""
        for piece in pieces:
            self._pieces.put_nowait(piece)

    def done(self) -> None:
        """Say no more."""
        self._pieces.put_nowait(None)

    def run(self, messages=None, *, stream=False, session=None, **_):
        if stream:
            return ResponseStream(self._spoken(), finalizer=AgentResponse.from_updates)
        return self._all()

    async def _all(self) -> AgentResponse:
        return AgentResponse.from_updates([update async for update in self._spoken()])

    async def _spoken(self) -> AsyncIterator[AgentResponseUpdate]:
        self.started.set()
        while (piece := await self._pieces.get()) is not None:
            if isinstance(piece, Exception):
                raise piece
            yield AgentResponseUpdate(contents=[Content.from_text(piece)], role="assistant", message_id="answer")


@pytest.fixture
def speaker() -> Speaker:
    return Speaker()


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock()


@pytest.fixture
async def stepped(clock: SteppedClock) -> AsyncIterator[FakeMicrosoft]:
    """A Microsoft whose streams are measured with the stepped clock."""
    async with FakeMicrosoft(now=clock.now) as found:
        found.connector.rooms |= {"a:ada", "19:group@thread.v2"}
        yield found


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
def chat(request: pytest.FixtureRequest) -> Room:
    """Ada's personal chat with the bot."""
    name = "stepped" if "stepped" in request.fixturenames else "microsoft"
    request.getfixturevalue(name).connector.rooms.add("a:ada")
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
def run(request: pytest.FixtureRequest):
    """Return what runs a bot, ``async with run(agent, **options) as bot``; beside ``stepped`` it talks to that."""
    with_clock = "stepped" in request.fixturenames
    microsoft: FakeMicrosoft = request.getfixturevalue("stepped" if with_clock else "microsoft")
    paced = {"clock": request.getfixturevalue("clock")} if with_clock else {}

    @asynccontextmanager
    async def running(agent: object = None, *, state_dir: object = None, **options: object) -> AsyncIterator[Bot]:
        target = EchoAgent() if agent is None else agent
        keys = {name: options.pop(name) for name in list(options) if name in HOST_KEYS}
        channel = TeamsChannel(**{**microsoft.options, **paced, **options})
        for name, value in keys.items():
            setattr(channel, name, value)
        host = AgentFrameworkHost(target, channels=[channel], config={}, state_dir=state_dir)
        async with host:
            yield Bot(host, microsoft, target)

    return running


HOST_KEYS = {"allowlist", "accept_in_group", "conversation_scope", "require_link"}
