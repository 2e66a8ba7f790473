"""A result as JSON, for deliveries that outlive the process."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import cast

from agent_framework import AgentResponse, Content, Message, WorkflowEvent, WorkflowRunResult, WorkflowRunState

from ..errors import PushPayloadNotSerializable, UnreadableRecord
from ..model.result import HostedRunResult, TargetResult
from .stored_values import Stored, Types, decode_framework, decode_value, encode_framework, encode_value, name_of

_ANSWER_TYPES: dict[str, type] = {name_of(one): one for one in (bool, str, int, float, Content, Message)}


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
        known = {name_of(one): one for one in types}
        return HostedRunResult(_decode_workflow(cast("Stored", stored["workflow"]), known))
    raise UnreadableRecord("A stored result is damaged, or was written by a newer host-core.")


def _encode_workflow(result: WorkflowRunResult) -> Stored:
    status = result.status_timeline()
    return {
        "state": status[-1].state.value if status and status[-1].state is not None else None,
        "outputs": [
            {"executor": event.executor_id, "value": encode_value(event.data, f"outputs[{index}]")}
            for index, event in enumerate(event for event in result if event.type == "output")
        ],
        "questions": [
            {
                "id": event.request_id,
                "executor": event.source_executor_id,
                "value": encode_value(event.data, f"questions[{index}]"),
                "answer": name_of(event.response_type) if isinstance(cast("object", event.response_type), type) else "",
            }
            for index, event in enumerate(result.get_request_info_events())
        ],
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
    return WorkflowEvent("output", decode_value(stored["value"], types), executor_id=executor)


def _question(stored: Stored, types: Types) -> WorkflowEvent:
    answer = cast("str", stored["answer"])
    return WorkflowEvent.request_info(
        request_id=cast("str", stored["id"]),
        source_executor_id=cast("str", stored["executor"]),
        request_data=decode_value(stored["value"], types),
        response_type=_ANSWER_TYPES.get(answer) or types.get(answer) or object,
    )
