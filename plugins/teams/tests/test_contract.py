"""The contract every channel keeps, on Teams' wire."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from agent_framework_hosting.testing import ChannelContract, WireMessage
from host_channel_teams import TeamsChannel
from host_channel_teams.testing import FakeMicrosoft, People, Room
from host_channel_teams.testing.microsoft import TENANT


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[FakeMicrosoft]:
    """A Microsoft in a thread of its own: the contract looks at what a host leaves behind in this one."""
    found = FakeMicrosoft()
    loop, stop = asyncio.new_event_loop(), asyncio.Event()

    async def serve() -> None:
        async with found:
            await stop.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=[serve()])
    thread.start()
    yield found
    loop.call_soon_threadsafe(stop.set)
    thread.join()
    loop.close()


class TestTeamsChannel(ChannelContract):
    answers_inline = False

    @pytest.fixture(autouse=True)
    def _microsoft(self, elsewhere: FakeMicrosoft) -> None:
        self.microsoft = elsewhere

    def make_channel(self) -> TeamsChannel:
        return TeamsChannel(**self.microsoft.options)

    def message(self, text: str, user: str) -> WireMessage:
        self.microsoft.connector.rooms.add(f"a:{user}")
        who, room = People(user, TENANT, user), Room(f"a:{user}", "personal", TENANT)
        return WireMessage(
            "POST", "/api/messages", self.microsoft.write.message(text, who, room), self.microsoft.headers()
        )
