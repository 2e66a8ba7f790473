"""What no platform sends is refused in a sentence, at every door."""

from __future__ import annotations

import pytest

from agent_framework_hosting import AgentFrameworkHost, ChannelIdentity, ChannelRequest, PluginError
from agent_framework_hosting.testing import EchoAgent, InboxChannel

pytestmark = [pytest.mark.anyio, pytest.mark.requirement("doors.strange")]


@pytest.mark.parametrize("token", ["a\0b", "\ud800", "", "no-such-token"])
async def test_a_token_that_cannot_be_is_an_unknown_one(tmp_path, token: str) -> None:
    async with AgentFrameworkHost(EchoAgent(), channels=[InboxChannel()], config={}, state_dir=tmp_path) as host:
        assert await host.get_continuation(token) is None


@pytest.mark.parametrize("operation", [None, 7, ["message.create"], {"message.create": 1}, "message.creat"])
def test_an_operation_that_is_none_is_a_value_error_that_names_them(operation: object) -> None:
    with pytest.raises(ValueError, match=r"message\.create"):
        ChannelRequest("inbox", operation, "hello")


async def test_a_request_of_a_channel_the_host_has_not_is_named(caplog: pytest.LogCaptureFixture) -> None:
    inbox = InboxChannel()
    stray = ChannelRequest("other", "message.create", "hello", identity=ChannelIdentity("other", "ada"))
    async with AgentFrameworkHost(EchoAgent(), channels=[inbox], config={}):
        assert (await inbox.context.dispatch(stray)).status_code == 500
        assert "This host has no channel 'other'; its channels are: inbox" in caplog.text
        with pytest.raises(PluginError, match="its channels are: inbox"):
            await inbox.context.stop(stray)
