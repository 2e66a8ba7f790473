from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from agent_framework import AgentResponse, Content, Message, WorkflowEvent, WorkflowRunResult
from pydantic import BaseModel

from agent_framework_hosting.model.result import HostedRunResult, result_text

DUE = datetime(2024, 5, 1, tzinfo=UTC)


class Order(BaseModel):
    text: str
    due: datetime


@dataclass
class Ask:
    question: str
    amount: int = 3


def workflow_result(*outputs, asking=()):
    events = [WorkflowEvent("output", output, executor_id="e") for output in outputs]
    return WorkflowRunResult(events + [WorkflowEvent.request_info("q", "e", data, bool) for data in asking])


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (AgentResponse(messages=[Message("assistant", ["hello"])]), "hello"),
        (HostedRunResult(AgentResponse(messages=[Message("assistant", ["hello"])])), "hello"),
        (AgentResponse(messages=[Message("assistant", ["a\ud83db \U0001f600"])]), "a\ufffdb \U0001f600"),
        (workflow_result("one", Message("assistant", ["two"]), None, 3), "one\ntwo\n3"),
        (workflow_result(Content.from_data(b"x", "image/png"), "seen"), "seen"),
        (workflow_result(Ask("Why?")), '{"question": "Why?", "amount": 3}'),
        (workflow_result(Order(text="a", due=DUE)), '{"text": "a", "due": "2024-05-01T00:00:00Z"}'),
    ],
)
def test_the_text_of_a_result(result, expected):
    assert result_text(result) == expected


def test_open_questions_follow_the_outputs():
    call = Content.from_function_call("c", "pay", arguments='{"amount": 3}')
    asked = [Ask("Sure?"), "Really?", Content.from_function_approval_request("c", call), {"a": 1}]
    assert result_text(workflow_result("so far", asking=asked)).splitlines() == [
        "so far",
        "Sure?",
        "Really?",
        'Approve pay({"amount": 3})?',
        '{"a": 1}',
    ]
