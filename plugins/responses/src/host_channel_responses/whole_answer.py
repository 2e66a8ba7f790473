"""The messages of a whole result: an agent's own, or a workflow's outputs, one message each."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from .encoding import json_text

if TYPE_CHECKING:
    from agent_framework import AgentResponse, Message, WorkflowRunResult


def messages_of_result(result: AgentResponse | WorkflowRunResult) -> Sequence[Message]:
    """Return what to show of a result, in order."""
    messages = getattr(result, "messages", None)
    if messages is not None:
        return cast("Sequence[Message]", messages)
    outputs = cast("WorkflowRunResult", result).get_outputs()
    return [message for output in outputs for message in _messages_of(output)]


def _messages_of(output: object) -> list[Message]:
    from agent_framework import AgentResponse, Content, Message  # noqa: PLC0415 - heavy, and only for workflows

    if output is None:
        return []
    if isinstance(output, Message):
        return [output]
    if isinstance(output, AgentResponse):
        return list(cast("Sequence[Message]", output.messages))
    entries: Sequence[object] = cast("Sequence[object]", output) if isinstance(output, list | tuple) else (output,)
    if entries and all(isinstance(entry, Content | str) for entry in entries):
        return [Message("assistant", cast("Sequence[Content | str]", entries))]
    if entries and all(isinstance(entry, Message | AgentResponse) for entry in entries):
        return [message for entry in entries for message in _messages_of(entry)]
    return [Message("assistant", [_text_of(cast("object", output))])]


def _text_of(output: object) -> str:
    contents = getattr(output, "text", None)
    if isinstance(contents, str):
        return contents
    if dataclasses.is_dataclass(output) and not isinstance(output, type):
        return json_text(dataclasses.asdict(output))
    dump = getattr(output, "model_dump", None) or getattr(output, "to_dict", None)
    return json_text(dump() if callable(dump) else output)
