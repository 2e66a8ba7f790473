"""A process to be killed: it opens a store, and names each pair of records once their commit has returned."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from agent_framework_hosting.ports import Put
from agent_framework_hosting.state.disk import DiskStore


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def main(directory: Path, writers: int) -> None:
    store = DiskStore(directory)
    await store.open()
    say("open")

    async def write(writer: int) -> None:
        number = 0
        while True:
            key = f"{writer:02}-{number:06}"
            await store.commit([Put("left", key, "x" * 200), Put("right", key, key)])
            say(key)
            number += 1

    await asyncio.gather(*(write(writer) for writer in range(writers)), asyncio.Event().wait())


asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
