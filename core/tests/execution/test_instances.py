from __future__ import annotations

import asyncio
import threading

import pytest
from agent_framework import (
    AgentExecutor,
    AgentSession,
    Executor,
    WorkflowBuilder,
    WorkflowContext,
    WorkflowExecutor,
    handler,
)

from agent_framework_hosting.errors import HostConfigurationError
from agent_framework_hosting.execution.instances import Built, Copies

pytestmark = pytest.mark.anyio


async def outputs(workflow, said):
    return (await workflow.run(said)).get_outputs()


@pytest.mark.requirement("workflows.apart")
async def test_copies_start_pristine_and_share_nothing(doubles):
    copies = Copies(doubles.workflow(doubles.Collector()))
    first = copies.fresh()
    assert await outputs(first, "a") == ["a"]
    assert await outputs(first, "b") == ["a,b"]
    assert await outputs(copies.fresh(), "c") == ["c"]


async def test_a_workflow_that_was_run_before_can_be_copied(doubles):
    workflow = doubles.workflow(doubles.Collector())
    await workflow.run("warm-up")
    assert await outputs(Copies(workflow).fresh(), "a") == ["warm-up,a"]
    assert await outputs(Copies(workflow).fresh(), "b") == ["warm-up,b"]


async def test_agents_are_shared_but_their_sessions_are_not(doubles):
    diary = doubles.Diary()
    agent = doubles.agent(diary)
    copies = Copies(doubles.workflow(AgentExecutor(agent, session=AgentSession(session_id="fixed"))))
    for said in ("one", "two"):
        assert [one.text for one in await outputs(copies.fresh(), said)] == [f"1: {said}"]
    assert len(agent.client.seen) == 2
    assert len(diary.pages) == 2
    assert "fixed" not in diary.pages


async def test_a_workflow_inside_a_workflow_is_copied_too(doubles):
    inner = WorkflowExecutor(doubles.workflow(doubles.Collector()), id="inner", allow_direct_output=True)
    copies = Copies(doubles.workflow(inner))
    assert await outputs(copies.fresh(), "a") == ["a"]
    assert await outputs(copies.fresh(), "b") == ["b"]


@pytest.mark.requirement("workflows.apart")
def test_what_cannot_be_copied_is_refused_with_the_factory_form(doubles):
    collector = doubles.Collector()
    collector.lock = threading.Lock()
    with pytest.raises(HostConfigurationError, match=r"cannot be copied.*Pass a factory instead"):
        Copies(doubles.workflow(collector))


def test_a_function_that_holds_its_executor_is_refused(doubles):
    collector = doubles.Collector()
    collector.last = lambda: collector.told[-1]
    with pytest.raises(HostConfigurationError, match=r"refers to the executor itself.*Pass a factory instead"):
        Copies(doubles.workflow(collector))


@pytest.mark.requirement("workflows.apart")
async def test_a_factory_builds_one_for_every_run(doubles):
    built = Built(lambda: doubles.workflow(doubles.Collector()))
    assert await outputs(built.fresh(), "a") == ["a"]
    assert await outputs(built.fresh(), "b") == ["b"]


@pytest.mark.parametrize("reused", ["workflow", "executor"])
async def test_what_a_factory_hands_out_twice_is_copied(doubles, reused):
    collector = doubles.Collector()
    workflow = doubles.workflow(collector)
    built = Built(lambda: workflow if reused == "workflow" else WorkflowBuilder(start_executor=collector).build())
    assert await outputs(built.fresh(), "a") == ["a"]
    assert await outputs(built.fresh(), "b") == ["b"]


async def test_a_factory_of_something_else_is_refused(doubles):
    with pytest.raises(HostConfigurationError, match="factory returned Agent; it must return a new Workflow"):
        Built(doubles.agent)


async def test_copies_run_at_once(doubles):
    copies = Copies(doubles.workflow(doubles.Collector()))
    said = [f"word {number}" for number in range(50)]
    answers = await asyncio.gather(*(outputs(copies.fresh(), word) for word in said))
    assert answers == [[word] for word in said]


async def test_containers_that_hold_themselves_are_no_trap(doubles):
    class Knot(Executor):
        def __init__(self) -> None:
            super().__init__(id="knot")
            self.things: list[object] = []
            self.things.append(self.things)

        @handler
        async def tell(self, text: str, ctx: WorkflowContext[str, str]) -> None:
            await ctx.yield_output(text)

    assert await outputs(Copies(doubles.workflow(Knot())).fresh(), "a") == ["a"]
