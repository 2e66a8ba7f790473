"""A process to be killed while it moves a database: it names each commit that returned, and waits to be let on."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from agent_framework_hosting.ports import Write
from agent_framework_hosting.state.disk import DiskStore
from agent_framework_hosting.state.moving import move_in


class SteppedStore(DiskStore):
    """Commit one step of the parent's at a time."""

    async def commit(self, writes: Sequence[Write]) -> int:
        number = await super().commit(writes)
        sys.stdout.write("committed\n")
        sys.stdout.flush()
        sys.stdin.readline()
        return number


async def main(source: Path, target: Path) -> None:
    store = SteppedStore(target)
    await store.open()
    await move_in(source, store)
    sys.stdout.write("moved\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2])))
