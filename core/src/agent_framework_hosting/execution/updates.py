"""Any result as stream updates: one message per workflow output, multi-modal content kept, the rest as text."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from typing import cast

from agent_framework import AgentResponse, AgentResponseUpdate, Content, Message, WorkflowEvent, WorkflowRunResult

from ..model.result import HostedRunResult, TargetResult, result_text
from .questions import question_content


def updates_of(result: HostedRunResult[TargetResult] | TargetResult) -> list[AgentResponseUpdate]:
    """Return a whole result as the updates a stream of it would have had; pending requests of a workflow included."""
    inner = result.result if isinstance(result, HostedRunResult) else result
    if isinstance(inner, WorkflowRunResult):
        return [update for event in inner for update in event_updates(event)]
    return inner.to_updates()


def messages_of(result: HostedRunResult[TargetResult] | TargetResult) -> list[Message]:
    """Return the messages of a whole result; a workflow's outputs and pending requests become one message each."""
    inner = result.result if isinstance(result, HostedRunResult) else result
    return (
        AgentResponse.from_updates(updates_of(inner)).messages
        if isinstance(inner, WorkflowRunResult)
        else inner.messages
    )


def event_updates(event: WorkflowEvent) -> Sequence[AgentResponseUpdate]:
    """Return what a wire may show of one workflow event: outputs and questions, nothing else."""
    if event.type == "request_info":
        return [_update([question_content(event)], event.source_executor_id)]
    if event.type != "output":
        return ()
    return list(_output_updates(event.data, event.executor_id))


def _output_updates(data: object, author: str | None) -> Iterator[AgentResponseUpdate]:
    if isinstance(data, AgentResponseUpdate):
        yield data
    elif isinstance(data, AgentResponse):
        for update in cast("AgentResponse", data).to_updates():
            update.message_id = update.message_id or _new_id()
            update.author_name = update.author_name or author
            yield update
    elif isinstance(data, Message):
        yield AgentResponseUpdate(
            contents=list(data.contents),
            role=data.role,
            author_name=data.author_name or author,
            message_id=data.message_id or _new_id(),
            additional_properties=dict(data.additional_properties),
        )
    elif any(isinstance(one, Message) for one in _items(data)):
        for one in _items(data):
            yield from _output_updates(one, author)
    elif data is not None:
        yield _update(list(_contents(data)), author)


def _contents(data: object) -> Iterator[Content]:
    if isinstance(data, Content):
        yield data
    elif any(isinstance(one, Content) for one in _items(data)):
        for one in _items(data):
            yield from _contents(one)
    else:
        yield Content.from_text(result_text(data))


def _items(data: object) -> Sequence[object]:
    return cast("Sequence[object]", data) if isinstance(data, (list, tuple)) else ()


def _update(contents: list[Content], author: str | None) -> AgentResponseUpdate:
    return AgentResponseUpdate(contents=contents, role="assistant", author_name=author, message_id=_new_id())


def _new_id() -> str:
    return f"msg_{uuid.uuid4().hex}"
