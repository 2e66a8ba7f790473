"""What must come to its end although whoever waits for it goes away."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine

_under_way: set[asyncio.Task[None]] = set()  # the loop itself holds tasks weakly


async def to_the_end(work: Coroutine[object, object, None]) -> None:
    """Run ``work``, all of it, even when the caller is cancelled meanwhile; only then it is not waited for."""
    await asyncio.shield(see_to(work))


def see_to(work: Coroutine[object, object, None]) -> asyncio.Task[None]:
    """Run ``work``, all of it, without waiting for it."""
    task = asyncio.get_running_loop().create_task(work)
    _under_way.add(task)
    task.add_done_callback(_under_way.discard)
    return task
