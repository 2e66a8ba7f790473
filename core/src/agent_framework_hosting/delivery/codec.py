"""Requests as JSON: what the journal and the outbox keep of an inbound message."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from agent_framework import Content, Message

from ..errors import PushPayloadNotSerializable
from ..execution.codec import decode_framework, encode_framework
from ..model.identity import ChannelIdentity, ChannelSession
from ..model.request import OPERATIONS, UNSTORED_ATTRIBUTES, ChannelRequest, Operation, SessionMode
from ..model.target import ResponseTarget, ResponseTargetKind
from ..model.verdict import ClaimValue
from ..tasks.payload import to_json

_PLAIN = ("channel", "operation", "session_mode", "stream", "conversation_id", "is_group", "addressed", "event_id")


def encode_identity(identity: ChannelIdentity) -> dict[str, object]:
    """Return an identity as JSON values."""
    return {
        "channel": identity.channel,
        "native_id": identity.native_id,
        "attributes": dict(identity.attributes),
    }


def decode_identity(stored: Mapping[str, object]) -> ChannelIdentity:
    """Restore an identity."""
    return ChannelIdentity(
        str(stored["channel"]), str(stored["native_id"]), cast("Mapping[str, object]", stored["attributes"])
    )


def encode_request(request: ChannelRequest) -> dict[str, object]:
    """Return a request as JSON values, the wire's own request object left out.

    Raises ``PushPayloadNotSerializable`` naming the place that JSON cannot carry.
    """
    stored = _fields_of(request)
    to_json(stored, "message")
    return stored


def encode_context(request: ChannelRequest) -> dict[str, object]:
    """Return a request as a delivery keeps it, for response hooks: what JSON cannot carry is left out."""
    stored = _fields_of(request)
    try:
        to_json(stored, "message")
    except PushPayloadNotSerializable:
        _leave_out_what_is_no_json(stored)
    return stored


def _leave_out_what_is_no_json(stored: dict[str, object]) -> None:
    for field, left_out in (("input", _encode_input("")), ("options", None), ("metadata", {}), ("attributes", {})):
        try:
            to_json(stored[field], field)
        except PushPayloadNotSerializable:
            stored[field] = left_out


def _fields_of(request: ChannelRequest) -> dict[str, object]:
    stored: dict[str, object] = {name: getattr(request, name) for name in _PLAIN}
    stored["input"] = _encode_input(request.input)
    stored["identity"] = None if request.identity is None else encode_identity(request.identity)
    stored["session"] = None if request.session is None else _encode_session(request.session)
    stored["options"] = None if request.options is None else dict(request.options)
    stored["metadata"] = dict(request.metadata)
    stored["attributes"] = {
        name: value for name, value in request.attributes.items() if name not in UNSTORED_ATTRIBUTES
    }
    stored["verified_claims"] = dict(request.verified_claims)
    stored["background"] = request.background
    stored["response_target"] = describe_target(request.response_target)
    return stored


def decode_request(stored: Mapping[str, object]) -> ChannelRequest:
    """Restore a request from ``encode_request``'s form."""
    identity = cast("Mapping[str, object] | None", stored["identity"])
    session = cast("Mapping[str, str | None] | None", stored["session"])
    operation = stored["operation"]  # versions before 0.2 took any text, and knew no more than these two
    return ChannelRequest(
        channel=cast("str", stored["channel"]),
        operation=cast("Operation", operation if operation in OPERATIONS else "message.create"),
        input=_decode_input(cast("Mapping[str, object]", stored["input"])),
        session=None if session is None else ChannelSession(**session),
        options=cast("Mapping[str, object] | None", stored["options"]),
        session_mode=cast("SessionMode", stored["session_mode"]),
        metadata=cast("Mapping[str, object]", stored["metadata"]),
        attributes=cast("Mapping[str, object]", stored["attributes"]),
        stream=cast("bool", stored["stream"]),
        identity=None if identity is None else decode_identity(identity),
        response_target=_decode_target(cast("Mapping[str, object]", stored["response_target"])),
        conversation_id=cast("str | None", stored["conversation_id"]),
        is_group=cast("bool", stored["is_group"]),
        addressed=cast("bool", stored["addressed"]),
        event_id=cast("str | None", stored["event_id"]),
        verified_claims=cast("Mapping[str, ClaimValue]", stored["verified_claims"]),
        background=cast("bool", stored["background"]),
    )


def _encode_session(session: ChannelSession) -> dict[str, str | None]:
    return {
        "isolation_key": session.isolation_key,
        "key": session.key,
        "conversation_id": session.conversation_id,
        "parent": session.parent,
    }


def describe_target(target: ResponseTarget) -> dict[str, object]:
    """Return a response target as JSON values."""
    return {
        "kind": target.kind.value,
        "targets": list(target.targets),
        "identities": [encode_identity(identity) for identity in target.target_identities],
        "echo_input": target.echo_input,
    }


def _decode_target(stored: Mapping[str, object]) -> ResponseTarget:
    return ResponseTarget(
        ResponseTargetKind(cast("str", stored["kind"])),
        tuple(cast("list[str]", stored["targets"])),
        tuple(decode_identity(each) for each in cast("list[Mapping[str, object]]", stored["identities"])),
        cast("bool", stored["echo_input"]),
    )


def _encode_input(value: object) -> dict[str, object]:
    if isinstance(value, (Message, Content)):
        return {
            "form": "message" if isinstance(value, Message) else "content",
            "value": encode_framework(value, "input"),
        }
    if isinstance(value, list):
        return {"form": "list", "value": [_encode_input(part) for part in cast("list[object]", value)]}
    return {"form": "json", "value": value}


def _decode_input(stored: Mapping[str, object]) -> object:
    value = stored["value"]
    match stored["form"]:
        case "message":
            return decode_framework(Message, value)
        case "content":
            return decode_framework(Content, value)
        case "list":
            return [_decode_input(part) for part in cast("list[Mapping[str, object]]", value)]
        case _:
            return value
