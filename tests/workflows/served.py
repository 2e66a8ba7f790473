"""A program that hosts a workflow with a question, for tests that stop it: ``python served.py STATE_DIR PORT KIND``."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

from agent_framework import Executor, Workflow, WorkflowBuilder, WorkflowContext, handler, response_handler
from pydantic import BaseModel

from agent_framework_hosting import AgentFrameworkHost
from host_channel_echo import EchoChannel
from host_channel_responses import ResponsesChannel


@dataclass
class Ask:
    question: str


class Verdict(BaseModel):
    approved: bool
    reason: str = ""


class Clerk(Executor):
    def __init__(self, answer: type) -> None:
        super().__init__(id="clerk")
        self.answer = answer
        self.wishes: list[str] = []

    @handler
    async def ask(self, wish: str, ctx: WorkflowContext[str, str]) -> None:
        self.wishes.append(wish)
        await ctx.request_info(Ask(f"Do {wish}?"), self.answer)

    @response_handler
    async def decided(self, asked: Ask, answer: bool, ctx: WorkflowContext[str, str]) -> None:
        await ctx.yield_output(f"{self.wishes}: {answer}")

    @response_handler
    async def ruled(self, asked: Ask, answer: Verdict, ctx: WorkflowContext[str, str]) -> None:
        await ctx.yield_output(f"{self.wishes}: {answer.approved} {answer.reason}")

    async def on_checkpoint_save(self) -> dict[str, Any]:
        return {"wishes": self.wishes}

    async def on_checkpoint_restore(self, state: dict[str, Any]) -> None:
        self.wishes = list(state["wishes"])


def build(answer: type) -> Workflow:
    return WorkflowBuilder(start_executor=Clerk(answer)).build()


if __name__ == "__main__":
    state_dir, port, kind = sys.argv[1:]
    host = AgentFrameworkHost(
        lambda: build({"bool": bool, "model": Verdict}[kind]),
        channels=[ResponsesChannel(api_keys={"ada": "ada-secret", "grace": "grace-secret"}), EchoChannel()],
        config={},
        state_dir=state_dir,
    )
    host.serve(port=int(port))
