"""From outcomes and answers to JSON. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from agent_framework import AgentResponse

from agent_framework_hosting import HostedRunResult, Outcome, Reply, result_text

PushState = Literal["partial", "final", "failed"]


def render_outcome(outcome: Outcome, replies: Sequence[str] = ()) -> dict[str, object]:
    """Return the body of an HTTP answer; ``replies`` are what a command wrote."""
    return {"outcome": "reply", "text": "\n".join(replies)} if replies else outcome.to_public_dict()


def render_push(result: HostedRunResult) -> dict[str, object]:
    """Return the body of a push: the text, and whose words they are."""
    answer = result.result
    role = answer.messages[0].role if isinstance(answer, AgentResponse) and answer.messages else "assistant"
    return {"text": result_text(result), "role": role, "state": "final"}


def render_state(text: str, state: PushState) -> dict[str, object]:
    """Return the body of an update while an answer is written."""
    return {"text": text, "role": "assistant", "state": state}


def status_of(outcome: Outcome, replies: Sequence[str]) -> int:
    """Return the HTTP status of an outcome."""
    return 200 if replies or isinstance(outcome, Reply) else outcome.status_code
