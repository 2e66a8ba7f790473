"""A strict Bot API server to test against, offline.

Use it in tests with ``async with FakeBotApi()``, or alone with ``python -m host_channel_telegram.testing``.
"""

from .faults import Fault
from .server import FakeBotApi
from .world import Shown

__all__ = ["FakeBotApi", "Fault", "Shown"]
