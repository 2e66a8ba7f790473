"""Two hosts on one store: each leaves alone what the other holds, and takes it up once the other lives no more."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from agent_framework_hosting import (
    AgentFrameworkHost,
    Channel,
    ChannelContext,
    ChannelContribution,
    ChannelIdentity,
    ChannelRequest,
    DiskStore,
    HostedRunResult,
    MemoryStore,
    StoreError,
    hookimpl,
    result_text,
)
from agent_framework_hosting.testing import EchoAgent, HandClock, call

pytestmark = [pytest.mark.anyio, pytest.mark.requirement("owners.shared")]

LEASE_SECONDS = 1.5
APOLOGY = "Sorry, I was interrupted while I worked on your last message. Please send it again."


class Cable:
    """One host's way to a shared store; once cut, nothing gets through."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self.cut = False
        self.stuck: asyncio.Event | None = None

    @property
    def durable(self) -> bool:
        return self._store.durable

    def now(self) -> float:
        return self._store.now()

    def __getattr__(self, name: str) -> Callable[..., Awaitable[object]]:
        reach = getattr(self._store, name)

        async def through(*given: object, **named: object) -> object:
            if self.cut:
                raise StoreError("The cable is cut.")
            if self.stuck is not None:
                await self.stuck.wait()
            return await reach(*given, **named)

        return through


class Wall(Channel):
    """A channel whose messages end up on one wall, whichever host posts them."""

    name = "wall"

    def __init__(self, posted: list[str], news: asyncio.Condition) -> None:
        self.posted = posted
        self._news = news
        self.context: ChannelContext

    @hookimpl
    def contribute_routes(self, context: ChannelContext) -> ChannelContribution:
        self.context = context
        return ChannelContribution()

    @hookimpl
    async def push(self, identity: ChannelIdentity, payload: HostedRunResult) -> str:
        async with self._news:
            self.posted.append(f"{identity.native_id}: {result_text(payload)}")
            self._news.notify_all()
        return str(len(self.posted))


class Site:
    """A store, a wall, and hosts that share both."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self.clock = HandClock()
        self.store = MemoryStore(clock=self.clock)
        self.posted: list[str] = []
        self._news = asyncio.Condition()
        self._stack = stack

    async def host(self, agent: EchoAgent, wall: Wall | None = None) -> tuple[AgentFrameworkHost, Wall, Cable]:
        wall, cable = wall or self.wall(), Cable(self.store)
        made = AgentFrameworkHost(
            agent, channels=[wall], store=cable, config={"lease_seconds": LEASE_SECONDS, "snapshot_sessions": True}
        )
        return await self._stack.enter_async_context(made), wall, cable

    def wall(self) -> Wall:
        return Wall(self.posted, self._news)

    async def until(self, holds: Callable[[Sequence[str]], bool]) -> list[str]:
        async with asyncio.timeout(20), self._news:
            await self._news.wait_for(lambda: holds(self.posted))
        return list(self.posted)


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with AsyncExitStack() as stack:
        yield Site(stack)


def said(text: str, user: str, event_id: str | None = None) -> ChannelRequest:
    return ChannelRequest("wall", "message.create", text, identity=ChannelIdentity("wall", user), event_id=event_id)


@asynccontextmanager
async def held_agent() -> AsyncIterator[tuple[EchoAgent, asyncio.Event, asyncio.Event]]:
    """An agent that begins to work on "slow" and goes on when it is let."""
    begun, gate = asyncio.Event(), asyncio.Event()

    async def before(text: str) -> None:
        if text.startswith("slow"):
            begun.set()
            await gate.wait()

    try:
        yield EchoAgent(before), begun, gate
    finally:
        gate.set()


async def open_turns(host: AgentFrameworkHost) -> int:
    return json.loads((await call(host.app, "GET", "/readiness")).body)["turns"]["open"]


async def test_nothing_of_a_living_host_is_touched_and_all_of_a_dead_one_is_taken_up_once(site: Site) -> None:
    async with held_agent() as (agent, begun, gate), AsyncExitStack() as holding:
        _, wall, cable = await site.host(agent)
        await wall.context.admit(said("slow work", "ada", "1"))
        await wall.context.admit(said("and then", "ada", "2"))
        async with asyncio.timeout(10):
            await begun.wait()
        polling = await holding.enter_async_context(wall.context.sole("poll"))
        assert polling.held

        other, second, _ = await site.host(EchoAgent())
        assert await open_turns(other) == 0
        assert set(await second.context.hosts()) == {wall.context.host_id, second.context.host_id}
        waiting = asyncio.create_task(holding.enter_async_context(second.context.sole("poll")))
        assert (await second.context.dispatch(said("again", "ada", "1"))).to_public_dict() == {"outcome": "duplicate"}
        await second.context.admit(said("from elsewhere", "ada"))
        await second.context.admit(said("hello", "bob"))
        assert await site.until(lambda posted: "bob: 1: hello" in posted) == ["bob: 1: hello"]
        assert not waiting.done()

        cable.cut = True
        site.clock.advance(LEASE_SECONDS + 1)
        taken = await site.until(lambda posted: len(posted) == 4)
        told = sorted(text.rpartition(": ")[2] for text in taken[1:])
        assert told == sorted([APOLOGY, "and then", "from elsewhere"])
        async with asyncio.timeout(10):
            assert (await waiting).held
            await polling.lost()
        assert set(await second.context.hosts()) == {second.context.host_id}

        cable.cut = False
        gate.set()
        async with asyncio.timeout(10):
            while await open_turns(other):
                await asyncio.sleep(0)
        await second.context.admit(said("the last word", "bob"))
        assert (await site.until(lambda posted: "bob: 2: the last word" in posted))[4:] == ["bob: 2: the last word"]


async def test_a_conversation_goes_on_at_whichever_host_it_is_continued(site: Site) -> None:
    _, first, _ = await site.host(EchoAgent())
    _, second, _ = await site.host(EchoAgent())
    answers = [
        (await wall.context.dispatch(said("hi", "ada"))).to_public_dict()["text"]
        for wall in (first, second, second, first, second)
    ]
    assert answers == ["1: hi", "2: hi", "3: hi", "4: hi", "5: hi"]


async def test_what_one_host_begins_afresh_no_other_remembers(site: Site) -> None:
    host, first, _ = await site.host(EchoAgent())
    _, second, _ = await site.host(EchoAgent())
    for wall in (first, second):
        await wall.context.dispatch(said("hi", "ada"))
    await host.reset_session("wall:ada")
    assert (await second.context.dispatch(said("hi", "ada"))).to_public_dict()["text"] == "1: hi"


async def test_two_hosts_never_run_one_conversation_at_once(site: Site) -> None:
    running: list[str] = []
    overlaps: list[list[str]] = []

    async def before(text: str) -> None:
        running.append(text)
        if len(running) > 1:
            overlaps.append(list(running))
        for _ in range(3):
            await asyncio.sleep(0)
        running.remove(text)

    walls = [(await site.host(EchoAgent(before)))[1] for _ in range(2)]
    outcomes = await asyncio.gather(
        *(walls[number % 2].context.dispatch(said(f"m{number}", "ada")) for number in range(12))
    )
    counts = sorted(int(str(each.to_public_dict()["text"]).partition(":")[0]) for each in outcomes)
    assert counts == list(range(1, 13))
    assert overlaps == []


async def test_an_event_is_taken_by_one_host_only(site: Site) -> None:
    walls = [(await site.host(EchoAgent()))[1] for _ in range(3)]
    outcomes = await asyncio.gather(*(wall.context.admit(said("once", "ada", "e")) for wall in walls))
    kinds = sorted(each.to_public_dict()["outcome"] for each in outcomes)
    assert kinds == ["accepted", "duplicate", "duplicate"]
    assert await site.until(lambda posted: len(posted) == 1) == ["ada: 1: once"]


async def test_a_host_that_dies_while_another_starts_is_taken_over_as_well(site: Site) -> None:
    async with held_agent() as (agent, begun, gate):
        _, first, cable = await site.host(agent)
        await first.context.admit(said("slow work", "ada", "1"))
        await first.context.admit(said("and then", "ada", "2"))
        async with asyncio.timeout(10):
            await begun.wait()

        class Slow(Wall):
            async def starting(self) -> None:
                cable.cut = True
                site.clock.advance(LEASE_SECONDS + 1)  # the other dies after what is left was looked for

            @hookimpl
            def contribute_routes(self, context: ChannelContext) -> ChannelContribution:
                self.context = context
                return ChannelContribution(on_startup=[self.starting])

        wall = site.wall()
        wall.__class__ = Slow
        await site.host(EchoAgent(), wall)
        assert await site.until(lambda posted: len(posted) == 2) == [f"ada: {APOLOGY}", "ada: 1: and then"]
        cable.cut = False
        gate.set()


async def test_a_turn_that_was_taken_over_is_not_answered_by_who_lost_it(site: Site) -> None:
    async with held_agent() as (agent, begun, gate):
        _, first, cable = await site.host(agent)
        answer = asyncio.create_task(first.context.dispatch(said("slow work", "ada", "1")))
        async with asyncio.timeout(10):
            await begun.wait()
        await site.host(EchoAgent())
        cable.cut = True
        site.clock.advance(LEASE_SECONDS + 1)
        assert await site.until(lambda posted: len(posted) == 1) == [f"ada: {APOLOGY}"]
        cable.cut = False
        gate.set()
        assert (await answer).to_public_dict()["code"] == "unavailable"


async def test_a_name_is_waited_for_while_the_store_is_sick(site: Site) -> None:
    _, wall, cable = await site.host(EchoAgent())
    cable.cut = True
    async with AsyncExitStack() as holding:
        waiting = asyncio.create_task(holding.enter_async_context(wall.context.sole("poll")))
        await asyncio.sleep(0)
        cable.cut = False
        async with asyncio.timeout(10):
            assert (await waiting).held


async def test_a_name_counts_as_lost_when_the_store_does_not_answer(site: Site) -> None:
    _, wall, cable = await site.host(EchoAgent())
    async with AsyncExitStack() as holding:
        held = await holding.enter_async_context(wall.context.sole("poll"))
        cable.stuck = asyncio.Event()
        async with asyncio.timeout(10):
            await held.lost()
        assert not held.held
        cable.stuck.set()
        cable.stuck = None


async def test_many_lanes_on_a_slow_store_cost_no_host_its_life(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    class Slow(Cable):
        def __getattr__(self, name: str) -> Callable[..., Awaitable[object]]:
            reach = super().__getattr__(name)

            async def late(*given: object, **named: object) -> object:
                if name == "renew":
                    await asyncio.sleep(LEASE_SECONDS / 30)  # the way to the store and back
                return await reach(*given, **named)

            return late

    async with held_agent() as (agent, begun, gate):
        wall, cable = site.wall(), Slow(site.store)
        made = AgentFrameworkHost(agent, channels=[wall], store=cable, config={"lease_seconds": LEASE_SECONDS})
        async with made:
            for number in range(60):
                await wall.context.admit(said("slow work", f"user{number}"))
            async with asyncio.timeout(10):
                await begun.wait()
            polling = wall.context.sole("poll")
            async with polling as held:
                for _ in range(40):
                    site.clock.advance(LEASE_SECONDS / 10)
                    await asyncio.sleep(LEASE_SECONDS / 10)
                assert held.held
            gate.set()
            await site.until(lambda posted: len(posted) == 60)
    assert "another took over" not in caplog.text


async def test_a_host_that_stops_leaves_the_store_to_the_other_on_it(tmp_path) -> None:
    store = DiskStore(tmp_path)
    walls = [Wall([], asyncio.Condition()) for _ in range(2)]
    first, second = (AgentFrameworkHost(EchoAgent(), channels=[wall], store=store, config={}) for wall in walls)
    async with second:
        async with first:
            assert (await walls[0].context.dispatch(said("hi", "ada"))).status_code == 200
        assert (await walls[1].context.dispatch(said("hi", "ada"))).to_public_dict()["text"] == "2: hi"


def test_state_that_a_given_store_leaves_behind_is_warned_of(tmp_path) -> None:
    (tmp_path / "runner").mkdir()
    (tmp_path / "runner" / "cache.db").write_bytes(b"")
    with pytest.warns(UserWarning, match="no conversation, no delivery"):
        AgentFrameworkHost(
            EchoAgent(), channels=[Wall([], asyncio.Condition())], store=MemoryStore(), state_dir=tmp_path, config={}
        )
