"""Which declared outputs and questions could never be stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any, Literal

import pytest
from agent_framework import (
    AgentResponse,
    Content,
    Executor,
    Message,
    WorkflowBuilder,
    WorkflowContext,
    handler,
    response_handler,
)
from pydantic import BaseModel

from agent_framework_hosting.execution.declared import unstorable_classes


class Odd: ...


class Colour(Enum):
    RED = "red"


class Name(str): ...


class Model(BaseModel):
    when: datetime


@dataclass
class Fine:
    model: Model
    names: list[Name]
    more: dict[str, int | None]


@dataclass
class Hides:
    inner: list[Odd]


def workflow_of(output: object):
    class Yields(Executor):
        @handler(input=str, workflow_output=output)
        async def run(self, text, context) -> None: ...

    return WorkflowBuilder(start_executor=Yields(id="yields")).build()


@pytest.mark.parametrize(
    "output",
    [
        *(str, int, bool, float, Name, Model, Fine, datetime, Message, Content, AgentResponse),
        *(list[str], dict[str, Fine], Sequence[Message], Mapping[str, int], tuple[int, str], str | None, Any, object),
        Literal["yes", "no"],
    ],
    ids=repr,
)
def test_can_be_stored(output: object) -> None:
    assert unstorable_classes(workflow_of(output)) == ()


@pytest.mark.parametrize(
    ("output", "named"),
    [(Odd, Odd), (Hides, Odd), (list[Odd], Odd), (str | Odd, Odd), (bytes, bytes), (set, set), (Colour, Colour)],
    ids=repr,
)
def test_cannot_be_stored(output: object, named: type) -> None:
    assert unstorable_classes(workflow_of(output)) == (named,)


def test_a_question_counts_too() -> None:
    class Asks(Executor):
        @handler
        async def run(self, text: str, context: WorkflowContext[None, str]) -> None: ...

        @response_handler
        async def answered(self, asked: Odd, answer: str, context: WorkflowContext[None, str]) -> None: ...

    assert unstorable_classes(WorkflowBuilder(start_executor=Asks(id="asks")).build()) == (Odd,)
