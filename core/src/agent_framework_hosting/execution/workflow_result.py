"""What a workflow run answered, the same whether it was streamed or not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import cast

from agent_framework import (
    AgentResponse,
    AgentResponseUpdate,
    Message,
    WorkflowEvent,
    WorkflowRunResult,
    WorkflowRunState,
)

from .envelope import stamp_answer
from .pending import Questions


def whole_result(
    events: Iterable[WorkflowEvent], status: list[WorkflowEvent], waiting: Questions, note: Mapping[str, object]
) -> WorkflowRunResult:
    """Return the result of a run: pieces of streamed answers joined, questions still open included, answers noted."""
    joined = _joined(events)
    asked = {event.request_id for event in joined if event.type == "request_info"}
    joined += [question for request_id, question in waiting.items() if request_id not in asked]
    for event in joined:
        if event.type == "output":
            stamp_answer(_messages_in(event.data), note)
    return WorkflowRunResult(joined, status)


def asked_again(questions: Questions) -> WorkflowRunResult:
    """Return the result of a turn that answered nothing: the same questions, still open."""
    idle: WorkflowEvent = WorkflowEvent.status(WorkflowRunState.IDLE_WITH_PENDING_REQUESTS)
    return WorkflowRunResult(list(questions.values()), [idle])


def _joined(events: Iterable[WorkflowEvent]) -> list[WorkflowEvent]:
    """Join the updates an executor yields in one invocation into one output, at the place of the first."""
    joined: list[WorkflowEvent] = []
    pieces: dict[int, list[AgentResponseUpdate]] = {}
    current: dict[str | None, list[AgentResponseUpdate]] = {}
    for event in events:
        data: object = event.data
        if event.type == "output" and isinstance(data, AgentResponseUpdate):
            if event.executor_id not in current:
                current[event.executor_id] = pieces[len(joined)] = []
                joined.append(event)
            current[event.executor_id].append(data)
            continue
        if event.type in ("executor_completed", "executor_failed"):
            current.pop(event.executor_id, None)
        joined.append(event)
    for index, updates in pieces.items():
        first = joined[index]
        joined[index] = WorkflowEvent(
            "output", AgentResponse.from_updates(updates), origin=first.origin, executor_id=first.executor_id
        )
    return joined


def _messages_in(data: object) -> Iterable[Message]:
    if isinstance(data, AgentResponse):
        return cast("AgentResponse", data).messages
    if isinstance(data, Message):
        return [data]
    if isinstance(data, (list, tuple)):
        return [one for one in cast("list[object]", data) if isinstance(one, Message)]
    return ()
