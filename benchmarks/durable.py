"""Durable work beside its floor: how fast the disk takes it, how fast it is done, how it comes back after a restart.

Run ``python benchmarks/durable.py [DIRECTORY]`` on an idle machine; DIRECTORY (default: a temporary one) decides which
disk is measured. The floors are plain diskcache on the same disk with the same durability (``synchronous=FULL``).
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import diskcache

from agent_framework_hosting.ports import DurableTask, Put
from agent_framework_hosting.state.disk import DiskStore
from agent_framework_hosting.tasks.inprocess import InProcessTaskRunner

TASKS = 10_000
WRITERS = 64
COMMITS_EACH = 200
TEXT = "x" * 400
PAYLOAD = {
    "destination": {"channel": "telegram", "native_id": "12345", "attributes": {"chat_id": 12345}},
    "answer": {"type": "agent_response", "messages": [{"role": "assistant", "contents": [{"text": "word " * 150}]}]},
    "echo_done": False,
}


def row(what: str, figure: str, beside: str = "") -> None:
    print(f"{what:<58} {figure:>16}   {beside}")


def floor_cache(directory: Path) -> diskcache.Cache:
    return diskcache.Cache(
        str(directory), eviction_policy="none", cull_limit=0, size_limit=2**62, sqlite_synchronous=2, timeout=5
    )


def floor_single(directory: Path) -> float:
    cache = floor_cache(directory)
    began = time.perf_counter()
    for number in range(2000):
        cache.set(f"single{number:08}", TEXT)
    rate = 2000 / (time.perf_counter() - began)
    cache.close()
    return rate


def floor_batch(directory: Path, size: int) -> float:
    cache = floor_cache(directory)
    began = time.perf_counter()
    for start in range(0, TASKS, size):
        with cache.transact():
            for number in range(start, min(start + size, TASKS)):
                cache.set(f"batch{number:08}", TEXT)
    rate = TASKS / (time.perf_counter() - began)
    cache.close()
    return rate


async def group_commit(directory: Path, writers: int) -> tuple[float, float, float]:
    """Return commits per second and the p50 and p99 of their latency in milliseconds."""
    store = DiskStore(directory)
    await store.open()
    took: list[float] = []

    async def write(writer: int) -> None:
        for number in range(COMMITS_EACH):
            began = time.perf_counter()
            await store.commit([Put("bench", f"{writer:03}{number:06}", TEXT)])
            took.append(time.perf_counter() - began)

    began = time.perf_counter()
    await asyncio.gather(*(write(writer) for writer in range(writers)))
    rate = len(took) / (time.perf_counter() - began)
    await store.close()
    took.sort()
    return rate, took[len(took) // 2] * 1e3, took[len(took) * 99 // 100] * 1e3


async def tasks(directory: Path | None, callers: int) -> tuple[float, float]:
    """Return durable schedules per second while nothing runs, then completions per second of what was scheduled."""
    store = None if directory is None else DiskStore(directory)
    runner = InProcessTaskRunner() if store is None else InProcessTaskRunner(store=store)
    last = asyncio.Event()
    left = TASKS

    async def handler(_: DurableTask) -> str:
        nonlocal left
        left -= 1
        if not left:
            last.set()
        return "message 7"

    runner.register("push", handler)
    await runner.open()
    prepared = []

    async def schedule(number: int) -> None:
        for _ in range(number):
            task = runner.prepare("push", PAYLOAD)
            await runner.store.commit([task.write])
            prepared.append(task)

    began = time.perf_counter()
    await asyncio.gather(*(schedule(TASKS // callers) for _ in range(callers)))
    scheduled = len(prepared) / (time.perf_counter() - began)
    left = len(prepared)
    began = time.perf_counter()
    for task in prepared:
        runner.start(task)
    await last.wait()
    await all_written(runner)
    completed = len(prepared) / (time.perf_counter() - began)
    await runner.shutdown()
    if store is not None:
        await store.close()
    return scheduled, completed


async def all_written(runner: InProcessTaskRunner) -> None:
    while runner.counts()["pending"]:  # noqa: ASYNC110 - the runner does not tell, and a millisecond is fine enough
        await asyncio.sleep(0.001)


async def leave_pending(directory: Path) -> None:
    runner = InProcessTaskRunner(state_dir=directory)

    async def handler(_: DurableTask) -> None:
        raise AssertionError("nothing was started")

    runner.register("push", handler)
    await runner.open()
    await runner.store.commit([runner.prepare("push", PAYLOAD | {"n": number}).write for number in range(TASKS)])
    await runner.shutdown()


def memory_kib() -> tuple[int, int]:
    """Return resident memory now and at its highest."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":" in line)
    return int(status["VmRSS"].split()[0]), int(status["VmHWM"].split()[0])


async def replay(directory: Path) -> None:
    """In a process of its own: resume, wait for the last, and print what it took."""
    runner = InProcessTaskRunner(state_dir=directory)
    at_once = most = 0

    async def handler(_: DurableTask) -> None:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0)
        at_once -= 1

    runner.register("push", handler)
    await runner.open()
    before, _ = memory_kib()
    began = time.perf_counter()
    found = await runner.resume()
    loaded = time.perf_counter() - began
    await all_written(runner)
    took = time.perf_counter() - began
    _, highest = memory_kib()
    await runner.shutdown()
    print(json.dumps([found, loaded, took, highest - before, most]))


def main(root: Path) -> None:
    row("", "per second", "")
    single, batch = floor_single(root / "floor"), floor_batch(root / "floor", 100)
    row("floor: diskcache, one set a transaction", f"{single:,.0f}")
    row("floor: diskcache, 100 sets a transaction", f"{batch:,.0f}")
    for writers in (1, WRITERS):
        rate, p50, p99 = asyncio.run(group_commit(root / f"commit{writers}", writers))
        row(f"commits of {writers} concurrent writers", f"{rate:,.0f}", f"p50 {p50:.2f} ms, p99 {p99:.2f} ms")
    for callers in (WRITERS, 1000):
        scheduled, completed = asyncio.run(tasks(root / f"tasks{callers}", callers))
        row(f"durable schedules, {callers} callers", f"{scheduled:,.0f}", f"{scheduled / batch:.2f} of the batch floor")
        row("durable completions", f"{completed:,.0f}", f"{completed / batch:.2f} of the batch floor, two writes each")
    scheduled, completed = asyncio.run(tasks(None, 1000))
    row("the same in memory: schedules", f"{scheduled:,.0f}")
    row("the same in memory: completions", f"{completed:,.0f}")
    asyncio.run(leave_pending(root / "replay"))
    child = [sys.executable, __file__, "--replay", str(root / "replay")]
    printed = subprocess.run(child, capture_output=True, text=True, check=True).stdout
    found, loaded, took, grown, most = json.loads(printed)
    row(f"replay of {found:,} pending after a restart", f"{found / took:,.0f}", f"{took:.2f} s to the last")
    row("", "", f"all known after {loaded:.2f} s; memory +{grown / 1024:.0f} MiB; at most {most} at a time")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--replay"]:
        asyncio.run(replay(Path(sys.argv[2])))
    elif len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as directory:
            main(Path(directory))
