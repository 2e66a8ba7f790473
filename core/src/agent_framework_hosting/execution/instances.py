"""A workflow instance for every run: executors keep state on themselves, so no two runs share them."""

from __future__ import annotations

import asyncio
import copy
import uuid
from collections.abc import Callable, Iterator, Mapping
from types import FunctionType
from typing import Protocol, cast

from agent_framework import (
    AgentSession,
    Executor,
    FunctionExecutor,
    SupportsAgentRun,
    SupportsChatGetResponse,
    Workflow,
)

from ..errors import HostConfigurationError

FACTORY_FORM = (
    "Pass a factory instead, a function without arguments that builds a new workflow: "
    "AgentFrameworkHost(lambda: build_workflow(), ...)."
)


_MADE_TO_BE_SHARED = (SupportsAgentRun, SupportsChatGetResponse, asyncio.AbstractEventLoop)


class Instances(Protocol):
    """Where fresh workflows come from."""

    @property
    def sample(self) -> Workflow:
        """One of them, to look at; it is never run."""
        ...

    def fresh(self) -> Workflow:
        """Return a workflow no other run has or will see."""
        ...


class Copies:
    """Copy a given instance for every run; raises ``HostConfigurationError`` when it cannot be copied."""

    def __init__(self, workflow: Workflow) -> None:
        self._shared = {id(one): one for one in _shared_parts(workflow)}
        self._sessions = [one for one in _parts(workflow) if isinstance(one, AgentSession)]
        self._original = workflow  # its parts are known by their addresses: they must stay alive
        _refuse_captured_executors(workflow)
        try:
            self._pristine = self._copy(workflow)
            self._shared |= {id(one): one for one in _shared_parts(self._pristine)}
            self._sessions = [one for one in _parts(self._pristine) if isinstance(one, AgentSession)]
            self.fresh()
        except Exception as error:
            raise HostConfigurationError(
                f"The workflow {workflow.name!r} cannot be copied, so its runs would share the state of its executors "
                f"({type(error).__name__} while copying). {FACTORY_FORM}"
            ) from error

    @property
    def sample(self) -> Workflow:
        """The pristine copy."""
        return self._pristine

    def fresh(self) -> Workflow:
        """Return a new copy of the pristine one."""
        return self._copy(self._pristine)

    def _copy(self, workflow: Workflow) -> Workflow:
        # Agents, clients and storages are made to be shared. A session is not: two people's agents would write into
        # one history, so each copy gets sessions of its own.
        memo = dict(self._shared)
        for session in self._sessions:
            memo[id(session)] = own = AgentSession(session_id=str(uuid.uuid4()))
            own.state.update(copy.deepcopy(session.state))
        return copy.deepcopy(workflow, memo)


class Built:
    """Build a workflow for every run, copying what a factory hands out twice."""

    def __init__(self, build: Callable[[], object]) -> None:
        self._build = build
        self._sample = self._built()
        self._copies: Copies | None = None

    @property
    def sample(self) -> Workflow:
        """The first one built."""
        return self._sample

    def fresh(self) -> Workflow:
        """Return a new workflow with executors of its own."""
        if self._copies is None:
            workflow = self._built()
            if workflow is not self._sample and not _shares_state(workflow.executors, self._sample.executors):
                return workflow
            self._copies = Copies(self._sample)
        return self._copies.fresh()

    def _built(self) -> Workflow:
        workflow = self._build()
        if not isinstance(workflow, Workflow):
            raise HostConfigurationError(
                f"The workflow factory returned {type(workflow).__name__}; it must return a new Workflow, not a "
                "coroutine and not an agent."
            )
        return workflow


def _shares_state(executors: Mapping[str, Executor], others: Mapping[str, Executor]) -> bool:
    return any(
        executor is others.get(name) and not isinstance(executor, FunctionExecutor)
        for name, executor in executors.items()
    )


def _parts(workflow: Workflow) -> Iterator[object]:
    """Yield what a workflow's executors hold, containers opened, sub-workflows included."""
    for owner in (*workflow.executors.values(), workflow._runner_context):  # type: ignore[reportPrivateUsage]  # noqa: SLF001 - no public way
        pending = list(vars(owner).values())
        seen: set[int] = set()
        while pending:
            part = pending.pop()
            if id(part) in seen:
                continue
            seen.add(id(part))
            yield part
            if isinstance(part, dict):
                pending.extend(cast("dict[object, object]", part).values())
            elif isinstance(part, (list, tuple, set, frozenset)):
                pending.extend(cast("list[object]", part))
            elif isinstance(part, Workflow):
                yield from _parts(part)


def _shared_parts(workflow: Workflow) -> Iterator[object]:
    for part in _parts(workflow):
        is_storage = hasattr(part, "get_latest") and hasattr(part, "list_checkpoints")
        if is_storage or (isinstance(part, _MADE_TO_BE_SHARED) and not isinstance(part, Executor)):
            yield part


def _refuse_captured_executors(workflow: Workflow) -> None:
    """Refuse functions that hold on to an executor: a copy would go on calling the original."""
    executors = {id(one) for one in workflow.executors.values()}
    for part in _parts(workflow):
        cells = part.__closure__ if isinstance(part, FunctionType) else None
        if any(id(cell.cell_contents) in executors for cell in cells or () if _is_set(cell)):
            raise HostConfigurationError(
                f"The workflow {workflow.name!r} cannot be copied: an executor holds a function that refers to the "
                f"executor itself, so its runs would share state. {FACTORY_FORM}"
            )


def _is_set(cell: object) -> bool:
    try:
        cell.cell_contents  # type: ignore[attr-defined] # noqa: B018 - reading it is the only test there is
    except ValueError:
        return False
    return True
