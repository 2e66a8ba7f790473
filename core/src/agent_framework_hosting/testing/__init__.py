"""For authors of channels and stores: contracts to subclass, real fakes, and pytest fixtures.

Load the fixtures with ``pytest_plugins = ["agent_framework_hosting.testing.pytest_plugin"]``.
"""

from .asgi import Answer, call
from .channel_contract import ChannelContract, WireMessage
from .fakes import EchoAgent, HandClock, InboxChannel

__all__ = ["Answer", "ChannelContract", "EchoAgent", "HandClock", "InboxChannel", "WireMessage", "call"]
