from agent_framework_hosting.testing import ChannelContract, WireMessage
from host_channel_echo import EchoChannel


class TestEcho(ChannelContract):
    make_channel = EchoChannel
    message = staticmethod(lambda text, user: WireMessage("POST", "/echo", {"text": text, "user": user}))
