"""What every channel must do."""

from uuid import uuid4

from host_channel_pager import PagerChannel
from pydantic import SecretStr

from agent_framework_hosting.testing import ChannelContract, WireMessage


class TestPager(ChannelContract):
    answers_inline = False

    def make_channel(self):
        return PagerChannel(secret=SecretStr("s"), api_url="http://127.0.0.1:9")

    def message(self, text, user):
        page = {"event": str(uuid4()), "pager": user, "text": text}  # each message is a new event
        return WireMessage("POST", "/pager", page, {"x-pager-secret": "s"})
