from __future__ import annotations

import pytest
from agent_framework import AgentResponse, Message

from agent_framework_hosting import Accepted, Busy, Denied, Duplicate, Failed, HostedRunResult, Reply
from host_channel_echo.rendering import render_outcome, render_push, render_state, status_of


def said(text: str, role: str = "assistant") -> HostedRunResult:
    return HostedRunResult(AgentResponse(messages=[Message(role, [text])]))


@pytest.mark.parametrize(
    ("outcome", "status", "body"),
    [
        (Reply(said("hello")), 200, {"outcome": "reply", "text": "hello"}),
        (Accepted("t1"), 202, {"outcome": "accepted", "id": "t1"}),
        (Duplicate("e1"), 200, {"outcome": "duplicate"}),
        (Denied("policy_denied", "Not you."), 403, {"outcome": "denied", "message": "Not you."}),
        (Failed("x", "Sorry.", 500), 500, {"outcome": "failed", "code": "x", "message": "Sorry."}),
    ],
)
def test_an_outcome_as_an_answer(outcome: object, status: int, body: dict[str, object]) -> None:
    assert (status_of(outcome, ()), render_outcome(outcome)) == (status, body)


def test_a_busy_host_asks_for_patience() -> None:
    assert (status_of(Busy(), ()), render_outcome(Busy())["outcome"]) == (429, "busy")


def test_what_a_command_wrote_is_the_answer() -> None:
    assert render_outcome(Accepted(""), ["one", "two"]) == {"outcome": "reply", "text": "one\ntwo"}
    assert status_of(Accepted(""), ["one"]) == 200


def test_a_push_says_whose_words_it_carries() -> None:
    assert render_push(said("hi", "user")) == {"text": "hi", "role": "user", "state": "final"}
    assert render_push(said("hello")) == {"text": "hello", "role": "assistant", "state": "final"}
    assert render_push(HostedRunResult(AgentResponse(messages=[]))) == {
        "text": "",
        "role": "assistant",
        "state": "final",
    }


def test_an_unfinished_answer_says_so() -> None:
    assert render_state("hel", "partial") == {"text": "hel", "role": "assistant", "state": "partial"}
