"""From the body of one POST to what it asks for. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import cast

from agent_framework_hosting import ChannelIdentity, ChannelRequest


class BadMessageError(ValueError):
    """The body is no echo message; the text says which field and why, and is safe to show."""


@dataclass(frozen=True, slots=True)
class EchoMessage:
    """One message: ``later`` asks for the answer at ``callback``, ``target`` for another destination."""

    text: str
    user: str
    callback: str | None = None
    conversation: str | None = None
    group: bool = False
    mentioned: bool = True
    event_id: str | None = None
    target: str | None = None
    later: bool = False
    stream: bool = False

    @property
    def command(self) -> str | None:
        """The command's name when the text is ``/name ...``."""
        word = self.text.split(maxsplit=1)[0] if self.text.strip() else ""
        return word[1:].lower() if len(word) > 1 and word.startswith("/") else None


_TYPES = {field.name: bool if field.type == "bool" else str for field in fields(EchoMessage)}
_REQUIRED = ("text", "user")


def parse(body: object) -> EchoMessage:
    """Return the message in a JSON body. Raises ``BadMessageError``; an unknown field is an error, null is absent."""
    if not isinstance(body, Mapping):
        raise BadMessageError("The body must be a JSON object.")
    found = {str(name): value for name, value in cast("Mapping[object, object]", body).items() if value is not None}
    for name in _REQUIRED:
        if not found.get(name):
            raise BadMessageError(f"{name!r} is missing.")
    for name, value in found.items():
        if name not in _TYPES:
            raise BadMessageError(f"A field is not known; the fields are {', '.join(_TYPES)}.")
        if not isinstance(value, _TYPES[name]):
            raise BadMessageError(f"{name!r} must be a {'boolean' if _TYPES[name] is bool else 'string'}.")
        if isinstance(value, str) and not _is_unicode(value):
            raise BadMessageError(f"{name!r} is not valid Unicode.")
    if found.get("later") and "callback" not in found:
        raise BadMessageError("'later' needs a 'callback' to answer to.")
    return EchoMessage(**found)  # type: ignore[arg-type] - each value was checked against its field's type


def _is_unicode(text: str) -> bool:
    """Tell half a surrogate pair, which JSON can spell and nothing can store."""
    return not any("\ud800" <= char <= "\udfff" for char in text)


def to_request(message: EchoMessage, channel: str) -> ChannelRequest:
    """Return the request for the host; the target stays the originating one until the host has granted another."""
    attributes = {} if message.callback is None else {"callback": message.callback}
    return ChannelRequest(
        channel=channel,
        operation="message.create" if message.command is None else "command.invoke",
        input=message.text,
        identity=ChannelIdentity(channel, message.user, attributes),
        conversation_id=message.conversation,
        is_group=message.group,
        addressed=message.mentioned,
        event_id=message.event_id,
        stream=message.stream,
    )
