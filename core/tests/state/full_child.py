"""A process whose disk fills up and gets room again; it prints what its callers were told."""

from __future__ import annotations

import asyncio
import json
import resource
import sys
from pathlib import Path

from agent_framework_hosting.errors import StoreError
from agent_framework_hosting.ports import Put
from agent_framework_hosting.state.disk import DiskStore

BIG = "x" * 400_000


class SmallFiles:
    """The operating system refuses to write to any file."""

    def fill(self) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))

    def free(self) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


class FullDisk:
    """The directory lies on a small file system of its own, which another file fills."""

    def __init__(self, directory: Path) -> None:
        self._filler = directory.parent / "filler"

    def fill(self) -> None:
        with self._filler.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"x" * 4096)
            except OSError:
                return

    def free(self) -> None:
        self._filler.unlink()


async def tell(store: DiskStore, key: str) -> str:
    try:
        await store.commit([Put("before", key, ""), Put("big", key, BIG), Put("after", key, "")])
    except StoreError as error:
        return str(error)
    return "kept"


async def main(directory: Path, kind: str) -> None:
    store = DiskStore(directory)
    await store.open()
    await store.commit([Put("before", "first", "")])
    disk = FullDisk(directory) if kind == "disk" else SmallFiles()
    disk.fill()
    told = await asyncio.gather(tell(store, "a"), tell(store, "b"))
    fault = store.fault
    checked = await store.check()
    readable = await store.get("before", "first")
    disk.free()
    recovered = await store.check()
    after = [await tell(store, "c"), store.fault]
    found = {table: [key for key, _ in await store.scan(table)] for table in ("before", "big", "after")}
    await store.close()
    json.dump([told, fault, checked, readable, recovered, after, found], sys.stdout)


asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
