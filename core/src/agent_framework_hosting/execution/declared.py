"""The classes a workflow says it handles: what a checkpoint or a stored result of it may hold."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterator
from typing import cast, get_args, get_type_hints

from agent_framework import Executor, Workflow
from pydantic import BaseModel


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
            pending.extend(_fields(annotation))
    return tuple(found)


def checkpoint_types(workflow: Workflow) -> list[str]:
    """Return the classes in the form ``FileCheckpointStorage`` takes: ``module:qualname``."""
    return [f"{one.__module__}:{one.__qualname__}" for one in declared_classes(workflow)]


def _declared(workflow: Workflow) -> Iterator[object]:
    for executor in workflow.executors.values():
        yield from executor.input_types
        yield from executor.output_types
        yield from executor.workflow_output_types
        yield from _questions(executor)
        inner = getattr(executor, "workflow", None)
        if isinstance(inner, Workflow):
            yield from _declared(inner)


def _questions(executor: Executor) -> Iterator[object]:
    # agent-framework tells what a response handler takes only through this mapping.
    handlers = cast("dict[tuple[object, object], object]", getattr(executor, "_response_handlers", {}))
    for request_type, response_type in handlers:
        yield request_type
        yield response_type


def _fields(owner: type) -> Iterator[object]:
    try:
        yield from get_type_hints(owner).values()
    except (NameError, TypeError, AttributeError):  # an annotation that cannot be resolved names nothing we can allow
        return
