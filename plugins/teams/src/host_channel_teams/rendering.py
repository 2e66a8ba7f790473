"""From texts and answers to activities, typed by Microsoft's own models. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Literal, cast

from microsoft_teams.api import (
    Attachment,
    CitationAppearance,
    MessageActivityInput,
    SuggestedActions,
    TypingActivityInput,
)
from microsoft_teams.api.models import CardAction, CardActionType, ChannelData

from .answers import CARD_TYPE, Source
from .references import Reference

LARGEST_UTF16_BYTES = 90 * 1024

StreamType = Literal["informative", "streaming"]
Json = dict[str, object]


class Look:
    """How this bot's answers look: label and feedback buttons."""

    def __init__(self, *, ai_label: bool, feedback: Literal["default", "custom", "none"]) -> None:
        self._ai_label = ai_label
        self._feedback: Literal["default", "custom", "none"] = feedback

    def answer(
        self,
        text: str,
        *,
        is_last: bool = True,
        sources: Sequence[Source] = (),
        attachments: Sequence[Mapping[str, object]] = (),
        suggestions: Sequence[str] = (),
        to: Reference | None = None,
        stream_id: str | None = None,
    ) -> Json:
        """Return one message of an answer; what belongs to its end goes onto the last."""
        message = MessageActivityInput(text=text, text_format="markdown", id=stream_id)
        if stream_id is not None:
            message.add_stream_final()
        if self._ai_label:
            message.add_ai_generated()
        if not is_last:
            return _json(message)
        for number, source in enumerate(sources, 1):
            message.add_citation(number, CitationAppearance(name=source.name, abstract=source.abstract, url=source.url))
        if self._feedback != "none":
            message.add_feedback(self._feedback)
        if suggestions and to is not None and to.kind == "personal":
            actions = [CardAction(type=CardActionType.IM_BACK, title=each[:60], value=each) for each in suggestions]
            message.with_suggested_actions(SuggestedActions(to=[to.user_id], actions=actions))
        rendered = _json(message)
        return {**rendered, "attachments": list(attachments)} if attachments else rendered


def notice(text: str, attachments: Sequence[Mapping[str, object]] = (), *, plain: bool = False) -> Json:
    """Return a message of the bot itself, which no model wrote."""
    rendered = _json(MessageActivityInput(text=text, text_format="plain" if plain else "markdown"))
    return {**rendered, "attachments": list(attachments)} if attachments else rendered


def typing() -> Json:
    """Return the sign that somebody is writing."""
    return _json(TypingActivityInput())


def frame(text: str, kind: StreamType, sequence: int, stream_id: str | None) -> Json:
    """Return one state of a streamed answer."""
    activity = TypingActivityInput(text=text, id=stream_id, channel_data=ChannelData(stream_type=kind))
    return _json(activity.add_stream_update(sequence))


def card_attachment(card: Mapping[str, object]) -> Json:
    """Return a card as an attachment."""
    return {"contentType": CARD_TYPE, "content": dict(card)}


def picture_attachment(url: str) -> Json:
    """Return a picture of the web as an attachment."""
    return _json(Attachment(content_type="image/*", content_url=url))


def addressed(activity: Mapping[str, object], to: Reference, reply_to: str | None = None) -> Json:
    """Return an activity with who sends it to whom and where: a strict connector checks that."""
    envelope: Json = {
        **activity,
        "channelId": "msteams",
        "serviceUrl": to.service_url,
        "from": {"id": to.bot_id},
        "recipient": {"id": to.user_id} | ({"aadObjectId": to.aad_id} if to.aad_id else {}),
        "conversation": {
            "id": to.conversation_id,
            "conversationType": to.kind,
            "isGroup": to.kind != "personal",
            "tenantId": to.tenant_id,
        },
    }
    return envelope if reply_to is None else {**envelope, "replyToId": reply_to}


def is_too_large(activity: Mapping[str, object]) -> bool:
    """Say whether Teams would refuse an activity for its size, measured in UTF-16 as Teams does."""
    return len(json.dumps(activity, ensure_ascii=False).encode("utf-16-le", "surrogatepass")) > LARGEST_UTF16_BYTES


def _json(model: MessageActivityInput | TypingActivityInput | Attachment) -> Json:
    dumped = cast("Json", model.model_dump(by_alias=True, exclude_none=True, mode="json"))
    dumped.pop("id", None)
    return dumped
