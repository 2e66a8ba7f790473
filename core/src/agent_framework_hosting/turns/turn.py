"""One turn under way: what is known of it, and the place it holds until it ends."""

from __future__ import annotations

import itertools
import secrets
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..delivery.continuations import Continuation
from ..delivery.journal import TurnRecord
from ..delivery.plan import Plan
from ..model.identity import ChannelIdentity
from ..model.outcome import Outcome
from ..model.request import ChannelRequest
from ..sessions.lanes import LanePlace
from ..sessions.scope import Conversation

if TYPE_CHECKING:
    from agent_framework import AgentSession

HERE = Plan(here=True)
_numbers = itertools.count(secrets.randbits(63))


class TurnRefused(Exception):  # noqa: N818 - reads as the condition it names
    """End a turn early with an outcome of the host's own."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(type(outcome).__name__)
        self.outcome = outcome


@dataclass(slots=True)
class Turn:
    """Collect what the steps find out; ``close`` gives back what the turn holds, from wherever it stands.

    ``person`` is the isolation key the gate allowed (None: anonymous). ``active`` is the person's most recent other
    address before this turn. ``record`` is the journal's entry, if there is one. ``deferred`` says that no wire waits:
    the origin gets its answer as a delivery. ``delivers`` is False when the caller will deliver by itself.
    ``companions`` are the turns this one speaks for. ``ended`` says that its end is being committed or was,
    ``stopped`` that the speaker called it off.
    """

    id: str
    request: ChannelRequest
    person: str | None
    conversation: Conversation
    place: LanePlace
    active: ChannelIdentity | None = None
    record: TurnRecord | None = None
    continuation: Continuation | None = None
    session: AgentSession | None = None
    plan: Plan = field(default=HERE)
    deferred: bool = False
    delivers: bool = True
    companions: tuple[Turn, ...] = ()
    ended: bool = False
    stopped: bool = False

    @property
    def token(self) -> str | None:
        """The continuation token of a background run."""
        return None if self.continuation is None else self.continuation.token

    @property
    def shows_here(self) -> bool:
        """Whether the asking wire gets the answer."""
        return self.plan.here or not self.delivers

    def close(self) -> None:
        """Leave the lane; calling again does nothing."""
        self.place.leave()


def new_turn_id() -> str:
    """Return a unique id that sorts by time: milliseconds in hex, then a number no other process counts at."""
    return f"{time.time_ns() // 1_000_000:012x}{next(_numbers):016x}"
