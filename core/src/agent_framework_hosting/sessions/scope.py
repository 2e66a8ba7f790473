"""Which conversation a message belongs to, and whether it is meant for the bot. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from ..hookspecs import ConversationScope, GroupAddressing
from ..model.identity import ChannelSession
from ..model.request import ChannelRequest

COMMAND = "command.invoke"
_SHARED = "conversation:"
_ESCAPE = "~"
_SEPARATOR = "\x1f"
_NO_SESSION = ChannelSession()


@dataclass(frozen=True, slots=True)
class Conversation:
    """Name one conversation: turns with the same ``lane`` run one at a time.

    The session lives under ``isolation_key`` (None: there is none); ``key`` names a thread inside it, ``parent`` the
    key it starts as a copy of.
    """

    lane: str
    isolation_key: str | None
    key: str | None = None
    parent: str | None = None


@lru_cache(4096)
def own_key(channel: str, native_id: str) -> str:
    """Return the isolation key of an identity that is nobody else: ``<channel>:<native_id>``.

    A native id that could be read as the key of a shared conversation is escaped, so no user id names a room.
    """
    escaped = native_id.startswith((_SHARED, _ESCAPE))
    return f"{channel}:{_ESCAPE if escaped else ''}{native_id}"


def shared_key(channel: str, conversation_id: str) -> str:
    """Return the isolation key that everybody in one conversation shares."""
    return f"{channel}:{_SHARED}{conversation_id}"


def owner_of(lane: str) -> str:
    """Return the isolation key whose conversation, or a thread of it, a lane is."""
    return lane.partition(_SEPARATOR)[0]


def is_addressed(request: ChannelRequest, accept_in_group: GroupAddressing) -> bool:
    """Say whether a message is meant for the bot; in a direct chat every one is."""
    if not request.is_group or accept_in_group == "all":
        return True
    if request.operation == COMMAND and accept_in_group != "mention_only":
        return True
    return request.addressed and accept_in_group != "command_only"


def conversation_of(request: ChannelRequest, person: str | None, scope: ConversationScope | None) -> Conversation:
    """Return the conversation of a request whose speaker was allowed under the isolation key ``person``.

    A direct chat is the person's own. In a group the default is per user and conversation, so that what was said in
    private stays out of it; ``per_user`` shares the person's one conversation, ``per_conversation`` is the room's.
    What the channel sets in ``request.session`` comes first. Without a person there is no session, except in a
    conversation that everybody shares.
    """
    session = request.session or _NO_SESSION
    owner, thread = person, None
    if request.is_group and scope != "per_user":
        room = request.conversation_id or session.conversation_id or ""
        if scope == "per_conversation":
            owner = shared_key(request.channel, room) if room else person
        if owner == person:
            thread = f"{request.channel}:{room}"
    owner = session.isolation_key or owner
    if owner is None:
        return Conversation(f"{_SEPARATOR}{id(request)}", None)
    key = session.key or thread
    return Conversation(f"{owner}{_SEPARATOR}{key}" if key else owner, owner, key, session.parent)
