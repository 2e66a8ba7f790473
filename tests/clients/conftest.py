from __future__ import annotations

from dataclasses import dataclass

import pytest
from agent_framework import Executor, Workflow, WorkflowBuilder, WorkflowContext, handler, response_handler


@dataclass
class Ask:
    question: str


class Clerk(Executor):
    @handler
    async def ask(self, wish: str, ctx: WorkflowContext[str, str]) -> None:
        await ctx.request_info(Ask(wish), bool)

    @response_handler
    async def decided(self, asked: Ask, answer: bool, ctx: WorkflowContext[str, str]) -> None:
        await ctx.yield_output(f"{asked.question}: {answer}")


def build() -> Workflow:
    return WorkflowBuilder(start_executor=Clerk(id="clerk")).build()


@pytest.fixture
def workflows_clerk():
    return build
