"""One delivery, and what the runner keeps of it: the answer, the echo ahead of it, and where both go."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, cast

from agent_framework import AgentResponse, Content, Message

from ..errors import PushPayloadNotSerializable, UnreadableRecord
from ..execution.codec import decode_result, encode_result
from ..model.identity import ChannelIdentity
from ..model.request import ChannelRequest
from ..model.result import HostedRunResult, TargetResult
from ..ports import ChannelPushCodec
from .codec import decode_identity, decode_request, encode_context, encode_identity

PUSH_TASK = "hosting.push"
DAMAGED = "The stored delivery is damaged, or was written by a newer host-core."
_OBJECT = "object"

DeliveryKind: TypeAlias = Literal["answer", "notice"]


@dataclass(frozen=True, slots=True)
class Delivery:
    """One answer on its way to one destination.

    ``kind`` is ``notice`` for the host's own words (an apology). ``originating`` says that the destination is where
    the question came from. ``request`` is what was asked, None for proactive deliveries.
    """

    destination: ChannelIdentity
    answer: HostedRunResult[TargetResult]
    echo: HostedRunResult[TargetResult] | None = None
    echo_done: bool = False
    kind: DeliveryKind = "answer"
    originating: bool = False
    request: ChannelRequest | None = None
    turn_id: str | None = None


def echo_of(asked: object) -> HostedRunResult[TargetResult]:
    """Return the user's own words as a payload: messages of role ``user``."""
    parts = cast("list[object]", asked) if isinstance(asked, list) else [asked]
    messages = [part if isinstance(part, Message) else Message("user", [_as_content(part)]) for part in parts]
    return HostedRunResult(AgentResponse(messages=[message for message in messages if message.role == "user"]))


def _as_content(part: object) -> str | Content:
    return part if isinstance(part, (str, Content)) else json.dumps(part, default=str)


def destination_of(payload: Mapping[str, object]) -> ChannelIdentity:
    """Return where a stored delivery goes. Raises ``UnreadableRecord`` for what is no stored delivery."""
    try:
        return decode_identity(cast("Mapping[str, object]", payload["destination"]))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UnreadableRecord(DAMAGED) from error


def lane_of(payload: Mapping[str, object]) -> str:
    """Return the ordering key of a stored delivery: answers to one address keep their order."""
    to = destination_of(payload)
    return json.dumps([to.channel, to.native_id, dict(to.attributes)], sort_keys=True)


def account_of(lane: str) -> tuple[str, str] | None:
    """Return channel and native id from an ordering key, which outlives the payload; None for a foreign one."""
    try:
        channel, native_id, _ = json.loads(lane)
    except (TypeError, ValueError, RecursionError):
        return None
    return str(channel), str(native_id)


async def encode_delivery(
    delivery: Delivery, codec: ChannelPushCodec | None, *, objects: bool = False
) -> dict[str, object]:
    """Return the JSON form every runner gets. Raises ``PushPayloadNotSerializable`` for what cannot be stored.

    ``objects`` is for runners that carry live objects: an answer JSON cannot hold goes as it is.
    """
    stored: dict[str, object] = {
        "destination": encode_identity(delivery.destination),
        "echo_done": delivery.echo_done,
        "kind": delivery.kind,
        "originating": delivery.originating,
        "request": None if delivery.request is None else encode_context(delivery.request),
        "turn_id": delivery.turn_id,
    }
    if codec is not None and delivery.kind == "answer":
        stored["envelope"] = dict(
            await codec.encode(
                result=delivery.answer,
                request=delivery.request,
                identity=delivery.destination,
                echo_result=delivery.echo,
            )
        )
    else:
        stored["answer"] = _encode_answer(delivery.answer, objects=objects)
        stored["echo"] = None if delivery.echo is None else encode_result(delivery.echo)
    return stored


def _encode_answer(answer: HostedRunResult[TargetResult], *, objects: bool) -> dict[str, object]:
    try:
        return encode_result(answer)
    except PushPayloadNotSerializable:
        if objects:
            return {_OBJECT: answer}
        raise


async def decode_delivery(
    stored: Mapping[str, object], codec: ChannelPushCodec | None, output_types: Sequence[type] = ()
) -> Delivery:
    """Restore a delivery from ``encode_delivery``'s form; ``output_types`` are the classes a workflow puts out.

    Raises ``UnreadableRecord`` for a damaged one, and what ``codec`` raises.
    """
    answer, echo = await _decode_payloads(stored, codec, output_types)
    try:
        request = cast("Mapping[str, object] | None", stored["request"])
        return Delivery(
            destination=destination_of(stored),
            answer=answer,
            echo=echo,
            echo_done=stored["echo_done"] is True,
            kind="notice" if stored["kind"] == "notice" else "answer",
            originating=stored["originating"] is True,
            request=None if request is None else decode_request(request),
            turn_id=cast("str | None", stored["turn_id"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UnreadableRecord(DAMAGED) from error


async def _decode_payloads(
    stored: Mapping[str, object], codec: ChannelPushCodec | None, output_types: Sequence[type]
) -> tuple[HostedRunResult[TargetResult], HostedRunResult[TargetResult] | None]:
    envelope = stored.get("envelope")
    if envelope is not None:
        if codec is None:
            raise UnreadableRecord("The delivery was stored by a push_codec that its channel does not have any more.")
        return await codec.decode(cast("Mapping[str, object]", envelope))
    try:
        echo = cast("Mapping[str, object] | None", stored["echo"])
        kept = cast("Mapping[str, object]", stored["answer"])
        live = cast("HostedRunResult[TargetResult] | None", kept.get(_OBJECT))
        answer = decode_result(kept, types=output_types) if live is None else live
        return answer, None if echo is None else decode_result(echo)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UnreadableRecord(DAMAGED) from error
