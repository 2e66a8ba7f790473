"""Invokes: answered in the same response, with a status and a body. What takes long goes on afterwards."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

from agent_framework_hosting import Accepted, Allowed, ChannelContext, Duplicate, LinkRequired

from .approvals import Approvals, told
from .background import Background
from .cards import KEY, form_card, outcome_card
from .feedback import FeedbackBook, from_button
from .files import Files
from .messages import Messages, submitted
from .parsing import Activity, claims_of, identity_of, mapping, to_request
from .rendering import Json, card_attachment
from .sending import Sender
from .signin import SignIn, SignInFailed

CARD = "application/vnd.microsoft.card.adaptive"
MESSAGE = "application/vnd.microsoft.activity.message"
TAKEN = "Working on it…"


@dataclass(frozen=True, slots=True)
class InvokeAnswer:
    """The answer to one invoke; no body is an empty response."""

    status: int
    body: Json | None = None


OK = InvokeAnswer(200)
Handler: TypeAlias = Callable[[Activity], Awaitable[InvokeAnswer]]


class Invokes:
    """Answer invokes by name, behind the same gate as messages; an unknown one is 501."""

    def __init__(
        self,
        context: ChannelContext,
        *,
        messages: Messages,
        approvals: Approvals,
        files: Files,
        feedback: FeedbackBook,
        sign_in: SignIn,
        sender: Sender,
        background: Background,
        channel: str,
    ) -> None:
        self._context = context
        self._messages = messages
        self._approvals = approvals
        self._files = files
        self._feedback = feedback
        self._sign_in = sign_in
        self._sender = sender
        self._background = background
        self._channel = channel
        self._handlers: Mapping[str, Handler] = {
            "adaptiveCard/action": self._card_action,
            "message/submitAction": self._feedback_given,
            "message/fetchTask": self._feedback_form,
            "task/fetch": self._dialog,
            "task/submit": self._dialog_done,
            "fileConsent/invoke": self._file_consent,
            "signin/tokenExchange": self._token_exchange,
            "signin/verifyState": self._verify_state,
            "signin/failure": self._sign_in_failed,
        }

    async def answer(self, activity: Activity) -> InvokeAnswer:
        """Answer one invoke."""
        handler = self._handlers.get(activity.name)
        if handler is None:
            return InvokeAnswer(501)
        if activity.name.startswith("signin/") and activity.is_group:
            return InvokeAnswer(400)  # signing in is a private matter
        reference = activity.reference
        verdict = await self._context.authorize(
            identity_of(reference, self._channel), verified_claims=claims_of(reference)
        )
        if isinstance(verdict, Allowed):
            return await handler(activity)
        if activity.name == "adaptiveCard/action":
            is_private = isinstance(verdict, LinkRequired) and activity.is_group
            return said("Please write to me in a personal chat first." if is_private else told(verdict))
        return InvokeAnswer(403)

    async def _card_action(self, activity: Activity) -> InvokeAnswer:
        action = mapping(activity.data.get("action"))
        data = mapping(action.get("data"))
        own = mapping(data.get(KEY))
        if own.get("do") == "decide":
            decided = await self._approvals.decide(activity, own)
            return said(decided) if isinstance(decided, str) else shown(decided)
        if own.get("do") == "command" and self._messages.is_command(str(own.get("name"))):
            return await self._command(activity, str(own["name"]))
        given = submitted({"action": action.get("verb"), "data": action.get("data")})
        outcome = await self._context.admit(replace(to_request(activity, self._channel, given=given), addressed=True))
        return said(TAKEN if isinstance(outcome, (Accepted, Duplicate)) else told(outcome))

    async def _command(self, activity: Activity, name: str) -> InvokeAnswer:
        replies = await self._messages.run_command(activity, name)
        return shown(outcome_card(f"/{name}", "\n\n".join(replies) or "Done."))

    async def _feedback_given(self, activity: Activity) -> InvokeAnswer:
        if activity.data.get("actionName", "feedback") == "feedback":
            await self._feedback.take(from_button(activity))
        return OK

    async def _feedback_form(self, activity: Activity) -> InvokeAnswer:  # noqa: ARG002 - one form for all
        return _task(form_card("What should be better?", "Send", "feedbackText"), "Feedback")

    async def _dialog(self, activity: Activity) -> InvokeAnswer:  # noqa: ARG002 - one form for all
        return _task(form_card("What can I do for you?", "Ask", "text"), "Ask")

    async def _dialog_done(self, activity: Activity) -> InvokeAnswer:
        """Take what somebody filled in as a message; the answer follows in the chat."""
        data = activity.data.get("data")
        text = mapping(data).get("text")
        given = text if isinstance(text, str) and text else submitted(data)
        outcome = await self._context.admit(replace(to_request(activity, self._channel, given=given), addressed=True))
        told_now = TAKEN if isinstance(outcome, (Accepted, Duplicate)) else told(outcome)
        return InvokeAnswer(200, {"task": {"type": "message", "value": told_now}})

    async def _file_consent(self, activity: Activity) -> InvokeAnswer:
        found = await self._files.answered(activity)
        if found is not None and activity.data.get("action") == "accept":
            self._background.start(self._files.upload(found, activity, self._sender))
        reply_to = activity.raw.get("replyToId")
        if found is not None and isinstance(reply_to, str):
            name = str(found.payload["name"])
            title = "File accepted" if activity.data.get("action") == "accept" else "File declined"
            card: Json = {"type": "message", "attachments": [card_attachment(outcome_card(title, name))]}
            self._background.start(self._sender.replace(reply_to, card, activity.reference))
        return OK

    async def _token_exchange(self, activity: Activity) -> InvokeAnswer:
        try:
            await self._sign_in.exchange(activity)
        except SignInFailed as failed:
            given = activity.data
            told_client = {"id": given.get("id"), "connectionName": given.get("connectionName")}
            return InvokeAnswer(412, {**told_client, "failureDetail": str(failed)})
        return OK

    async def _verify_state(self, activity: Activity) -> InvokeAnswer:
        try:
            await self._sign_in.verify(activity)
        except SignInFailed as failed:
            self._background.start(self._sender.say(str(failed), activity.reference))
        else:
            self._background.start(self._sender.say("You are signed in.", activity.reference))
        return OK

    async def _sign_in_failed(self, activity: Activity) -> InvokeAnswer:
        self._background.start(self._sender.say("The sign-in did not work. Try /signin again.", activity.reference))
        return OK


def shown(card: Json) -> InvokeAnswer:
    """Replace the card that was clicked."""
    return InvokeAnswer(200, {"statusCode": 200, "type": CARD, "value": card})


def said(text: str) -> InvokeAnswer:
    """Answer a click with a sentence."""
    return InvokeAnswer(200, {"statusCode": 200, "type": MESSAGE, "value": text})


def _task(card: Json, title: str) -> InvokeAnswer:
    task = {"title": title, "height": "medium", "width": "medium", "card": card_attachment(card)}
    return InvokeAnswer(200, {"task": {"type": "continue", "value": task}})
