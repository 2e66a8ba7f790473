"""Questions for approval: a card, one click of the right person, and the turn goes on with the decision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import cast

from agent_framework import Content, Message

from agent_framework_hosting import Accepted, ChannelContext, ChannelRequest, Duplicate, Outcome

from .answers import Question
from .cards import outcome_card, question_card
from .parsing import Activity, to_request
from .pending import Pending, PendingBook
from .references import Reference
from .rendering import Json, card_attachment

GONE = "This question is no longer open."
FOREIGN = "Only the person who was asked may decide."


class Approvals:
    """Ask and take decisions."""

    def __init__(self, context: ChannelContext, pending: PendingBook, channel: str) -> None:
        self._context = context
        self._pending = pending
        self._channel = channel

    async def ask(self, question: Question, to: Reference) -> Json:
        """Keep a question and return the card that asks it."""
        content = None if question.content is None else question.content.to_dict()
        payload = {"request_id": question.request_id, "text": question.text, "content": content}
        return card_attachment(question_card(question.text, await self._pending.offer("question", payload, to)))

    async def decide(self, activity: Activity, given: Mapping[str, object]) -> Json | str:
        """Take a click; return the card that replaces the question, or a sentence why it does not count.

        The decision is admitted like a message, behind the same gate; its id makes it count once.
        """
        found = await self._pending.find("question", given.get("id"), activity.reference)
        if not isinstance(found, Pending):
            return GONE if found == "gone" else FOREIGN
        approved = given.get("approved") is True
        outcome = await self._context.admit(self._request(activity, found, approved=approved))
        if isinstance(outcome, (Accepted, Duplicate)):
            if not await self._pending.take(found) or isinstance(outcome, Duplicate):
                return GONE
            return outcome_card("Approved" if approved else "Rejected", str(found.payload["text"]))
        return told(outcome)

    def _request(self, activity: Activity, found: Pending, *, approved: bool) -> ChannelRequest:
        content = found.payload.get("content")
        request_id = str(found.payload["request_id"])
        request = replace(
            to_request(activity, self._channel),
            operation="message.create",
            event_id=f"decision|{found.id}",
            addressed=True,
        )
        if content is None:
            text = "Approved." if approved else "Rejected."
            return replace(request, input=text, attributes={**request.attributes, "responses": {request_id: approved}})
        asked = Content.from_dict(cast("dict[str, object]", content))
        return replace(request, input=Message("user", [asked.to_function_approval_response(approved)]))


def told(outcome: Outcome) -> str:
    """Return what a person may read about an outcome."""
    return str(outcome.to_public_dict().get("message") or "That did not work. Please try again later.")
