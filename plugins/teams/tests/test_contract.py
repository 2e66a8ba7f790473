"""The contract every channel keeps, on Teams' wire."""

from __future__ import annotations

import inspect

import pytest

from agent_framework_hosting.testing import ChannelContract, WireMessage
from host_channel_teams import TeamsChannel
from host_channel_teams.testing import FakeMicrosoft, People, Room
from host_channel_teams.testing.microsoft import TENANT


class TestTeamsChannel(ChannelContract):
    answers_inline = False
    microsoft: FakeMicrosoft

    @pytest.fixture(autouse=True)
    def _served(self, request: pytest.FixtureRequest) -> None:
        needs_server = inspect.iscoroutinefunction(request.function)
        self.microsoft = request.getfixturevalue("microsoft") if needs_server else FakeMicrosoft()

    def make_channel(self) -> TeamsChannel:
        return TeamsChannel(**self.microsoft.options)

    def message(self, text: str, user: str) -> WireMessage:
        self.microsoft.connector.rooms.add(f"a:{user}")
        who, room = People(user, TENANT, user), Room(f"a:{user}", "personal", TENANT)
        return WireMessage(
            "POST", "/api/messages", self.microsoft.write.message(text, who, room), self.microsoft.headers()
        )
