"""One answer on its way out."""

from __future__ import annotations

import copy
import dataclasses
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeAlias, cast

from typing_extensions import TypeVar

from .identity import ChannelIdentity
from .request import ChannelRequest

if TYPE_CHECKING:
    from agent_framework import AgentResponse, AgentSession, Message, WorkflowRunResult

TargetResult: TypeAlias = "AgentResponse | WorkflowRunResult"
ResultT_co = TypeVar("ResultT_co", covariant=True, default=TargetResult)
_KEEP = object()


@dataclass(frozen=True, slots=True)
class HostedRunResult(Generic[ResultT_co]):
    """Hold what a target answered, in full: an ``AgentResponse`` or a ``WorkflowRunResult``.

    ``session`` is the agent session after the run; None for workflows and session-less runs.
    """

    result: ResultT_co = field(hash=False)
    session: AgentSession | None = field(default=None, kw_only=True, hash=False)

    def replace(self, *, result: object = _KEEP, session: object = _KEEP) -> HostedRunResult[ResultT_co]:
        """Return a shallow copy with another result or session."""
        changes = {name: new for name, new in (("result", result), ("session", session)) if new is not _KEEP}
        return dataclasses.replace(self, **changes)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class ChannelResponseContext:
    """Tell a response hook for which destination it shapes the answer.

    ``originating`` is True when the destination is the asking wire itself; ``is_echo`` when the payload is the user's
    own words sent ahead of the answer.
    """

    request: ChannelRequest | None
    channel_name: str
    destination_identity: ChannelIdentity | None
    originating: bool
    is_echo: bool = False


def own_copy(result: HostedRunResult[TargetResult]) -> HostedRunResult[TargetResult]:
    """Return a copy with its own response, messages, contents and additional properties.

    What one destination's hooks change on it, no other destination sees. The session, raw representations and a
    workflow's output values stay shared.
    """
    inner = copy.copy(result.result)
    messages = getattr(inner, "messages", None)
    if isinstance(messages, list):
        inner.messages = [_own_message(message) for message in cast("list[Message]", messages)]  # type: ignore[attr-defined]
    _own_properties(inner)
    return result.replace(result=inner)


def _own_message(message: Message) -> Message:
    own = copy.copy(message)
    own.contents = [copy.copy(content) for content in message.contents]
    for part in (own, *own.contents):
        _own_properties(part)
    return own


def _own_properties(part: object) -> None:
    properties = getattr(part, "additional_properties", None)
    if isinstance(properties, dict):
        part.additional_properties = dict(cast("dict[str, object]", properties))  # type: ignore[attr-defined]


def result_text(result: object) -> str:
    """Return the text of a ``HostedRunResult`` or of its content, whether an agent or a workflow made it.

    A workflow's outputs, then its open questions, are joined by newlines; models, dataclasses and other values that
    are no text are rendered as JSON where they can be. Half surrogate pairs, which no wire can carry, become U+FFFD.
    """
    text = _text_in(result)
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def _text_in(result: object) -> str:
    inner = cast("HostedRunResult[object]", result).result if isinstance(result, HostedRunResult) else result
    outputs = getattr(inner, "get_outputs", None)
    if not callable(outputs):
        return _text_of(inner)
    questions = getattr(inner, "get_request_info_events", tuple)()
    return _text_of([outputs(), [_question_of(one.data) for one in questions]])


def _question_of(data: object) -> str:
    call = getattr(data, "function_call", None)
    if call is not None:
        return f"Approve {call.name}({call.arguments or ''})?"
    texts = (getattr(data, name, None) for name in ("prompt", "question", "message", "text"))
    return next((text for text in texts if isinstance(text, str) and text), None) or _text_of(data)


def _text_of(output: object) -> str:
    if output is None or isinstance(output, str):
        return output or ""
    if isinstance(output, (list, tuple)):
        return "\n".join(text for text in map(_text_of, output) if text)  # type: ignore[reportUnknownArgumentType]
    fields = _fields_of(output)
    text = getattr(output, "text", _KEEP)
    if fields is _KEEP and (text is None or isinstance(text, str)):
        return text or ""
    if fields is not _KEEP:
        return json.dumps(fields, ensure_ascii=False, default=str)
    to_dict = getattr(output, "to_dict", None)
    try:
        return json.dumps(to_dict() if callable(to_dict) else output, ensure_ascii=False)
    except (TypeError, ValueError):
        return str(output)


def _fields_of(output: object) -> object:
    if dataclasses.is_dataclass(output) and not isinstance(output, type):
        return dataclasses.asdict(output)
    dump = getattr(output, "model_dump", None)
    return dump(mode="json") if callable(dump) else _KEEP
