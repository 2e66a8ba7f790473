"""A Microsoft of one's own, on loopback: keys, tokens and a connector that refuses what Teams would refuse.

Run it alone with ``python -m host_channel_teams.testing``.
"""

from .activities import People, Room
from .clock import SteppedClock
from .connector import Fault, Post
from .microsoft import FakeMicrosoft

__all__ = ["FakeMicrosoft", "Fault", "People", "Post", "Room", "SteppedClock"]
