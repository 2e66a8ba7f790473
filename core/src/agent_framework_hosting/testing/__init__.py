"""For authors of channels and stores: contracts to subclass, real fakes, and pytest fixtures.

Load the fixtures with ``pytest_plugins = ["agent_framework_hosting.testing.pytest_plugin"]``.
"""

from .asgi import Answer, call
from .channel_contract import ChannelContract, WireMessage
from .fakes import EchoAgent, HandClock, InboxChannel
from .http_inbox import HttpInbox
from .listening import listening

__all__ = [
    "Answer",
    "ChannelContract",
    "EchoAgent",
    "HandClock",
    "HttpInbox",
    "InboxChannel",
    "WireMessage",
    "call",
    "listening",
]
