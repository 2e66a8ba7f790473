"""Questions for approval as buttons: kept in the store, answered once, by the person who was asked."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Literal

from agent_framework import Content, Message

from agent_framework_hosting import (
    Accepted,
    Allowed,
    ChannelContext,
    ChannelIdentity,
    ChannelRequest,
    Duplicate,
    Expiry,
    RecordCodec,
    RecordExists,
    Records,
    Table,
)

from .config import LONGEST_APPROVAL
from .parsing import Press, to_request_of
from .parts import ApprovalPart, approval_text
from .places import Place
from .rich import Rich

logger = logging.getLogger(__name__)

PREFIX = "a:"

NOT_OPEN = "This question is not open any more."
NOT_YOURS = "This question is for somebody else."
EXPIRED = "This question has expired. Please ask again."
ANSWERED = "This question was answered already."
UNAVAILABLE = "I cannot take that right now. Please press again in a moment."

State = Literal["open", "yes", "no"]


@dataclass(frozen=True, slots=True)
class Approval:
    """One question as stored: who was asked, in which chat; ``expires`` is in the store's time."""

    request: dict[str, object]
    total: int
    channel: str
    user: str
    chat: str
    thread_id: int | None
    expires: float
    text: str
    state: State = "open"

    @property
    def is_for_the_room(self) -> bool:
        """Whether a group was asked, and no person in it."""
        return self.chat.startswith("-") and self.user == self.chat

    @property
    def place(self) -> Place:
        """Where it was asked."""
        return Place(int(self.chat), self.thread_id)


APPROVALS = Table(
    "approvals",
    RecordCodec("telegram.approval", 1, Approval, {0: lambda fields: {**fields, "chat": str(fields["chat_id"])}}),
    person=("user", "chat"),
    expiry=Expiry(seconds=2 * LONGEST_APPROVAL),  # one that can be answered no more still says so for a while
    holds="questions for approval",
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a press came to: the words for the presser, and what the question reads from now on (None: unchanged)."""

    said: str
    reads: Rich | None = None


class NotTaken(Exception):  # noqa: N818 - reads as the condition it names
    """The host cannot store the decision now; the press must come again."""


class Approvals:
    """Ask, and take the answers to the agent."""

    def __init__(
        self,
        context: ChannelContext,
        *,
        channel: str,
        bot_id: str,
        lifetime_seconds: float,
    ) -> None:
        self._context = context
        self._questions = Records(context.store, APPROVALS)
        self._channel = channel
        self._bot_id = bot_id
        self._lifetime = lifetime_seconds
        self._deciding = asyncio.Lock()

    async def ask(
        self, identity: ChannelIdentity, place: Place, delivery: str, asked: ApprovalPart
    ) -> tuple[Mapping[str, object], Rich]:
        """Store a question and return its buttons and its text. Asking the same one again changes nothing."""
        group = hashlib.blake2b(delivery.encode(), digest_size=9).hexdigest()
        key, rich = f"{group}:{asked.index}", approval_text(asked.request)
        question = Approval(
            asked.request.to_dict(),
            asked.total,
            self._channel,
            identity.native_id,
            str(place.chat_id),
            place.thread_id,
            self._context.store.now() + self._lifetime,
            rich.text,
        )
        with suppress(RecordExists):
            await self._context.store.commit([self._questions.insert(key, question)])
        buttons = [
            {"text": "Approve", "callback_data": f"{PREFIX}{key}:1"},
            {"text": "Deny", "callback_data": f"{PREFIX}{key}:0"},
        ]
        return {"inline_keyboard": [buttons]}, rich

    async def press(self, press: Press) -> Verdict:
        """Take one press. Raises ``NotTaken``."""
        key, _, choice = press.data.removeprefix(PREFIX).rpartition(":")
        async with self._deciding:
            stored = await self._questions.read(key)
            if stored is None or stored.value.place.chat_id != press.place.chat_id:
                return Verdict(NOT_OPEN)
            question = stored.value
            if question.user != press.sender and not question.is_for_the_room:
                return Verdict(NOT_YOURS)
            identity = ChannelIdentity(self._channel, press.sender, question.place.attributes)
            allowed = await self._context.authorize(identity)
            if not isinstance(allowed, Allowed):
                return Verdict(str(allowed.to_public_dict()["message"])[:200])
            if question.state == "open" and self._context.store.now() > question.expires:
                return Verdict(EXPIRED, _reads(question, "Expired"))
            answered_before = question.state != "open"
            if not answered_before:
                question = replace(question, state="yes" if choice == "1" else "no")
                decided = self._questions.put(key, question, expect=stored.version)  # or somebody did, on another host
                await self._context.store.commit([decided])
            new = await self._pass_on(key.partition(":")[0], question, identity)
        reads = _reads(question, "Approved" if question.state == "yes" else "Denied")
        return Verdict(ANSWERED if answered_before and not new else _word(question.state), reads)

    async def _pass_on(self, group: str, question: Approval, identity: ChannelIdentity) -> bool:
        """Give the agent all answers of a group once the last is there; True when it was given them just now."""
        asked = [each async for _, each in self._questions.all(prefix=f"{group}:")]
        if len(asked) < question.total or any(each.state == "open" for each in asked):
            return False
        answers = [_answer(each) for each in asked]
        outcome = await self._context.admit(self._request(group, question, identity, answers))
        if not isinstance(outcome, (Accepted, Duplicate)):
            raise NotTaken
        return isinstance(outcome, Accepted)

    def _request(
        self, group: str, question: Approval, identity: ChannelIdentity, answers: list[Content]
    ) -> ChannelRequest:
        return to_request_of(
            question.place,
            identity,
            event_id=f"{self._bot_id}:approval:{group}",
            given=Message("user", answers),
        )


def _answer(question: Approval) -> Content:
    request = Content.from_dict(question.request)
    return request.to_function_approval_response(question.state == "yes")


def _word(state: State) -> str:
    return "Approved" if state == "yes" else "Denied"


def _reads(question: Approval, verdict: str) -> Rich:
    return Rich(f"{question.text}\n\n{verdict}.")
