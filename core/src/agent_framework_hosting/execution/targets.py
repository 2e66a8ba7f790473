"""From what a developer passes as ``target`` to what runs it."""

from __future__ import annotations

import os

from agent_framework import (
    CheckpointStorage,
    FunctionalWorkflow,
    FunctionalWorkflowDefinition,
    Workflow,
    WorkflowAgent,
    WorkflowBuilder,
)

from ..errors import HostConfigurationError
from .agent import AgentExecution
from .checkpoints import Checkpoints, DirectoryCheckpoints, StorageCheckpoints
from .declared import checkpoint_types
from .instances import Built, Copies, Instances
from .turn import Execution
from .workflow import WorkflowExecution

CheckpointLocation = str | os.PathLike[str] | CheckpointStorage


def execution_for(target: object, *, checkpoint_location: CheckpointLocation | None = None) -> Execution:
    """Return what runs ``target``: an agent, a ``Workflow``, or a factory of workflows.

    ``checkpoint_location`` is a directory or a ``CheckpointStorage``; agents do not use it. Raises
    ``HostConfigurationError`` for a target that cannot be run, and ``RuntimeError`` when a workflow that keeps
    checkpoints by itself is given a location as well.
    """
    instances = _instances_of(target)
    if instances is not None:
        return WorkflowExecution(instances, _checkpoints(instances.sample, checkpoint_location))
    if callable(getattr(target, "run", None)) and not isinstance(target, type):
        return AgentExecution(target)
    raise HostConfigurationError(
        f"The target is {_described(target)}. Pass an Agent (anything with an agent's run method), a Workflow, or a "
        "function without arguments that returns a new Workflow."
    )


def _instances_of(target: object) -> Instances | None:
    if isinstance(target, Workflow):
        return Copies(target)
    if isinstance(target, WorkflowBuilder):
        return Copies(target.build())
    if isinstance(target, (FunctionalWorkflow, FunctionalWorkflowDefinition)):
        raise HostConfigurationError(
            "The target is a functional workflow, which cannot be hosted. Build it with WorkflowBuilder, or serve an "
            "agent that calls it."
        )
    if isinstance(target, WorkflowAgent):
        raise HostConfigurationError(
            f"The target {target.name!r} is a workflow as an agent, which runs everyone's turns on one instance. Pass "
            "the workflow itself: the host runs it for each person apart."
        )
    if callable(target) and not hasattr(target, "run"):
        return Built(target)
    return None


def _checkpoints(sample: Workflow, location: CheckpointLocation | None) -> Checkpoints | None:
    if location is None:
        return None
    if sample._runner_context.has_checkpointing():  # type: ignore[reportPrivateUsage]  # noqa: SLF001 - no public way
        raise RuntimeError(
            f"The workflow {sample.name!r} has a checkpoint storage of its own, and the host was given one too "
            "(checkpoint_location or state_dir). Build the workflow without checkpoint_storage, or leave the other out."
        )
    if isinstance(location, (str, os.PathLike)):
        return DirectoryCheckpoints(location, checkpoint_types(sample))
    return StorageCheckpoints(location)


def _described(target: object) -> str:
    return f"the class {target.__name__}" if isinstance(target, type) else f"of type {type(target).__name__}"
