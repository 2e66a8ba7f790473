"""What durability costs a turn, and how fast ten thousand pending deliveries go out after a restart.

``python benchmarks/delivery.py`` runs turns through ``dispatch`` under 64 concurrent callers, without state and with a
``state_dir``, each without and with an event id (with one the journal commits three times: admitted, running,
answered), around an instant agent and around one that takes 50 ms. Beside them the floor of the same run: the bare
agent, and 64 callers that each wait for one, and for three, group commits.

Then it leaves pending deliveries behind, starts a host on them whose platform takes 5 ms for each, and prints the time
to the last one and the memory used, beside the floor: reading each record and committing twice for it.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import itertools
import resource
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from agent_framework import AgentResponse, AgentSession, Message

from agent_framework_hosting import (
    AgentFrameworkHost,
    ChannelIdentity,
    ChannelRequest,
    Reply,
    ResponseTarget,
    hookimpl,
)
from agent_framework_hosting.ports import Put
from agent_framework_hosting.state.disk import DiskStore
from agent_framework_hosting.testing import InboxChannel

CALLERS = 64
PLATFORM_SECONDS = 0.005
KINDS = [
    ("no state", False, False),
    ("state_dir", True, False),
    ("no state, event id", False, True),
    ("state_dir, event id", True, True),
]
ROUNDS = 5


class InstantAgent:
    """Answers at once; ``think_seconds`` stands for a model."""

    id = name = description = "instant"

    def __init__(self, think_seconds: float) -> None:
        self._think_seconds = think_seconds

    async def run(self, messages: object, *, session: AgentSession | None = None) -> AgentResponse:  # noqa: ARG002 - an agent's signature
        if self._think_seconds:
            await asyncio.sleep(self._think_seconds)
        return AgentResponse(messages=[Message("assistant", ["All is well, and the answer is about this long."])])


class CountingInbox(InboxChannel):
    """Counts pushes; ``closed`` makes them wait, as a platform that is down does."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0
        self.at_once = self.most_at_once = 0
        self.expected = asyncio.Event()
        self.wanted = 0
        self.open = asyncio.Event()

    @hookimpl
    async def push(self) -> str:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await self.open.wait()
        await asyncio.sleep(PLATFORM_SECONDS)
        self.at_once -= 1
        self.count += 1
        if self.count == self.wanted:
            self.expected.set()
        return str(self.count)


async def per_second(work: Callable[[int], Awaitable[object]], total: int) -> float:
    """Run ``work`` for numbers below ``total`` by 64 callers and return how many a second were done."""
    numbers = iter(range(total))

    async def caller() -> None:
        for number in numbers:
            await work(number)

    begun = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(CALLERS)))
    return total / (time.perf_counter() - begun)


async def turns(directory: Path | None, *, events: bool, total: int, think_seconds: float) -> float:
    """Return turns a second through ``dispatch``."""
    inbox, ids = InboxChannel(), itertools.count()
    agent = InstantAgent(think_seconds)
    async with AgentFrameworkHost(agent, channels=[inbox], config={}, state_dir=directory):

        async def one(number: int) -> None:
            who = ChannelIdentity("inbox", f"user-{number % CALLERS}")
            request = ChannelRequest(
                "inbox", "message.create", "How are you?", identity=who, event_id=f"e{next(ids)}" if events else None
            )
            outcome = await inbox.context.dispatch(request)
            assert isinstance(outcome, Reply), outcome

        await per_second(one, total // 10)
        return await per_second(one, total)


async def agent_alone(total: int, think_seconds: float) -> float:
    agent = InstantAgent(think_seconds)
    return await per_second(lambda _: agent.run("How are you?"), total)


async def commits(directory: Path, each: int, total: int) -> float:
    """Return how many times a second a caller gets ``each`` group commits of one small record done."""
    store = DiskStore(directory)
    await store.open()

    async def one(number: int) -> None:
        for step in range(each):
            await store.commit([Put("floor", f"{number}", "x" * 500 + str(step))])

    try:
        return await per_second(one, total)
    finally:
        await store.close()


async def compare_turns(total: int, think_seconds: float) -> None:
    names = ["agent alone", "1 commit", "3 commits", *(kind for kind, _, _ in KINDS)]
    found: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as root:
            at = Path(root)
            found["agent alone"].append(await agent_alone(total, think_seconds))
            found["1 commit"].append(await commits(at / "one", 1, total))
            found["3 commits"].append(await commits(at / "three", 3, total))
            for name, durable, events in KINDS:
                directory = at / name if durable else None
                found[name].append(await turns(directory, events=events, total=total, think_seconds=think_seconds))
    middle = {name: statistics.median(values) for name, values in found.items()}
    print(f"\n{total} turns, {CALLERS} callers, agent takes {think_seconds * 1000:g} ms; median of {ROUNDS} rounds")
    for name, rate in middle.items():
        print(f"  {name:22} {rate:9.0f}/s   ({min(found[name]):.0f} to {max(found[name]):.0f})")
    for plain, durable in (("no state", "state_dir"), ("no state, event id", "state_dir, event id")):
        print(f"  {durable} takes {middle[plain] / middle[durable]:.2f} x the time of {plain}")


def memory_mib() -> float:
    with Path("/proc/self/statm").open(encoding="ascii") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 2**20


async def leave_pending(root: Path, total: int, people: int) -> None:
    """Leave deliveries behind that nobody could take yet."""
    inbox = CountingInbox()
    async with AgentFrameworkHost(InstantAgent(0), channels=[inbox], config={}, state_dir=root) as host:

        async def one(number: int) -> None:
            to = ResponseTarget.identity(ChannelIdentity("inbox", f"user-{number % people}"))
            await host.deliver("All is well, and the answer is about this long.", to)

        print(f"\nscheduled through host.deliver: {await per_second(one, total):.0f}/s")


async def replay(root: Path, total: int) -> None:
    inbox = CountingInbox()
    inbox.wanted = total
    inbox.open.set()
    gc.collect()
    before = memory_mib()
    begun = time.perf_counter()
    async with AgentFrameworkHost(InstantAgent(0), channels=[inbox], config={}, state_dir=root):
        started = time.perf_counter() - begun
        await inbox.expected.wait()
        last = time.perf_counter() - begun
        peak = memory_mib()
    print(
        f"{total} pending: host up after {started:.2f} s, last one out after {last:.2f} s ({total / last:.0f}/s), "
        f"at most {inbox.most_at_once} at once, memory {before:.0f} -> {peak:.0f} MiB"
    )


async def replay_floor(root: Path, total: int) -> None:
    """Read each record and commit twice for it, 64 at a time: what any replay from this store must do."""
    store = DiskStore(root / "floor")
    await store.open()
    await asyncio.gather(*(store.commit([Put("tasks", f"{number:06}", "x" * 900)]) for number in range(total)))

    async def one(number: int) -> None:
        await store.get("tasks", f"{number:06}")
        await store.commit([Put("tasks", f"{number:06}", "y" * 900)])
        await store.commit([Put("tasks", f"{number:06}", "z" * 300)])

    rate = await per_second(one, total)
    await store.close()
    print(f"floor: read and commit twice for each: {total / rate:.2f} s ({rate:.0f}/s)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=3000)
    parser.add_argument("--pending", type=int, default=10_000)
    parser.add_argument("--people", type=int, default=1000, help="destinations of the pending deliveries")
    options = parser.parse_args()
    asyncio.run(compare_turns(options.turns, 0.0))
    asyncio.run(compare_turns(options.turns, 0.05))
    with tempfile.TemporaryDirectory() as root:
        asyncio.run(leave_pending(Path(root), options.pending, options.people))
        asyncio.run(replay(Path(root), options.pending))
        asyncio.run(replay_floor(Path(root), options.pending))


if __name__ == "__main__":
    main()
