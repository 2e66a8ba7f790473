"""One message on its way in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from .identity import ChannelIdentity, ChannelSession
from .target import ResponseTarget
from .verdict import ClaimValue

SessionMode: TypeAlias = Literal["auto", "required", "disabled"]


def _no_claims() -> dict[str, ClaimValue]:
    return {}


@dataclass(frozen=True, slots=True)
class ChannelRequest:
    """Carry one inbound message from a channel to the host.

    ``input`` is what the target runs on: text, ``Content``, ``Message``, a list of them, or a workflow's own input
    type. ``identity`` is the verified speaker; without one the request is anonymous and any configured allowlist
    refuses it. ``options`` reach ``agent.run(options=...)`` unchanged, so a channel builds them from its own allow
    list. ``event_id`` is the platform's delivery id, used to drop repeats. ``session_mode``: ``auto`` uses a session
    when there is a key, ``required`` refuses without one, ``disabled`` never uses one. ``addressed`` is False for a
    group message not meant for the bot. ``background`` returns at once with a continuation token.
    """

    channel: str
    operation: str
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
