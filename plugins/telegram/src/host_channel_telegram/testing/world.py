"""What the fake Telegram knows: chats, messages, files, updates."""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass, field

from ..reading import Json, number, part
from .faults import Refused


@dataclass(slots=True)
class Shown:
    """One message as people see it now. ``history`` holds every text it had."""

    chat_id: int
    message_id: int
    kind: str
    text: str
    entities: list[Json] = field(default_factory=list[Json])
    thread_id: int | None = None
    reply_to: int | None = None
    keyboard: Json | None = None
    file: bytes | None = None
    album: str | None = None
    silent: bool = False
    history: list[str] = field(default_factory=list[str])

    def to_json(self) -> dict[str, object]:
        """Return it as a Bot API message."""
        content = {"text": self.text} if self.kind == "text" else {"caption": self.text}
        topic = {} if self.thread_id is None else {"message_thread_id": self.thread_id, "is_topic_message": True}
        return {
            "message_id": self.message_id,
            "date": int(time.time()),
            "chat": {"id": self.chat_id, "type": "private" if self.chat_id > 0 else "supergroup"},
            **topic,
            **content,
        }


@dataclass(slots=True)
class Webhook:
    """What ``setWebhook`` said, and what became of deliveries."""

    url: str = ""
    secret: str = ""
    allowed: list[str] | None = None
    answers: list[int] = field(default_factory=list[int])
    last_error: str = ""
    last_error_date: int = 0


class World:
    """The state of the fake. Chats exist once somebody wrote there, or once ``open_chat`` opened them."""

    def __init__(self, bot_id: int, username: str) -> None:
        self.bot_id = bot_id
        self.username = username
        self.reads_everything = False
        self.chats: set[int] = set()
        self.blocked: set[int] = set()
        self.migrated: dict[int, int] = {}
        self.closed_topics: set[tuple[int, int]] = set()
        self.messages: dict[tuple[int, int], Shown] = {}
        self.asked: dict[tuple[int, int], Json] = {}
        self.files: dict[str, bytes] = {}
        self.queries: dict[str, str | None] = {}
        self.commands: dict[tuple[str, str], list[Json]] = {}
        self.drafts: list[Json] = []
        self.updates: list[Json] = []
        self.webhook = Webhook()
        self._message_ids = itertools.count(1001)
        self._update_ids = itertools.count(500_001)
        self._names = itertools.count(1)

    def next_message_id(self) -> int:
        """Return a new message id."""
        return next(self._message_ids)

    def next_update_id(self) -> int:
        """Return a new update id."""
        return next(self._update_ids)

    def next_name(self, kind: str) -> str:
        """Return a new opaque name."""
        return f"{kind}-{next(self._names)}"

    def reach(self, chat_id: int) -> int:
        """Return the chat when the bot may write there. Raises ``Refused`` as the server would."""
        if chat_id in self.migrated:
            text = "Bad Request: group chat was upgraded to a supergroup chat"
            raise Refused(400, text, migrate_to_chat_id=self.migrated[chat_id])
        if chat_id in self.blocked:
            raise Refused(403, "Forbidden: bot was blocked by the user")
        if chat_id not in self.chats:
            raise Refused(400, "Bad Request: chat not found")
        return chat_id

    def at(self, chat_id: int, message_id: int) -> Shown:
        """Return a message of the bot's. Raises ``Refused``."""
        found = self.messages.get((chat_id, message_id))
        if found is None:
            raise Refused(400, "Bad Request: message to edit not found")
        return found

    def shown(self, chat_id: int) -> list[Shown]:
        """Return the bot's messages in a chat, oldest first."""
        return [message for (chat, _), message in sorted(self.messages.items()) if chat == chat_id]

    def remember(self, update: Json) -> None:
        """Note the chat and the message of an update, so that the bot may answer there."""
        message = part(update, "message")
        chat_id, message_id = number(part(message, "chat"), "id"), number(message, "message_id")
        if chat_id is not None and message_id is not None:
            self.chats.add(chat_id)
            self.asked[chat_id, message_id] = message
