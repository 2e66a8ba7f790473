"""What it costs to decide about a speaker and find their key, at a thousand and at a million known people.

    python benchmarks/authorize.py [--quick]

Prints one figure a line. The same work is timed at both sizes, in one process, in turns: the fastest round of each
size, and the median ratio of the rounds.
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import sys
import time
import tracemalloc

from agent_framework_hosting.authorization.allowlists import NativeIdAllowlist
from agent_framework_hosting.authorization.decide import AccessRules
from agent_framework_hosting.authorization.gate import Gate
from agent_framework_hosting.model.identity import ChannelIdentity
from agent_framework_hosting.model.verdict import Allowed
from agent_framework_hosting.records import Catalog
from agent_framework_hosting.sessions.people import People
from agent_framework_hosting.state.memory import MemoryStore

SMALL, LARGE, MEASURED = 1_000, 1_000_000, 100_000
ROUNDS, TURNS = 50, SMALL


def person(number: int) -> ChannelIdentity:
    return ChannelIdentity("telegram", str(100_000_000 + number), {"chat_id": 100_000_000 + number})


async def see(people: People, store: MemoryStore, identity: ChannelIdentity) -> None:
    sighting = await people.sighting(f"telegram:{identity.native_id}", identity, identity.native_id)
    if sighting is not None:
        await store.commit(sighting.writes)
        people.apply(sighting)


def nobody(limit: int) -> tuple[People, MemoryStore]:
    store = MemoryStore()
    return People(store, Catalog(store), limit=limit), store


async def known(count: int) -> People:
    people, store = nobody(count)
    for number in range(count):
        await see(people, store, person(number))
    return people


async def turns(gate: Gate, known: People, people: list[ChannelIdentity]) -> float:
    """Return microseconds per turn: the decision, and the key the person was seen under."""
    began = time.perf_counter()
    for identity in people:
        verdict = await gate.authorize(identity)
        assert isinstance(verdict, Allowed)
        assert known.key_of(identity) == verdict.isolation_key
    return (time.perf_counter() - began) / len(people) * 1e6


async def compare(sizes: tuple[int, int]) -> None:
    everyone = [await known(size) for size in sizes]
    gc.collect()
    gc.freeze()
    # The same number of people takes turns at either size, spread over all that are known
    people = [[person(n * size // TURNS) for n in range(TURNS)] for size in sizes]
    for label, allowlist in (
        ("open", None),
        ("native ids", NativeIdAllowlist(person(n).native_id for n in range(sizes[1]))),
    ):
        gates = [Gate({"telegram": AccessRules("telegram", allowlist)}, each) for each in everyone]
        rounds = [[await turns(*each) for each in zip(gates, everyone, people, strict=True)] for _ in range(ROUNDS)]
        small, large = (min(spent) for spent in zip(*rounds, strict=True))
        ratio = statistics.median(second / first for first, second in rounds)
        print(f"authorize + lookup, {label}: {small:.2f} us at {sizes[0]:,}, {large:.2f} us at {sizes[1]:,} people")
        print(f"authorize + lookup, {label}: ratio {ratio:.2f} (goal below 1.50)")


async def memory(count: int) -> None:
    tracemalloc.start()
    people = await known(count)
    bytes_used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    print(f"memory of {len(people):,} known people: {bytes_used / 2**20:.0f} MiB, {bytes_used // count} bytes each")


async def strangers(count: int, limit: int) -> None:
    people, store = nobody(limit)
    tracemalloc.start()
    sizes: list[int] = []
    for number in range(count):
        await see(people, store, person(number))
        if number in (2 * limit, count - 1):
            sizes.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    growth = sizes[1] / sizes[0]
    print(f"memory after {count:,} strangers with room for {limit:,}: {growth:.2f} of that after {2 * limit:,}")


async def main(*, quick: bool) -> None:
    await memory(MEASURED // 10 if quick else MEASURED)
    await strangers(MEASURED, limit=MEASURED // 10)
    await compare((SMALL, LARGE // 10 if quick else LARGE))


if __name__ == "__main__":
    asyncio.run(main(quick="--quick" in sys.argv))
