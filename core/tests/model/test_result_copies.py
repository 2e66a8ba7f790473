from __future__ import annotations

import pytest
from agent_framework import AgentResponse, AgentSession, Message, WorkflowBuilder, WorkflowContext, executor

from agent_framework_hosting.model.result import HostedRunResult, own_copy, result_text


def test_a_copy_is_equal_and_shares_the_session() -> None:
    session = AgentSession()
    original = HostedRunResult(
        AgentResponse(messages=[Message("user", ["a"]), Message("assistant", ["b"])]), session=session
    )

    copied = own_copy(original)

    assert copied.result is not original.result
    assert copied.result.to_dict() == original.result.to_dict()
    assert copied.session is session


def test_nothing_done_to_a_copy_reaches_the_original() -> None:
    message = Message("assistant", ["b"], additional_properties={"hosting": {}})
    original = HostedRunResult(AgentResponse(messages=[message], additional_properties={"a": 1}))
    before = original.result.to_dict()

    inner = own_copy(original).result
    inner.messages[0].contents[0].text = "changed"
    inner.messages[0].contents.append("changed")
    inner.messages[0].additional_properties["changed"] = True
    inner.messages[0].role = "changed"
    inner.additional_properties["changed"] = True
    inner.messages.clear()

    assert original.result.to_dict() == before


@pytest.mark.anyio
async def test_a_workflows_result_keeps_its_outputs_and_state() -> None:
    @executor(id="answer")
    async def answer(text: str, context: WorkflowContext[None, str]) -> None:
        await context.yield_output(text.upper())

    original = HostedRunResult(await WorkflowBuilder(start_executor=answer).build().run("hi"))

    copied = own_copy(original)
    copied.result.clear()

    assert original.result.get_outputs() == ["HI"]
    again = own_copy(original)
    assert result_text(again) == "HI"
    assert again.result.get_final_state() is original.result.get_final_state()
    assert again.result.status_timeline() == original.result.status_timeline()
