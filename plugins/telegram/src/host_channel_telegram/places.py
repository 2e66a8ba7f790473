"""Where to send: a chat, perhaps a topic in it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from agent_framework_hosting import ChannelIdentity, PermanentPushError

from .reading import number


@dataclass(frozen=True, slots=True)
class Place:
    """A chat and a topic in it; groups have negative ids."""

    chat_id: int
    thread_id: int | None = None

    @property
    def is_group(self) -> bool:
        """Whether several people read here."""
        return self.chat_id < 0

    @property
    def conversation(self) -> str:
        """The name of the conversation held here."""
        return str(self.chat_id) if self.thread_id is None else f"{self.chat_id}:{self.thread_id}"

    @property
    def attributes(self) -> Mapping[str, object]:
        """What an identity keeps so that it can be reached again."""
        topic = {} if self.thread_id is None else {"message_thread_id": self.thread_id}
        return {"chat_id": self.chat_id, **topic}


def place_of(identity: ChannelIdentity) -> Place:
    """Return where an identity is reached; one without a chat id is reached in private.

    Raises ``PermanentPushError`` for an identity that names no chat.
    """
    chat_id = number(identity.attributes, "chat_id")
    if chat_id is None:
        digits = identity.native_id.removeprefix("-")
        if not digits.isascii() or not digits.isdigit():
            raise PermanentPushError("A Telegram address is a user's or chat's numeric id.")
        chat_id = int(identity.native_id)
    return Place(chat_id, number(identity.attributes, "message_thread_id"))
