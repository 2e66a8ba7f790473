"""The classes a workflow declares: what a checkpoint or a stored result of it may hold, and what neither can."""

from __future__ import annotations

import dataclasses
import inspect
import types
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, Literal, Union, cast, get_args, get_origin, get_type_hints
from uuid import UUID

from agent_framework import AgentResponse, AgentResponseUpdate, Content, Executor, Message, Workflow
from pydantic import BaseModel

_AS_THEY_ARE = (str, int, float, BaseModel, AgentResponse, AgentResponseUpdate, Content, Message)
_EXACTLY: frozenset[object] = frozenset(
    {Any, object, type(None), list, tuple, dict, Mapping, Sequence, datetime, date, time, UUID, Decimal}
)
_CONTAINERS = frozenset({Union, types.UnionType, list, tuple, dict, Mapping, Sequence})


def declared_classes(workflow: Workflow) -> tuple[type, ...]:
    """Return the classes of all messages, outputs, questions and answers, and of the fields inside them."""
    found: dict[type, None] = {}
    pending: list[object] = list(_declared(workflow))
    while pending:
        annotation = pending.pop()
        pending.extend(get_args(annotation))
        if not inspect.isclass(annotation) or annotation in found or annotation.__module__ == "builtins":
            continue
        found[annotation] = None
        if dataclasses.is_dataclass(annotation) or issubclass(annotation, BaseModel):
            pending.extend(_hints(annotation).values())
    return tuple(found)


def checkpoint_types(workflow: Workflow) -> list[str]:
    """Return the classes in the form ``FileCheckpointStorage`` takes: ``module:qualname``."""
    return [f"{one.__module__}:{one.__qualname__}" for one in declared_classes(workflow)]


def _declared(workflow: Workflow) -> Iterator[object]:
    for executor in workflow.executors.values():
        yield from executor.input_types
        yield from executor.output_types
        yield from executor.workflow_output_types
        for question_and_answer in _asked(executor):
            yield from question_and_answer
        inner = getattr(executor, "workflow", None)
        if isinstance(inner, Workflow):
            yield from _declared(inner)


def unstorable_classes(workflow: Workflow) -> tuple[type, ...]:
    """Return the declared classes of outputs and questions that ``encode_result`` would refuse, each once.

    What is declared as ``Any`` may hold anything and is judged when it is there.
    """
    found: dict[type, None] = {}
    seen: set[type] = set()
    for executor in workflow.get_output_executors():
        for annotation in executor.workflow_output_types:
            found |= dict.fromkeys(_unstorable(annotation, seen))
    for executor in workflow.executors.values():
        for question, _ in _asked(executor):
            found |= dict.fromkeys(_unstorable(question, seen))
    return tuple(found)


def _unstorable(annotation: object, seen: set[type]) -> Iterator[type]:
    origin = get_origin(annotation)
    if origin is Literal:
        return
    if origin in _CONTAINERS:
        for argument in get_args(annotation):
            yield from _unstorable(argument, seen)
        return
    wanted = origin or annotation
    if not inspect.isclass(wanted) or wanted in _EXACTLY or wanted in seen or issubclass(wanted, _AS_THEY_ARE):
        return
    seen.add(wanted)
    if not dataclasses.is_dataclass(wanted):
        yield wanted
        return
    hints = _hints(wanted)
    for field in dataclasses.fields(wanted):
        if field.init and field.name in hints:
            yield from _unstorable(hints[field.name], seen)


def _asked(executor: Executor) -> Iterable[tuple[object, object]]:
    """Return the types of what an executor asks, each with that of its answer."""
    # agent-framework tells what a response handler takes only through this mapping.
    return cast("dict[tuple[object, object], object]", getattr(executor, "_response_handlers", {}))


def _hints(owner: type) -> Mapping[str, object]:
    """Return the types of a class's fields; none when one cannot be resolved: it names nothing we can allow."""
    try:
        return get_type_hints(owner)
    except (NameError, TypeError, AttributeError):
        return {}
