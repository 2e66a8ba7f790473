"""Turn what a channel hands over into what a workflow takes: as its input, or as the answer to its question."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar, cast

from agent_framework import AgentExecutor, Content, Message, Workflow, WorkflowEvent
from pydantic import BaseModel, PydanticSchemaGenerationError, PydanticUserError, TypeAdapter, ValidationError

from ..errors import TargetInputError
from .messages import messages_of_input, stamp_question

ValueT = TypeVar("ValueT")

_YES = frozenset({"yes", "y", "true", "1", "ok", "okay", "approve", "approved", "accept", "confirm", "allow"})
_NO = frozenset({"no", "n", "false", "0", "reject", "rejected", "deny", "denied", "decline", "cancel"})


def adapt_input(given: object, workflow: Workflow, envelope: Mapping[str, object]) -> object:
    """Return ``given`` as one of the workflow's input types, with the host's note where it is a message.

    Raises ``TargetInputError`` when no declared type can be made from it.
    """
    types = list(workflow.input_types)
    if list[Message] in types and isinstance(workflow.get_start_executor(), AgentExecutor):
        return stamp_question(messages_of_input(given), envelope)
    if any(_is_instance(given, wanted) for wanted in types):
        return _noted(given, envelope)
    messages = _messages_or_none(given)
    if messages is not None and list[Message] in types:
        return stamp_question(messages, envelope)
    if messages and Message in types:
        return stamp_question([_joined(messages)], envelope)[0]
    text = None if messages is None else _text_or_none(messages)
    if text is not None and str in types:
        return text
    for wanted in types:
        if _is_structured(wanted):
            try:
                return _validated(wanted, given if text is None else text)
            except ValidationError:
                continue
    raise TargetInputError(
        f"The workflow takes {_names(types)}, and this message cannot be made into that. "
        "Send JSON for a model, or convert the channel's input in a run hook."
    )


def adapt_answer(value: object, question: WorkflowEvent) -> object:
    """Return ``value`` as the response type of a pending request.

    Takes the type itself, text (yes or no for a bool, JSON for a model), a mapping, or the contents in which a wire
    answers: ``function_approval_response`` and ``function_result``. Raises ``TargetInputError`` for anything else.
    """
    wanted: object = question.response_type
    asked: object = question.data
    if isinstance(value, Content) and wanted is Content:
        value = _content_answer(value, asked)
    elif isinstance(value, Content):
        value = _plain(value)
    if wanted is Content and not isinstance(value, Content):
        return _as_content(value, asked)
    if wanted is bool:
        return as_decision(value)
    if wanted is Message and isinstance(value, str):
        return Message("user", [value])
    if wanted is str and isinstance(value, bool):
        return "yes" if value else "no"
    if _is_instance(value, wanted):
        return value
    if isinstance(value, bool) and _is_structured(wanted):
        value = {"approved": value}
    try:
        return _validated(wanted, value)
    except ValidationError as error:
        raise TargetInputError(f"The workflow waits for {_name(wanted)}; the answer is none.") from error


def as_decision(value: object) -> bool:
    """Return a yes or no. Raises ``TargetInputError`` for what is neither."""
    if isinstance(value, bool):
        return value
    word = value.strip().strip(".!").casefold() if isinstance(value, str) else ""
    if word in _YES:
        return True
    if word in _NO:
        return False
    raise TargetInputError("The workflow waits for yes or no; the answer is neither.")


def _as_content(value: object, asked: object) -> Content:
    if isinstance(asked, Content) and asked.type == "function_approval_request":
        return asked.to_function_approval_response(as_decision(value))
    text = value if isinstance(value, str) else str(value)
    if isinstance(asked, Content) and asked.type == "function_call" and asked.call_id is not None:
        return Content.from_function_result(asked.call_id, result=text)
    return Content.from_text(text)


def _content_answer(answer: Content, asked: object) -> object:
    """Rebuild an approval from the question: the call that runs is the one that was asked about."""
    if not isinstance(asked, Content) or asked.type != "function_approval_request":
        return answer
    return asked.to_function_approval_response(as_decision(_plain(answer)))


def _plain(answer: Content) -> object:
    if answer.type == "function_approval_response":
        return answer.approved is True
    if answer.type == "function_result":
        return cast("object", answer.result)
    return answer.text if answer.type == "text" else answer


def _validated(wanted: object, value: object) -> object:
    try:
        adapter: TypeAdapter[object] = TypeAdapter(cast("type[object]", wanted))
    except (PydanticSchemaGenerationError, PydanticUserError) as error:
        raise TargetInputError(
            f"The workflow waits for {_name(wanted)}, which cannot be made from a message. Convert it in a run hook."
        ) from error
    if not isinstance(value, str):
        return adapter.validate_python(value)
    try:
        return adapter.validate_json(value)
    except ValidationError:
        return adapter.validate_python(value)


def _is_structured(wanted: object) -> bool:
    if not inspect.isclass(wanted) or wanted in (Message, Content):
        return False
    return issubclass(wanted, BaseModel) or dataclasses.is_dataclass(wanted)


def _is_instance(value: object, wanted: object) -> bool:
    if wanted == list[Message]:
        return isinstance(value, list) and bool(value) and all(isinstance(one, Message) for one in value)  # type: ignore[reportUnknownVariableType]
    try:
        return isinstance(value, cast("type", wanted))
    except TypeError:  # parametrised generics: not for a channel's input
        return False


def _noted(given: object, envelope: Mapping[str, object]) -> object:
    if isinstance(given, Message):
        return stamp_question([given], envelope)[0]
    if _is_instance(given, list[Message]):
        return stamp_question(cast("list[Message]", given), envelope)
    return given


def _messages_or_none(given: object) -> list[Message] | None:
    try:
        return messages_of_input(given)
    except TargetInputError:
        return None


def _joined(messages: Sequence[Message]) -> Message:
    if len(messages) == 1:
        return messages[0]
    return Message("user", [content for message in messages for content in message.contents])


def _text_or_none(messages: Iterable[Message]) -> str | None:
    contents = [content for message in messages for content in message.contents]
    if any(content.type != "text" for content in contents):
        return None
    return "\n".join(content.text or "" for content in contents)


def _names(types: Iterable[object]) -> str:
    return " or ".join(dict.fromkeys(map(_name, types)))


def _name(wanted: object) -> str:
    return wanted.__name__ if inspect.isclass(wanted) and "[" not in repr(wanted) else repr(wanted)
