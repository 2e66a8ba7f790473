"""One message on its way in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, TypedDict, cast, get_args

from ..wording import did_you_mean
from .identity import ChannelIdentity, ChannelSession
from .target import ResponseTarget
from .verdict import ClaimValue

Operation: TypeAlias = Literal["message.create", "command.invoke"]
SessionMode: TypeAlias = Literal["auto", "required", "disabled"]

OPERATIONS: frozenset[str] = frozenset(get_args(Operation))
UNSTORED_ATTRIBUTES = frozenset({"protocol_request"})
"""The attributes that live as long as the wire's request and are never written down."""


class RequestAttributes(TypedDict, total=False):
    """The keys of ``ChannelRequest.attributes`` that the host itself reads; every other key is the channel's own.

    ``protocol_request`` is the wire's own request object: run hooks get it, and it is never stored. ``responses``
    answers a workflow's open questions: request id to value. ``response_id`` is the wire's name for this answer and
    ``previous_response_id`` for the one it continues: history providers file the turn under them.
    """

    protocol_request: object
    responses: Mapping[str, object]
    response_id: str
    previous_response_id: str


_ATTRIBUTE_KINDS: Mapping[str, type] = {
    "protocol_request": object,
    "responses": Mapping,
    "response_id": str,
    "previous_response_id": str,
}


def _no_claims() -> dict[str, ClaimValue]:
    return {}


@dataclass(frozen=True, slots=True)
class ChannelRequest:
    """Carry one inbound message from a channel to the host.

    ``operation`` is ``"message.create"``, or ``"command.invoke"`` for a message that is a command; any other is a
    ``ValueError``. ``attributes`` holds what the channel wants to find again, and the keys of ``RequestAttributes``.
    ``input`` is what the target runs on: text, ``Content``, ``Message``, a list of them, or a workflow's own input
    type. ``identity`` is the verified speaker; without one the request is anonymous and any configured allowlist
    refuses it. ``options`` reach ``agent.run(options=...)`` unchanged, so a channel builds them from its own allow
    list. ``event_id`` is the platform's delivery id, used to drop repeats. ``session_mode``: ``auto`` uses a session
    when there is a key, ``required`` refuses without one, ``disabled`` never uses one. ``addressed`` is False for a
    group message not meant for the bot. ``background`` returns at once with a continuation token.
    """

    channel: str
    operation: Operation
    input: object = field(hash=False)
    session: ChannelSession | None = None
    options: Mapping[str, object] | None = field(default=None, hash=False)
    session_mode: SessionMode = "auto"
    metadata: Mapping[str, object] = field(default_factory=dict[str, object], hash=False)
    attributes: Mapping[str, object] = field(default_factory=dict[str, object], hash=False)
    stream: bool = False
    identity: ChannelIdentity | None = None
    response_target: ResponseTarget = ResponseTarget.originating
    conversation_id: str | None = None
    is_group: bool = False
    addressed: bool = True
    event_id: str | None = None
    verified_claims: Mapping[str, ClaimValue] = field(default_factory=_no_claims, hash=False)
    background: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.operation, str) or self.operation not in OPERATIONS:  # type: ignore[reportUnnecessaryIsInstance] - callers need not be typed
            known = " or ".join(f'"{each}"' for each in get_args(Operation))
            meant = did_you_mean(str(self.operation), OPERATIONS)
            raise ValueError(f"operation is {self.operation!r}; a request's operation is {known}.{meant}")

    @property
    def known_attributes(self) -> RequestAttributes:
        """The attributes the host reads, each of its type; what has another type is the channel's own."""
        given = self.attributes
        known = {
            name: given[name]
            for name, kind in _ATTRIBUTE_KINDS.items()
            if name in given and isinstance(given[name], kind)
        }
        return cast("RequestAttributes", known)
