"""What a workflow may answer that the codec of results cannot store."""

from __future__ import annotations

import dataclasses
import inspect
import types
from collections.abc import Iterator, Mapping, Sequence
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
        for annotation in _questions(executor):
            found |= dict.fromkeys(_unstorable(annotation, seen))
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
    for field in _field_types(wanted):
        yield from _unstorable(field, seen)


def _field_types(owner: type) -> list[object]:
    try:
        hints = get_type_hints(owner)
    except (NameError, TypeError, AttributeError):  # judged when it is there
        return []
    return [hints[field.name] for field in dataclasses.fields(owner) if field.init]


def _questions(executor: Executor) -> Iterator[object]:
    # agent-framework tells what a response handler takes only through this mapping.
    handlers = cast("dict[tuple[object, object], object]", getattr(executor, "_response_handlers", {}))
    for request_type, _ in handlers:
        yield request_type
