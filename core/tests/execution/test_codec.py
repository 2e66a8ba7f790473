from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import pytest
from agent_framework import (
    AgentResponse,
    AgentResponseUpdate,
    Content,
    Message,
    WorkflowEvent,
    WorkflowRunResult,
    WorkflowRunState,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from agent_framework_hosting.errors import PushPayloadNotSerializable, UnreadableRecord
from agent_framework_hosting.execution.codec import decode_result, encode_result
from agent_framework_hosting.execution.updates import updates_of
from agent_framework_hosting.model.result import HostedRunResult, result_text


class Order(BaseModel):
    dish: str
    due: datetime


@dataclass
class Step:
    name: str
    message: Message


@dataclass
class Plan:
    steps: list[Step]
    cost: Decimal = Decimal("1.5")


def trip(result, types=()):
    """Through JSON text and back."""
    return decode_result(json.loads(json.dumps(encode_result(HostedRunResult(result)))), types=types).result


def workflow_result(*outputs, state=WorkflowRunState.IDLE, questions=()):
    events = [WorkflowEvent("output", output, executor_id="e") for output in outputs]
    return WorkflowRunResult([*events, *questions], [WorkflowEvent.status(state)])


KINDS = [
    *("text", "text_reasoning", "data", "uri", "error", "usage", "hosted_file", "hosted_vector_store"),
    *("function_call", "function_result", "function_approval_request", "function_approval_response"),
    *("code_interpreter_tool_call", "code_interpreter_tool_result", "oauth_consent_request"),
    *("image_generation_tool_call", "image_generation_tool_result", "mcp_server_tool_call", "mcp_server_tool_result"),
    *("search_tool_call", "search_tool_result", "computer_tool_call", "computer_tool_result"),
    *("shell_tool_call", "shell_tool_result", "shell_command_output"),
]
texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
calls = st.builds(Content.from_function_call, texts, texts, arguments=texts | st.dictionaries(texts, json_values))
fields = st.fixed_dictionaries(
    {"approved": st.booleans()},  # agent-framework gives an approval without a decision one when it reads it back
    optional={
        "text": texts,
        "uri": texts,
        "media_type": texts,
        "message": texts,
        "error_code": texts,
        "usage_details": st.just({"input_token_count": 3, "total_token_count": 5}),
        "call_id": texts,
        "name": texts,
        "arguments": texts,
        "result": json_values,
        "items": st.lists(st.builds(Content.from_text, texts), max_size=2),
        "file_id": texts,
        "inputs": st.lists(st.builds(Content.from_text, texts), max_size=2),
        "outputs": st.lists(st.builds(Content.from_data, st.binary(max_size=9), st.just("image/png")), max_size=2),
        "commands": st.lists(texts, max_size=2),
        "exit_code": st.integers(),
        "output": json_values,
        "id": texts,
        "function_call": calls,
        "consent_link": texts,
        "annotations": st.just([{"type": "citation", "title": "t", "annotated_regions": []}]),
        "additional_properties": st.dictionaries(texts, json_values, max_size=2),
    },
)
contents = st.builds(lambda kind, given: Content(kind, **given), st.sampled_from(KINDS), fields)
messages = st.builds(
    Message,
    st.sampled_from(["assistant", "tool", "user"]),
    st.lists(contents, max_size=3),
    author_name=st.none() | texts,
    message_id=st.none() | texts,
    additional_properties=st.dictionaries(texts, json_values, max_size=2),
)
responses = st.builds(
    AgentResponse,
    messages=st.lists(messages, max_size=3),
    response_id=st.none() | texts,
    agent_id=st.none() | texts,
    created_at=st.none() | texts,
    finish_reason=st.sampled_from([None, "stop", "length"]),
    usage_details=st.none() | st.just({"input_token_count": 3}),
    additional_properties=st.dictionaries(texts, json_values, max_size=2),
)


@settings(max_examples=60)
@given(responses)
def test_responses_survive_with_all_their_contents(response):
    assert trip(response).to_dict() == response.to_dict()


@settings(max_examples=60)
@given(st.lists(json_values | contents | messages | responses, max_size=3), st.sampled_from(WorkflowRunState))
def test_workflow_results_survive(outputs, state):
    back = trip(workflow_result(*outputs, state=state))
    plain = [one.to_dict() if hasattr(one, "to_dict") else one for one in outputs]
    assert [one.to_dict() if hasattr(one, "to_dict") else one for one in back.get_outputs()] == plain
    assert back.get_final_state() == state


def test_objects_come_back_as_their_classes_when_those_are_known():
    order = Order(dish="soup", due=datetime(2024, 5, 1, tzinfo=UTC))
    plan = Plan([Step("cook", Message("assistant", ["boil"]))])
    result = workflow_result(order, plan, (1, "two"), {"at": order.due, "id": UUID(int=7)})
    back = trip(result, [Order, Plan, Step]).get_outputs()
    assert back[0] == order
    assert (back[1].cost, back[1].steps[0].name, back[1].steps[0].message.text) == (plan.cost, "cook", "boil")
    assert back[2:] == [(1, "two"), {"at": order.due, "id": UUID(int=7)}]


def test_objects_of_unknown_classes_come_back_as_mappings_with_the_same_text():
    @dataclass
    class Local:
        a: int

    result = workflow_result(Local(1))
    assert trip(result).get_outputs() == [{"a": 1}]
    assert result_text(trip(result)) == result_text(result)


def test_a_stored_name_loads_nothing_by_itself():
    stored = {"dataclass": "subprocess:Popen", "fields": {"args": {"json": "true"}}}
    data = {"workflow": {"state": None, "outputs": [{"executor": None, "value": stored}], "questions": []}}
    assert decode_result(data).result.get_outputs() == [{"args": "true"}]


def test_open_questions_survive():
    asked = WorkflowEvent.request_info("q1", "clerk", Step("cook", Message("user", ["?"])), bool)
    other = WorkflowEvent.request_info("q2", "clerk", "Which?", str)
    result = workflow_result(state=WorkflowRunState.IDLE_WITH_PENDING_REQUESTS, questions=[asked, other])
    back = trip(result, [Step])
    assert [(one.request_id, one.response_type) for one in back.get_request_info_events()] == [
        ("q1", bool),
        ("q2", str),
    ]
    assert back.get_request_info_events()[1].data == "Which?"
    kinds = [update.contents[0].type for update in updates_of(back)]
    assert kinds == ["function_approval_request", "function_call"]


def test_updates_survive():
    update = AgentResponseUpdate(contents=[Content.from_text("a")], role="assistant", message_id="m")
    assert trip(workflow_result(update)).get_outputs()[0].to_dict() == update.to_dict()


def test_a_providers_own_objects_stay_behind():
    note = {"type": "citation", "title": "t", "raw_representation": object()}
    response = AgentResponse(messages=[Message("assistant", [Content.from_text("a", annotations=[note])])])
    assert trip(response).messages[0].contents[0].annotations == [{"type": "citation", "title": "t"}]


@pytest.mark.parametrize(
    ("result", "place"),
    [
        (workflow_result("fine", b"bytes"), r"outputs\[1\] is a bytes"),
        (workflow_result({"a": [1, object()]}), r"outputs\[0\]\.a\[1\] is a object"),
        (workflow_result({1: "a"}), r"outputs\[0\] has a key of type int"),
        (workflow_result(float("nan")), r"outputs\[0\] is a float"),
        (workflow_result(Step("a", object())), r"outputs\[0\]\.message is a object"),
        (
            AgentResponse(messages=[Message("tool", [Content("function_result", call_id="c", result={1, 2})])]),
            r"answer\.messages\[0\]\.contents\[0\]\.result is a set",
        ),
        (
            AgentResponse(messages=[Message("tool", ["a"], additional_properties={"x": object()})]),
            r"answer\.messages\[0\]\.additional_properties\.x is a object",
        ),
    ],
)
def test_what_json_cannot_hold_is_named(result, place):
    with pytest.raises(PushPayloadNotSerializable, match=place):
        encode_result(HostedRunResult(result))


@pytest.mark.parametrize(
    "stored",
    [
        {},
        {"agent": 3},
        {"agent": {"messages": 3}},
        {"workflow": []},
        {"workflow": {}},
        {"workflow": {"state": "DREAMING", "outputs": [], "questions": []}},
        {"workflow": {"state": None, "outputs": [{"executor": None, "value": {"hologram": 1}}], "questions": []}},
        {"workflow": {"state": None, "outputs": [{"executor": None, "value": 3}], "questions": []}},
    ],
)
def test_what_is_no_stored_result_is_told(stored):
    with pytest.raises(UnreadableRecord):
        decode_result(stored)
