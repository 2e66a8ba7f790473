"""One turn under way: what is known of it, and the place it holds until it ends."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from ..delivery.continuations import Continuation
from ..delivery.journal import TurnRecord
from ..delivery.plan import Plan
from ..model.identity import ChannelIdentity
from ..model.outcome import Failed, Outcome
from ..model.request import ChannelRequest
from ..model.result import HostedRunResult, TargetResult
from ..ports import LiveReply, Place
from ..sessions.scope import Conversation

if TYPE_CHECKING:
    from agent_framework import AgentSession

HERE = Plan(here=True)


class Show(Enum):
    """Who waits for a turn's answer, and how it is shown: all in which turns differ."""

    WHOLE = "whole"
    """The wire waits for the whole answer."""
    PIECES = "pieces"
    """The wire reads the answer piece by piece."""
    LATER = "later"
    """Nobody waits: the origin gets it as a delivery, shown while it grows where the channel can."""


class TurnRefused(Exception):  # noqa: N818 - reads as the condition it names
    """End a turn early with an outcome of the host's own."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(type(outcome).__name__)
        self.outcome = outcome


@dataclass(slots=True)
class Turn:
    """Collect what the steps find out; ``close`` gives back what the turn holds, from wherever it stands.

    ``person`` is the isolation key the gate allowed (None: anonymous), ``active`` their most recent other address
    before this turn. ``record`` is the journal's entry, if there is one. ``delivers`` is False when the caller will
    deliver by itself. ``companions`` are the turns this one speaks for.

    Known once it is planned: ``shows_here``, the asking wire gets the answer; ``streams``, it gets it piece by piece;
    ``shaped``, response hooks see it first; ``live`` shows the answer at the origin while it grows. Then ``begun`` (the
    target is about to run), ``result`` (what it answered), ``outcome`` (what became of the turn), ``ended`` (its end is
    being committed or was); ``stopped``: the speaker called it off.
    """

    id: str
    request: ChannelRequest
    person: str | None
    conversation: Conversation
    place: Place
    show: Show = Show.WHOLE
    active: ChannelIdentity | None = None
    record: TurnRecord | None = None
    continuation: Continuation | None = None
    session: AgentSession | None = None
    plan: Plan = field(default=HERE)
    delivers: bool = True
    shows_here: bool = False
    streams: bool = False
    shaped: bool = False
    companions: tuple[Turn, ...] = ()
    live: LiveReply | None = None
    result: HostedRunResult[TargetResult] | None = None
    outcome: Outcome = field(default_factory=Failed)
    fault: Exception | None = None
    begun: bool = False
    ended: bool = False
    stopped: bool = False

    @property
    def token(self) -> str | None:
        """The continuation token of a background run."""
        return None if self.continuation is None else self.continuation.token

    def close(self) -> None:
        """Leave the lane; calling again does nothing."""
        self.place.leave()
