from __future__ import annotations

import asyncio

import pytest

from agent_framework_hosting.turns.ending import to_the_end

pytestmark = pytest.mark.anyio


async def test_work_goes_on_although_its_caller_is_cancelled() -> None:
    started, go_on, done = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def work() -> None:
        started.set()
        await go_on.wait()
        done.set()

    caller = asyncio.create_task(to_the_end(work()))
    await started.wait()
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    go_on.set()
    async with asyncio.timeout(5):
        await done.wait()


async def test_the_caller_waits_and_gets_the_error() -> None:
    async def work() -> None:
        await asyncio.sleep(0)
        raise OSError("disk")

    with pytest.raises(OSError, match="disk"):
        await to_the_end(work())
