"""Trouble after a workflow has come to rest is the log's matter, not the caller's."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("message", "level"),
    [("Event loop is closed", "WARNING"), ("Inner stream not available", "WARNING"), ("something else", "ERROR")],
)
@pytest.mark.requirement("workflows.teardown")
async def test_an_untidy_end_is_logged_and_the_answer_stands(hosted, workflows, ask, message, level, caplog) -> None:
    async with hosted(workflows.untidy(message)) as wires:
        assert await ask(wires, "hello", True) == "str hello"
    told = [one for one in caplog.records if one.name.startswith("agent_framework_hosting.execution")]
    assert {(one.levelname, bool(one.exc_info)) for one in told} == {(level, level == "ERROR")}
