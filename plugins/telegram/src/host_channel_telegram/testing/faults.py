"""What can be made to go wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

FaultKind: TypeAlias = Literal[
    "refuse", "html", "apply_then_html", "drop", "apply_then_drop", "slow", "slow_answer", "truncate"
]


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing to go wrong with the next call of a method.

    ``kind``: ``refuse`` with ``code``, ``description`` and ``parameters``; ``html`` answers ``code`` with a page in
    place of JSON; ``apply_then_html`` does so after the effect; ``drop`` breaks the connection before any effect,
    ``apply_then_drop`` after it; ``slow`` waits ``seconds`` first, ``slow_answer`` after the effect; ``truncate`` sends
    half of the answer.
    """

    kind: FaultKind = "refuse"
    code: int = 502
    description: str = "Bad Gateway"
    parameters: Mapping[str, object] = field(default_factory=dict[str, object])
    seconds: float = 0.0
    chat_id: int | None = None

    @classmethod
    def flood(cls, seconds: int, *, chat_id: int | None = None) -> Fault:
        """Refuse with 429."""
        text = f"Too Many Requests: retry after {seconds}"
        return cls("refuse", 429, text, {"retry_after": seconds}, chat_id=chat_id)

    @classmethod
    def blocked(cls) -> Fault:
        """Refuse since the user blocked the bot."""
        return cls("refuse", 403, "Forbidden: bot was blocked by the user")


class Refused(Exception):  # noqa: N818 - reads as the condition it names
    """The Bot API says no."""

    def __init__(self, code: int, description: str, **parameters: object) -> None:
        super().__init__(description)
        self.code = code
        self.description = description
        self.parameters = parameters
