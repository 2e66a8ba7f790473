"""What people think of answers: buttons, forms and reactions, kept and handed to the application."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from typing import TypeAlias

from agent_framework_hosting import Expiry, RecordCodec, Records, Store, Table

from .parsing import Activity, mapping
from .references import MOST_KEPT

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Feedback:
    """One opinion. ``reaction`` is ``like``, ``dislike`` or Teams' name of an emoji; ``text`` may be empty."""

    person: str
    conversation_id: str
    message_id: str | None
    reaction: str
    text: str


@dataclass(frozen=True, slots=True)
class DatedFeedback(Feedback):
    """One opinion, and when it was given, in seconds since the epoch."""

    at: float


FEEDBACK = Table(
    "feedback",
    RecordCodec("feedback", 1, DatedFeedback, {0: lambda fields: fields}),
    person="person",
    expiry=Expiry(most=MOST_KEPT),
    holds="what people think of answers",
)
FeedbackHandler: TypeAlias = Callable[[Feedback], Awaitable[None]]


class FeedbackBook:
    """Keep opinions: one per person and message, the latest wins."""

    def __init__(self, store: Store, handler: FeedbackHandler | None) -> None:
        self._store = store
        self._opinions = Records(store, FEEDBACK)
        self._handler = handler

    async def take(self, found: Feedback) -> None:
        """Keep one and tell the application."""
        key = f"{found.conversation_id}|{found.message_id}|{found.person}"
        await self._store.commit([self._opinions.put(key, DatedFeedback(**asdict(found), at=time.time()))])
        logger.info("Feedback", extra={"reaction": found.reaction, "has_text": bool(found.text)})
        if self._handler is not None:
            await self._handler(found)


def from_button(activity: Activity) -> Feedback:
    """Return what the buttons under an answer say."""
    given = mapping(activity.data.get("actionValue"))
    text = _text_in(given.get("feedback"))
    return _feedback(activity, str(given.get("reaction") or ""), text)


def from_reaction(activity: Activity) -> Feedback:
    """Return what an emoji on a message says."""
    return _feedback(activity, activity.reactions[0], "")


def _feedback(activity: Activity, reaction: str, text: str) -> Feedback:
    reply_to = activity.raw.get("replyToId")
    return Feedback(
        person=activity.reference.speaker,
        conversation_id=activity.reference.room,
        message_id=reply_to if isinstance(reply_to, str) else None,
        reaction=reaction[:64],
        text=text[:4000],
    )


def _text_in(value: object) -> str:
    """Return the text of a feedback, which Teams sends as JSON inside JSON."""
    try:
        found: object = json.loads(value) if isinstance(value, str) else value
    except (ValueError, RecursionError):
        return str(value)
    fields = mapping(found)
    return str(fields.get("feedbackText") or fields.get("text") or "")
