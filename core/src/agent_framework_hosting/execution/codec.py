"""A result as JSON and back, for deliveries that outlive the process.

No class is looked up by a stored name: only known ones come back.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import TypeAlias, cast
from uuid import UUID

from agent_framework import (
    AgentResponse,
    AgentResponseUpdate,
    Content,
    Message,
    WorkflowEvent,
    WorkflowRunResult,
    WorkflowRunState,
)
from pydantic import BaseModel
from pydantic_core import PydanticSerializationError

from ..errors import PushPayloadNotSerializable, UnreadableRecord
from ..model.result import HostedRunResult, TargetResult

Stored: TypeAlias = dict[str, object]
Types: TypeAlias = Mapping[str, type]
FrameworkValue: TypeAlias = "AgentResponse | AgentResponseUpdate | Message | Content"

_FRAMEWORK: dict[str, type] = {
    "agent_response": AgentResponse,
    "agent_response_update": AgentResponseUpdate,
    "message": Message,
    "content": Content,
}
_PROVIDERS_OWN = "raw_representation"  # often an object of the provider's library, which stays behind


def encode_result(result: HostedRunResult[TargetResult]) -> dict[str, object]:
    """Return a result as a mapping of JSON values.

    An ``AgentResponse`` is kept whole, as its ``to_dict()`` is; of a ``WorkflowRunResult`` the outputs, the open
    questions and the final state. The session stays behind. Raises ``PushPayloadNotSerializable``, naming the place,
    for what JSON cannot hold.
    """
    inner = result.result
    if isinstance(inner, WorkflowRunResult):
        return {"workflow": _encode_workflow(inner)}
    if isinstance(cast("object", inner), AgentResponse):
        return {"agent": encode_framework(inner, "answer")}
    raise PushPayloadNotSerializable(
        f"A result holds a {type(inner).__name__}; it must be what an agent or workflow ran."
    )


def decode_result(stored: Mapping[str, object], *, types: Iterable[type] = ()) -> HostedRunResult[TargetResult]:
    """Restore what ``encode_result`` returned, after a trip through JSON text too.

    ``types`` are the classes outputs may be restored to (``Execution.output_types``); an output of another class
    comes back as a mapping. Raises ``UnreadableRecord`` for what is no stored result.
    """
    if "agent" in stored:
        return HostedRunResult(cast("AgentResponse", decode_framework(AgentResponse, stored["agent"])))
    if isinstance(stored.get("workflow"), dict):
        known = {_name_of(one): one for one in types}
        return HostedRunResult(_decode_workflow(cast("Stored", stored["workflow"]), known))
    raise UnreadableRecord("A stored result is damaged, or was written by a newer host-core.")


def _encode_workflow(result: WorkflowRunResult) -> Stored:
    status = result.status_timeline()
    return {
        "state": status[-1].state.value if status and status[-1].state is not None else None,
        "outputs": [
            {"executor": event.executor_id, "value": _encode_value(event.data, f"outputs[{index}]")}
            for index, event in enumerate(event for event in result if event.type == "output")
        ],
        "questions": [
            _encode_question(event, f"questions[{index}]")
            for index, event in enumerate(result.get_request_info_events())
        ],
    }


def _encode_question(event: WorkflowEvent, where: str) -> Stored:
    wanted = cast("object", event.response_type)
    return {
        "id": event.request_id,
        "executor": event.source_executor_id,
        "value": _encode_value(event.data, where),
        "answer": _name_of(wanted) if isinstance(wanted, type) else "",
    }


def _decode_workflow(data: Stored, types: Types) -> WorkflowRunResult:
    try:
        events = [_output(one, types) for one in cast("list[Stored]", data["outputs"])]
        events += [_question(one, types) for one in cast("list[Stored]", data["questions"])]
        status = [] if data["state"] is None else [WorkflowEvent[None].status(WorkflowRunState(data["state"]))]
    except (KeyError, TypeError, ValueError) as error:
        raise UnreadableRecord("A stored workflow result is damaged, or was written by a newer host-core.") from error
    return WorkflowRunResult(events, status)


def _output(stored: Stored, types: Types) -> WorkflowEvent:
    executor = cast("str | None", stored["executor"])
    return WorkflowEvent("output", _decode_value(stored["value"], types), executor_id=executor)


def _question(stored: Stored, types: Types) -> WorkflowEvent:
    answer = cast("str", stored["answer"])
    return WorkflowEvent.request_info(
        request_id=cast("str", stored["id"]),
        source_executor_id=cast("str", stored["executor"]),
        request_data=_decode_value(stored["value"], types),
        response_type=_ANSWER_TYPES.get(answer) or types.get(answer) or object,
    )


def _encode_value(value: object, where: str) -> Stored:
    """Return ``value`` with a tag that says what it is.

    Takes JSON values, dates, UUIDs, decimals, lists, tuples, string-keyed mappings, dataclasses, pydantic models and
    agent-framework's messages, contents and responses. Raises ``PushPayloadNotSerializable``, naming the place, for
    anything else.
    """
    for tag, known in _FRAMEWORK.items():
        if isinstance(value, known):
            return {tag: encode_framework(cast("FrameworkValue", value), where)}
    if isinstance(value, (list, tuple)):
        tag = "tuple" if isinstance(value, tuple) else "list"
        items = cast("Sequence[object]", value)
        return {tag: [_encode_value(item, f"{where}[{index}]") for index, item in enumerate(items)]}
    if isinstance(value, dict):
        return {"mapping": _encode_items(cast("dict[object, object]", value), where)}
    return _encode_object(value, where) or {"json": _plain(value, where)}


def _encode_object(value: object, where: str) -> Stored | None:
    if isinstance(value, BaseModel):
        return {"model": _name_of(type(value)), "data": _plain(value, where)}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value) if field.init}
        return {"dataclass": _name_of(type(value)), "fields": _encode_items(fields, where)}
    return {type(value).__name__: str(value)} if type(value) in _AS_TEXT else None


def _decode_value(stored: object, types: Types) -> object:
    """Restore a value. An object whose class is not among ``types`` comes back as the mapping of its fields."""
    if not isinstance(stored, dict) or not stored:
        raise UnreadableRecord("A stored result holds a value without a tag.")
    tag, data = next(iter(cast("Stored", stored).items()))
    decode = _DECODERS.get(tag)
    if decode is None:
        raise UnreadableRecord("A stored result holds a value of a kind this host-core does not know.")
    return decode(data, cast("Stored", stored), types)


def _decode_model(name: object, stored: Stored, types: Types) -> object:
    known = types.get(str(name))
    if known is None or not issubclass(known, BaseModel):
        return stored["data"]
    return known.model_validate(stored["data"], by_name=True)


def _decode_dataclass(name: object, stored: Stored, types: Types) -> object:
    fields = _decode_items(stored["fields"], types)
    known = types.get(str(name))
    return fields if known is None else known(**fields)


def _decode_list(items: object, _: Stored, types: Types) -> list[object]:
    return [_decode_value(item, types) for item in cast("list[object]", items)]


_AS_TEXT: dict[type, Callable[[str], object]] = {
    datetime: datetime.fromisoformat,
    date: date.fromisoformat,
    time: time.fromisoformat,
    UUID: UUID,
    Decimal: Decimal,
}
_DECODERS: dict[str, Callable[[object, Stored, Types], object]] = {
    "json": lambda value, _, __: value,
    "list": _decode_list,
    "tuple": lambda items, stored, types: tuple(_decode_list(items, stored, types)),
    "mapping": lambda items, _, types: _decode_items(items, types),
    "model": _decode_model,
    "dataclass": _decode_dataclass,
    **{tag: lambda data, _, __, known=known: decode_framework(known, data) for tag, known in _FRAMEWORK.items()},
    **{one.__name__: lambda text, _, __, read=read: read(cast("str", text)) for one, read in _AS_TEXT.items()},
}


def encode_framework(value: FrameworkValue, where: str) -> Stored:
    """Return the ``to_dict`` form of one of agent-framework's own values, checked to be JSON and nothing left out."""
    if isinstance(value, Content):
        return cast("Stored", _plain(value.to_dict(), where))
    data = cast("Stored", _plain(value.to_dict(exclude={"messages", "contents"}), where))
    data.pop("type", None)  # a subclass names itself there, and could not be read back by its base
    # to_dict leaves out what it cannot serialise; these are the places where that can happen.
    if isinstance(value, AgentResponse):
        parts: Sequence[FrameworkValue] = value.messages
        data["messages"] = [encode_framework(one, f"{where}.messages[{at}]") for at, one in enumerate(parts)]
    else:
        parts = value.contents
        data["contents"] = [encode_framework(one, f"{where}.contents[{at}]") for at, one in enumerate(parts)]
    if value.additional_properties is not None:
        data["additional_properties"] = _plain(value.additional_properties, f"{where}.additional_properties")
    return data


def decode_framework(known: type, data: object) -> object:
    """Restore one of agent-framework's own values."""
    restore = cast("Callable[[object], object]", getattr(known, "from_dict"))  # noqa: B009 - each of the four has it
    try:
        return restore(data)
    except (TypeError, ValueError, AttributeError, KeyError) as error:
        raise UnreadableRecord(f"A stored {known.__name__} is damaged.") from error


def _plain(value: object, where: str) -> object:
    """Return ``value`` as JSON values only. Raises ``PushPayloadNotSerializable`` naming the place of what is none."""
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, BaseModel):
        return _dumped(value, where)
    if isinstance(value, Mapping):
        return _plain_mapping(cast("Mapping[object, object]", value), where)
    if isinstance(value, (list, tuple)):
        return [_plain(one, f"{where}[{index}]") for index, one in enumerate(cast("Sequence[object]", value))]
    raise PushPayloadNotSerializable(
        f"{where} is a {type(value).__name__}, which JSON cannot hold. Yield text, Content, Message, a dataclass or a "
        "pydantic model instead, or give the channel a push_codec."
    )


def _plain_mapping(value: Mapping[object, object], where: str) -> Stored:
    items: Stored = {}
    for key, one in value.items():
        try:
            items[_key(key, where)] = _plain(one, f"{where}.{key}")
        except PushPayloadNotSerializable:
            if key != _PROVIDERS_OWN:
                raise
    return items


def _dumped(value: BaseModel, where: str) -> object:
    try:
        return value.model_dump(mode="json")
    except PydanticSerializationError as error:
        raise PushPayloadNotSerializable(f"{where} is a {type(value).__name__} that JSON cannot hold.") from error


def _encode_items(items: Mapping[object, object] | Mapping[str, object], where: str) -> Stored:
    return {_key(key, where): _encode_value(value, f"{where}.{key}") for key, value in items.items()}


def _decode_items(items: object, types: Types) -> dict[str, object]:
    return {name: _decode_value(value, types) for name, value in cast("Stored", items).items()}


def _key(key: object, where: str) -> str:
    if isinstance(key, str):
        return key
    raise PushPayloadNotSerializable(f"{where} has a key of type {type(key).__name__}; JSON keys are text.")


def _name_of(known: type) -> str:
    """Return the name a class is stored under."""
    return f"{known.__module__}:{known.__qualname__}"


_ANSWER_TYPES: dict[str, type] = {_name_of(one): one for one in (bool, str, int, float, Content, Message)}
