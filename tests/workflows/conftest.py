"""Workflows to host; test modules do not import one another."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
from agent_framework import (
    Executor,
    Message,
    Workflow,
    WorkflowBuilder,
    WorkflowContext,
    handler,
    response_handler,
)
from pydantic import BaseModel


class Order(BaseModel):
    item: str
    count: int = 1


@dataclass
class Parcel:
    item: str
    weight: float


@dataclass
class Ask:
    question: str


@dataclass
class Verdict:
    approved: bool
    reason: str = ""


class Collector(Executor):
    """Answer with everything it was ever told: whoever shares it sees the others' words."""

    def __init__(self) -> None:
        super().__init__(id="collector")
        self.told: list[str] = []

    @handler
    async def tell(self, text: str, ctx: WorkflowContext[str, str]) -> None:
        self.told.append(text)
        for _ in range(10):  # let the other runs in
            await asyncio.sleep(0)
        await ctx.yield_output(",".join(self.told))

    async def on_checkpoint_save(self) -> dict[str, Any]:
        return {"told": list(self.told)}

    async def on_checkpoint_restore(self, state: dict[str, Any]) -> None:
        self.told = list(state["told"])


class Clerk(Executor):
    """Ask before doing; ``answer`` is the type of the answer it waits for."""

    def __init__(self, answer: type) -> None:
        super().__init__(id="clerk")
        self.answer = answer
        self.wish = ""

    @handler
    async def ask(self, wish: str, ctx: WorkflowContext[str, str]) -> None:
        self.wish = wish
        await ctx.request_info(Ask(f"Do {wish}?"), self.answer)

    @response_handler
    async def decided(self, asked: Ask, answer: bool, ctx: WorkflowContext[str, str]) -> None:
        await ctx.yield_output(f"{self.wish}: {answer}")

    @response_handler
    async def told(self, asked: Ask, answer: str, ctx: WorkflowContext[str, str]) -> None:
        await ctx.yield_output(f"{self.wish}: {answer}")

    @response_handler
    async def ruled(self, asked: Ask, answer: Verdict, ctx: WorkflowContext[str, str]) -> None:
        await ctx.yield_output(f"{self.wish}: {answer.approved}")

    async def on_checkpoint_save(self) -> dict[str, Any]:
        return {"wish": self.wish}

    async def on_checkpoint_restore(self, state: dict[str, Any]) -> None:
        self.wish = state["wish"]


class _Taker(Executor):
    def __init__(self) -> None:
        super().__init__(id="taker")


class Texts(_Taker):
    @handler
    async def take(self, given: str, ctx: WorkflowContext[None, str]) -> None:
        await ctx.yield_output(f"str {given}")


class Messages(_Taker):
    @handler
    async def take(self, given: Message, ctx: WorkflowContext[None, str]) -> None:
        await ctx.yield_output(f"Message {given.role} {given.text}")


class Lists(_Taker):
    @handler
    async def take(self, given: list[Message], ctx: WorkflowContext[None, str]) -> None:
        await ctx.yield_output(f"list {len(given)} {given[-1].text}")


class Orders(_Taker):
    @handler
    async def take(self, given: Order, ctx: WorkflowContext[None, str]) -> None:
        await ctx.yield_output(f"Order {given.count} {given.item}")


class Parcels(_Taker):
    @handler
    async def take(self, given: Parcel, ctx: WorkflowContext[None, str]) -> None:
        await ctx.yield_output(f"Parcel {given.item} {given.weight}")


class Numbers(_Taker):
    @handler
    async def take(self, given: int, ctx: WorkflowContext[None, str]) -> None:
        await ctx.yield_output(f"int {given}")


class Untidy(Workflow):
    """A workflow whose streams fail once they are over."""

    def run(self, *args: Any, stream: bool = False, **options: Any):
        def spoil() -> None:
            raise RuntimeError(self.description)

        running = super().run(*args, stream=stream, **options)
        return running.with_cleanup_hook(spoil) if stream else running


def _untidy(message: str) -> Callable[[], Workflow]:
    def build() -> Workflow:
        workflow = WorkflowBuilder(start_executor=Texts(), name="untidy", description=message).build()
        workflow.__class__ = Untidy
        return workflow

    return build


@pytest.fixture
def workflows() -> SimpleNamespace:
    """Build workflows by what their first executor does."""

    def of(start: Callable[[], Executor], **options: Any) -> Callable[[], Workflow]:
        return lambda: WorkflowBuilder(start_executor=start(), name=start.__name__, **options).build()

    return SimpleNamespace(
        collector=of(Collector),
        owning_storage=lambda storage: of(Collector, checkpoint_storage=storage),
        texts=of(Texts),
        messages=of(Messages),
        lists=of(Lists),
        orders=of(Orders),
        parcels=of(Parcels),
        numbers=of(Numbers),
        untidy=_untidy,
        clerk=lambda answer=bool: lambda: WorkflowBuilder(start_executor=Clerk(answer), name="clerk").build(),
        of=of,
        Clerk=Clerk,
        Verdict=Verdict,
    )


@pytest.fixture
def settled():
    """Follow a background response to its end, by its events, and return it."""

    async def follow(wires, response):
        client = await wires.client()
        async for _ in await client.responses.retrieve(response.id, stream=True):
            pass
        return await client.responses.retrieve(response.id)

    return follow
