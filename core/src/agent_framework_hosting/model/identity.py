"""Who speaks and in which conversation, as a channel reports it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ChannelIdentity:
    """Name one user as one channel knows them.

    ``native_id`` is the platform's verified user id. ``attributes`` hold what the channel needs to reach the user
    again (a chat id, a callback URL); they are stored as JSON and take no part in the hash.
    """

    channel: str
    native_id: str
    attributes: Mapping[str, object] = field(default_factory=dict[str, object], hash=False)


def shortened(identity: ChannelIdentity) -> str:
    """Return 12 hex digits that stand for an identity in a log, the same ones every time."""
    name = f"{identity.channel}\0{identity.native_id}".encode("utf-8", "replace")
    return hashlib.blake2b(name, digest_size=6).hexdigest()


@dataclass(frozen=True, slots=True)
class ChannelSession:
    """Name the conversation a request belongs to.

    ``isolation_key`` overrides the key the host mints from the identity: trusted, so never take it from a wire.
    ``key`` names a thread or snapshot inside the isolation key; ``parent`` is the key it starts as a copy of (a fork).
    ``conversation_id`` is the platform's room, thread or topic.
    """

    isolation_key: str | None = None
    key: str | None = None
    conversation_id: str | None = None
    parent: str | None = None
