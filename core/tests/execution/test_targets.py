from __future__ import annotations

import pytest
from agent_framework import InMemoryCheckpointStorage, WorkflowBuilder, workflow

from agent_framework_hosting.errors import HostConfigurationError
from agent_framework_hosting.execution.agent import AgentExecution
from agent_framework_hosting.execution.targets import execution_for
from agent_framework_hosting.execution.workflow import WorkflowExecution


class Shy:
    async def run(self, messages=None, **_):
        return None


def test_what_runs_what(doubles):
    assert isinstance(execution_for(doubles.agent()), AgentExecution)
    assert isinstance(execution_for(Shy()), AgentExecution)
    assert isinstance(execution_for(doubles.workflow(doubles.Collector())), WorkflowExecution)
    assert isinstance(execution_for(lambda: doubles.workflow(doubles.Collector())), WorkflowExecution)
    assert isinstance(execution_for(WorkflowBuilder(start_executor=doubles.Collector())), WorkflowExecution)


@pytest.mark.parametrize("target", [None, 42, "app:agent", Shy, object()])
def test_anything_else_is_refused_with_what_to_pass(target):
    with pytest.raises(HostConfigurationError, match=r"Pass an Agent .* a Workflow"):
        execution_for(target)


def test_a_functional_workflow_is_refused():
    @workflow
    async def pipeline(said: str) -> str:
        return said

    for target in (pipeline, pipeline.build()):
        with pytest.raises(HostConfigurationError, match="functional workflow"):
            execution_for(target)


def test_a_workflow_as_an_agent_is_refused(doubles):
    with pytest.raises(HostConfigurationError, match="Pass the workflow itself"):
        execution_for(doubles.workflow(doubles.agent()).as_agent())


def test_two_places_for_checkpoints_are_one_too_many(doubles, tmp_path):
    owning = doubles.workflow(doubles.Collector(), checkpoint_storage=InMemoryCheckpointStorage())
    assert execution_for(owning)
    for location in (tmp_path, str(tmp_path), InMemoryCheckpointStorage()):
        with pytest.raises(RuntimeError, match="checkpoint storage of its own"):
            execution_for(owning, checkpoint_location=location)


def test_an_agent_has_no_use_for_a_checkpoint_location(doubles, tmp_path):
    assert isinstance(execution_for(doubles.agent(), checkpoint_location=tmp_path / "c"), AgentExecution)
    assert not (tmp_path / "c").exists()


def test_construction_writes_nothing(doubles, tmp_path):
    execution_for(doubles.workflow(doubles.Collector()), checkpoint_location=tmp_path / "c")
    assert not (tmp_path / "c").exists()
