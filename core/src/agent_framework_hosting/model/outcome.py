"""What became of one inbound message, or of a wish to stop. Each has ``status_code`` and ``to_public_dict()``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, TypeAlias

from .result import HostedRunResult, TargetResult, result_text
from .verdict import Denied, LinkRequired

if TYPE_CHECKING:
    from agent_framework import AgentResponseUpdate, ResponseStream

HostedStream: TypeAlias = "ResponseStream[AgentResponseUpdate, HostedRunResult[TargetResult]]"


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer belongs on this wire: ``result`` for a whole turn, ``stream`` for a streaming one.

    A stream must be read to its end, awaited (``get_final_response``) or closed; each releases lane and bindings.
    """

    result: HostedRunResult[TargetResult] | None = field(default=None, hash=False)
    stream: HostedStream | None = field(default=None, hash=False, compare=False)
    status_code: int = field(default=200, init=False, repr=False)

    def to_public_dict(self) -> dict[str, object]:
        """Return what a wire may show."""
        return {"outcome": "reply", "text": "" if self.result is None else result_text(self.result)}


@dataclass(frozen=True, slots=True)
class Accepted:
    """The message was taken on: its answer goes elsewhere, later, or (``ResponseTarget.none``) nowhere.

    ``token`` follows a background run through ``host.get_continuation``.
    """

    turn_id: str
    targets: tuple[str, ...] = ()
    token: str | None = None
    status_code: int = field(default=202, init=False, repr=False)

    def to_public_dict(self) -> dict[str, object]:
        """Return what a wire may show."""
        shown: dict[str, object] = {"outcome": "accepted", "id": self.turn_id}
        return shown if self.token is None else shown | {"token": self.token}


@dataclass(frozen=True, slots=True)
class Duplicate:
    """The platform delivered an event again; nothing was run."""

    event_id: str
    status_code: int = field(default=200, init=False, repr=False)

    def to_public_dict(self) -> dict[str, object]:
        """Return what a wire may show."""
        return {"outcome": "duplicate"}


@dataclass(frozen=True, slots=True)
class Busy:
    """Too many turns wait on this conversation; nothing was run. ``retry_after`` is in seconds."""

    retry_after: int = 1
    status_code: int = field(default=429, init=False, repr=False)

    def to_public_dict(self) -> dict[str, object]:
        """Return what a wire may show."""
        return {
            "outcome": "busy",
            "message": "The agent is still busy with your earlier messages. Please try again in a moment.",
        }


@dataclass(frozen=True, slots=True)
class Failed:
    """The turn could not be completed. ``code`` is stable, ``message`` is safe to show."""

    code: str = "agent_failed"
    message: str = "The agent failed. Please try again later."
    status_code: int = 500

    def to_public_dict(self) -> dict[str, object]:
        """Return what a wire may show."""
        return {"outcome": "failed", "code": self.code, "message": self.message}


class Stopped(int):
    """How many turns of the conversation were called off, running and waiting; 0 when there was nothing to stop."""

    __slots__ = ()
    status_code: ClassVar[int] = 200

    def to_public_dict(self) -> dict[str, object]:
        """Return what a wire may show."""
        return {"outcome": "stopped", "count": int(self)}

    def __repr__(self) -> str:
        return f"Stopped({int(self)})"


Outcome: TypeAlias = Reply | Accepted | Duplicate | Denied | LinkRequired | Busy | Failed
