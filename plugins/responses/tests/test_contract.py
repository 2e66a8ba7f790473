from __future__ import annotations

from agent_framework_hosting.testing import ChannelContract, WireMessage
from host_channel_responses import ResponsesChannel


class TestResponsesContract(ChannelContract):
    def make_channel(self) -> ResponsesChannel:
        return ResponsesChannel(api_keys={name: f"key-of-{name}" for name in ("alice", "bob", "mallory")})

    def message(self, text: str, user: str) -> WireMessage:
        return WireMessage("POST", "/responses", {"input": text}, {"authorization": f"Bearer key-of-{user}"})
