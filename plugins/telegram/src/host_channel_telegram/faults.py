"""What a call to the Bot API can end in, and what it means. Pure."""

from __future__ import annotations

from enum import Enum, auto

from .reading import Json, number


class TelegramError(Exception):
    """Base of every failed call. No text of it holds the token."""


class NotSent(TelegramError):  # noqa: N818 - reads as the condition it names
    """Telegram was not reached, so nothing was applied."""


class Unclear(TelegramError):  # noqa: N818 - reads as the condition it names
    """The call broke off after it began, or the server failed: it may have been applied."""


class Unreadable(TelegramError):  # noqa: N818 - reads as the condition it names
    """The answer is no JSON this process can read; ``body`` is what came."""

    def __init__(self, method: str, body: str) -> None:
        super().__init__(f"{method}: the answer could not be read.")
        self.body = body


class ApiError(TelegramError):
    """Telegram refused: ``code``, ``description`` and ``parameters`` are its own words."""

    def __init__(self, method: str, code: int, description: str, parameters: Json) -> None:
        super().__init__(f"{method}: {code} {description}")
        self.method = method
        self.code = code
        self.description = description
        self.parameters = parameters

    @property
    def retry_after(self) -> float:
        """For how many seconds Telegram wants silence in this chat."""
        return float(max(1, number(self.parameters, "retry_after") or 1))

    @property
    def moved_to(self) -> int | None:
        """The id of the supergroup this group became."""
        return number(self.parameters, "migrate_to_chat_id")


class Meaning(Enum):
    """What a refusal asks for."""

    UNCHANGED = auto()  # an edit that changes nothing: success
    FLOOD = auto()  # wait
    MOVED = auto()  # the group became a supergroup
    NO_THREAD = auto()  # the topic is gone or closed
    NO_MESSAGE = auto()  # the message to edit is gone
    NO_QUESTION = auto()  # the message to reply to is gone
    DEAD = auto()  # nobody can be reached at this address
    BAD_TOKEN = auto()
    TOO_LARGE = auto()
    BAD_TEXT = auto()  # the text or the file itself was refused
    REFUSED = auto()  # anything else; trying again cannot help


_DEAD = (
    "bot was blocked",
    "user is deactivated",
    "bot was kicked",
    "can't initiate conversation",
    "chat not found",
    "bot is not a member",
    "group chat was deactivated",
    "peer_id_invalid",
)
_TEXTS = (
    ("message is not modified", Meaning.UNCHANGED),
    ("thread not found", Meaning.NO_THREAD),
    ("topic_closed", Meaning.NO_THREAD),
    ("topic_deleted", Meaning.NO_THREAD),
    ("message to edit not found", Meaning.NO_MESSAGE),
    ("message can't be edited", Meaning.NO_MESSAGE),
    ("message_id_invalid", Meaning.NO_MESSAGE),
    ("message to be replied not found", Meaning.NO_QUESTION),
    ("replied message not found", Meaning.NO_QUESTION),
    ("not enough rights", Meaning.REFUSED),
    ("have no rights", Meaning.REFUSED),
)


def meaning_of(error: ApiError) -> Meaning:  # noqa: PLR0911 - one return for each meaning
    """Return what to do about a refusal."""
    said = error.description.lower()
    if error.moved_to is not None:
        return Meaning.MOVED
    if error.code == 429:
        return Meaning.FLOOD
    if error.code in (401, 404):
        return Meaning.BAD_TOKEN
    if error.code == 413:
        return Meaning.TOO_LARGE
    if any(words in said for words in _DEAD):
        return Meaning.DEAD
    for words, meaning in _TEXTS:
        if words in said:
            return meaning
    if error.code == 403:
        return Meaning.DEAD
    return Meaning.BAD_TEXT if error.code == 400 else Meaning.REFUSED
