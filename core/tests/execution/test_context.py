from __future__ import annotations

import asyncio
from contextvars import ContextVar, copy_context

import pytest

from agent_framework_hosting.execution.context import InContext

pytestmark = pytest.mark.anyio
colour: ContextVar[str] = ContextVar("colour", default="none")


async def test_every_step_sees_the_context_and_none_leaks_out():
    context = copy_context()
    context.run(colour.set, "red")
    woken = asyncio.Event()

    async def work() -> list[str]:
        seen = [colour.get()]
        await woken.wait()
        colour.set("blue")
        return [*seen, colour.get()]

    colour.set("green")
    asyncio.get_running_loop().call_soon(woken.set)
    assert await InContext(context, work()) == ["red", "blue"]
    assert colour.get() == "green"
    assert context[colour] == "blue"


async def test_errors_pass_through():
    async def work() -> None:
        await asyncio.sleep(0)
        raise LookupError("gone")

    with pytest.raises(LookupError, match="gone"):
        await InContext(copy_context(), work())


async def test_cancellation_reaches_the_awaitable_inside_the_context():
    context = copy_context()
    context.run(colour.set, "red")
    started = asyncio.Event()
    seen: list[str] = []

    async def work() -> None:
        try:
            started.set()
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            seen.append(colour.get())
            raise

    async def wait_for_it() -> None:
        await InContext(context, work())

    task = asyncio.create_task(wait_for_it())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert seen == ["red"]
