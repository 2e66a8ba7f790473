"""Measure how far one warm turn walks through the host, and how often it commits.

    python scripts/trace_turn.py [--list]

A host with a ``state_dir`` and one channel answers a few messages; then one message by ``dispatch`` and one by
``admit`` until it is delivered are traced, each a second after the one before it, so that the sighting of the speaker
is stored too. Both carry an event id: the journal keeps them. Per way, the median of some rounds:

- functions: different functions of the host entered. What Python generates (a dataclass's ``__init__``) is none.
- modules: different modules they stand in.
- changes: how often the walk goes on in another module than before. Every call and every resumed coroutine is a step
  of the walk; the event loop's tasks and callbacks walk along, the store's own thread does not.
- commits: calls of a store's ``commit``, and how many stores they went to.

``--list`` also prints the modules with the number of steps in each. Only the host's package is looked at, without
``testing``; nothing but public names is imported, so that figures can be compared however modules move.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import CodeType, FrameType

import agent_framework_hosting
from agent_framework_hosting import AgentFrameworkHost, ChannelIdentity, ChannelRequest
from agent_framework_hosting.ports import Store
from agent_framework_hosting.testing import EchoAgent, InboxChannel

PACKAGE = agent_framework_hosting.__name__
STORE_NAMES = [name for name in vars(Store) if not name.startswith("_")]
ROUNDS = 5
WARM_UPS = 3
APART_SECONDS = 1.2
SETTLE_SECONDS = 0.3


@dataclass
class Walk:
    """The steps through the host's modules, and the commits on the way."""

    functions: set[CodeType] = field(default_factory=set)
    steps: list[str] = field(default_factory=list)
    commits: dict[FrameType, object] = field(default_factory=dict)

    def __call__(self, frame: FrameType, event: str, _: object) -> None:
        """Take one event of the profiler; a frame that is kept is not taken for another one."""
        code, module = frame.f_code, frame.f_globals.get("__name__", "")
        if event != "call" or not module.startswith(PACKAGE) or module.startswith(f"{PACKAGE}.testing"):
            return
        if code.co_filename == "<string>":
            return
        self.functions.add(code)
        self.steps.append(module)
        owner = frame.f_locals.get("self")
        if code.co_name == "commit" and all(hasattr(owner, name) for name in STORE_NAMES):
            self.commits[frame] = owner

    @property
    def figures(self) -> tuple[int, int, int, int, int]:
        """Functions, modules, changes, commits, stores."""
        changes = sum(one != other for one, other in zip(self.steps, self.steps[1:], strict=False))
        stores = len({id(store) for store in self.commits.values()})
        return len(self.functions), len(set(self.steps)), changes, len(self.commits), stores


@contextmanager
def walking(walk: Walk) -> Iterator[None]:
    """Trace this thread."""
    sys.setprofile(walk)
    try:
        yield
    finally:
        sys.setprofile(None)


async def measure(rounds: int) -> dict[str, list[Walk]]:
    """Return the walks of both ways."""
    found: dict[str, list[Walk]] = {"dispatch": [], "admit to delivered": []}
    with tempfile.TemporaryDirectory() as state:
        inbox = InboxChannel()
        host = AgentFrameworkHost(EchoAgent(), channels=[inbox], config={"snapshot_sessions": True}, state_dir=state)
        async with host:

            async def dispatch(event: str) -> None:
                await inbox.context.dispatch(message(event))

            async def admit(event: str) -> None:
                seen = len(inbox.inbox)
                await inbox.context.admit(message(event))
                await inbox.wait_for(seen + 1)
                await asyncio.sleep(SETTLE_SECONDS)  # until the receipt is stored too

            for number in range(WARM_UPS):
                await dispatch(f"warm-{number}")
                await admit(f"warm-later-{number}")
            for number in range(rounds):
                for name, work in (("dispatch", dispatch), ("admit to delivered", admit)):
                    found[name].append(await one(work, f"{name}-{number}"))
    return found


def message(event: str) -> ChannelRequest:
    """Return a message of the one person there is."""
    return ChannelRequest("inbox", "message.create", "hello", identity=ChannelIdentity("inbox", "ada"), event_id=event)


async def one(work: Callable[[str], Awaitable[None]], event: str) -> Walk:
    """Trace one turn."""
    await asyncio.sleep(APART_SECONDS)
    walk = Walk()
    with walking(walk):
        await work(event)
    return walk


def main() -> None:
    """Print the table."""
    print(f"{'':<20}{'functions':>10}{'modules':>10}{'changes':>10}{'commits':>10}{'stores':>10}")
    for name, walks in asyncio.run(measure(ROUNDS)).items():
        figures = [round(statistics.median(column)) for column in zip(*(walk.figures for walk in walks), strict=True)]
        print(f"{name:<20}" + "".join(f"{figure:>10}" for figure in figures))
        if "--list" in sys.argv:
            for module, steps in Counter(walks[-1].steps).most_common():
                print(f"    {steps:>5}  {module}")


if __name__ == "__main__":
    main()
