"""What an answer holds that Telegram can show, and the form it is stored in until it is delivered."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from agent_framework import AgentResponse, Content, Message, WorkflowRunResult

from agent_framework_hosting import ChannelIdentity, ChannelRequest, HostedRunResult, result_text

from .reading import Json, as_object, number, part, text

_SHOWN = frozenset({"text", "data", "uri", "error", "function_approval_request"})
_META = "host_channel_telegram"


@dataclass(frozen=True, slots=True)
class Meta:
    """What a delivery knows of itself: a key of its own, the event it answers and the message it replies to."""

    key: str
    event: str | None = None
    reply_to: int | None = None


class AnswerCodec:
    """Store answers with a key of their own, so that a delivery that was cut off goes on where it stopped."""

    async def encode(
        self,
        *,
        result: HostedRunResult,
        request: ChannelRequest | None,
        identity: ChannelIdentity,
        echo_result: HostedRunResult | None,
    ) -> Mapping[str, object]:
        """Return what Telegram can show of an answer as JSON values."""
        asked = part({} if request is None or request.identity != identity else request.attributes, "telegram")
        return {
            "key": secrets.token_urlsafe(9),
            "event": None if request is None else request.event_id,
            "reply_to": number(asked, "reply_to"),
            "answer": _to_json(result),
            "echo": None if echo_result is None else _to_json(echo_result),
        }

    async def decode(self, envelope: Mapping[str, object], /) -> tuple[HostedRunResult, HostedRunResult | None]:
        """Return (answer, echo or None); the answer carries its ``Meta``."""
        meta = {name: envelope.get(name) for name in ("key", "event", "reply_to")}
        echo = envelope.get("echo")
        return _from_json(envelope.get("answer"), meta), None if echo is None else _from_json(echo, None)


def meta_of(result: HostedRunResult) -> Meta | None:
    """Return what a stored answer knows of its delivery; None for the host's own notices."""
    properties = getattr(result.result, "additional_properties", None)
    meta = part(as_object(properties), _META)
    key = text(meta, "key")
    return Meta(key, text(meta, "event") or None, number(meta, "reply_to")) if key else None


def with_key(key: str) -> dict[str, object]:
    """Return the properties that give an answer made here a key of its own."""
    return {_META: {"key": key}}


def messages_of(result: HostedRunResult) -> list[Message]:
    """Return the messages to show: whole ones of an agent, one of a workflow's outputs and open questions."""
    answer = result.result
    if isinstance(answer, WorkflowRunResult):
        contents = list(_contents_in([answer.get_outputs(), [each.data for each in answer.get_request_info_events()]]))
        said = result_text(result)
        media = [content for content in contents if content.type != "text"]
        return [Message("assistant", [*([Content.from_text(said)] if said else []), *media])]
    return [message for message in answer.messages if message.role in ("assistant", "user")]


def shown_contents(message: Message) -> list[Content]:
    """Return the contents of a message that have a form in a chat."""
    return [content for content in message.contents if content.type in _SHOWN]


def _contents_in(value: object) -> Iterable[Content]:
    if isinstance(value, Content):
        yield value
    elif isinstance(value, Message):
        yield from value.contents
    elif isinstance(value, AgentResponse):
        for message in value.messages:
            yield from message.contents
    elif isinstance(value, (list, tuple)):
        for one in cast("Sequence[object]", value):
            yield from _contents_in(one)


def _to_json(result: HostedRunResult) -> Json:
    stored = [
        {
            "role": message.role,
            "contents": [content.to_dict() for content in shown_contents(message)],
            "properties": message.additional_properties,
        }
        for message in messages_of(result)
    ]
    return {"messages": json.loads(json.dumps(stored, default=str))}


def _from_json(stored: object, meta: Mapping[str, object] | None) -> HostedRunResult:
    messages: list[Message] = []
    for one in cast("list[object]", as_object(stored).get("messages") or []):
        message = as_object(one)
        contents = [
            Content.from_dict(cast("dict[str, object]", each)) for each in cast("list[object]", message["contents"])
        ]
        properties = dict(part(message, "properties"))
        messages.append(Message(text(message, "role"), contents, additional_properties=properties))
    properties = {} if meta is None else {_META: dict(meta)}
    return HostedRunResult(AgentResponse(messages=messages, additional_properties=properties))
