"""Who holds which work among hosts on one store: joining, leaving, falling silent, and being taken over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import pytest

from agent_framework_hosting.errors import Fenced, StoreError
from agent_framework_hosting.ports import HOST_LEASE, Lease, Put, Write
from agent_framework_hosting.state.memory import MemoryStore
from agent_framework_hosting.state.ownership import HOSTS, Ownership
from agent_framework_hosting.testing import HandClock

pytestmark = [pytest.mark.anyio, pytest.mark.requirement("owners.shared")]

SECONDS = 60.0
SOON = 0.03


class Cable:
    """One host's way to the store; once cut, nothing gets through."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self.cut = False

    def now(self) -> float:
        return self._store.now()

    def __getattr__(self, name: str) -> Callable[..., Awaitable[object]]:
        reach = getattr(self._store, name)

        async def through(*given: object, **named: object) -> object:
            if self.cut:
                raise StoreError("The cable is cut.")
            return await reach(*given, **named)

        return through


class Counting(MemoryStore):
    """Says when a lease was renewed."""

    def __init__(self, clock: HandClock) -> None:
        super().__init__(clock)
        self.renewals = 0
        self.news = asyncio.Condition()

    async def renew(self, lease: Lease, seconds: float) -> Lease:
        try:
            return await super().renew(lease, seconds)
        finally:
            async with self.news:
                self.renewals += 1
                self.news.notify_all()

    async def renewed(self, times: int) -> None:
        """Wait until so many more renewals were tried."""
        wanted = self.renewals + times
        async with asyncio.timeout(10), self.news:
            await self.news.wait_for(lambda: self.renewals >= wanted)


class Site:
    """Hosts on one store whose time is turned by hand."""

    def __init__(self) -> None:
        self.clock = HandClock()
        self.store = Counting(self.clock)
        self.hosts: list[Ownership] = []

    async def host(self, seconds: float = SECONDS) -> Ownership:
        host = Ownership(Cable(self.store), shared=True, seconds=seconds)  # type: ignore[arg-type]
        await host.begin()
        self.hosts.append(host)
        return host

    async def known(self) -> set[str]:
        return {key for key, _ in await self.store.scan(HOSTS.name)}

    async def fenced(self, host: Ownership) -> bool:
        try:
            await self.store.commit([host.owner.fence, Put("work", host.owner.id, "done")])
        except Fenced:
            return True
        return False


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    made = Site()
    yield made
    for host in made.hosts:
        await host.end()


async def test_each_start_has_an_id_of_its_own_and_lives_until_it_ends(site: Site) -> None:
    first, second = await site.host(), await site.host()
    ids = {first.owner.id, second.owner.id}
    assert len(ids) == 2
    assert await first.living() == await second.living() == ids == await site.known()
    assert not await site.fenced(first)
    await first.end()
    assert await second.living() == {second.owner.id}
    assert await second.may_take(first.owner.id)
    assert await site.fenced(first)
    await first.begin()
    assert first.owner.id not in ids
    assert await first.living() == {first.owner.id, second.owner.id}


async def test_a_host_whose_table_of_hosts_is_lost_still_lives(site: Site) -> None:
    host = await site.host()
    await host.settled(host.owner.id)
    assert await site.known() == set()
    assert await host.living() == {host.owner.id}


async def test_work_of_nobody_and_ones_own_may_be_taken_and_that_of_the_living_may_not(site: Site) -> None:
    first, second = await site.host(), await site.host()
    assert await second.may_take("")
    assert await second.may_take(second.owner.id)
    assert await second.may_take("never heard of")
    assert not await second.may_take(first.owner.id)
    assert await second.lapsed() == []
    assert not await site.fenced(first)


async def test_who_is_silent_for_too_long_is_taken_over_by_one_host_and_shut_out(site: Site) -> None:
    dead = await site.host()
    site.clock.advance(SECONDS - 1)
    one = await site.host()
    assert not await one.may_take(dead.owner.id)
    site.clock.advance(1)
    other = await site.host()
    assert await one.living() == {one.owner.id, other.owner.id}
    assert not await site.fenced(dead)  # it slept, and nobody took over
    assert await one.lapsed() == [dead.owner.id]
    assert await other.lapsed() == []
    assert await one.lapsed() == [dead.owner.id]
    assert await site.fenced(dead)
    assert not await site.fenced(one)
    await one.settled(dead.owner.id)
    assert (await one.lapsed(), await site.known()) == ([], {one.owner.id, other.owner.id})


async def test_who_takes_over_and_dies_leaves_it_to_the_next(site: Site) -> None:
    dead = await site.host()
    site.clock.advance(SECONDS + 1)
    taker = await site.host()
    assert await taker.lapsed() == [dead.owner.id]
    site.clock.advance(SECONDS + 1)
    last = await site.host()
    assert sorted(await last.lapsed()) == sorted([dead.owner.id, taker.owner.id])


async def test_a_host_keeps_what_it_holds_for_as_long_as_it_lives(site: Site) -> None:
    host = await site.host(SOON)
    sole = await host.hold("poll")
    other = await site.host()
    for _ in range(5):
        await site.store.renewed(2)
        site.clock.advance(SOON * 0.9)
    await site.store.renewed(2)
    assert await other.hold("poll") is None
    assert sole.held
    assert host.owner.id in await other.living()


async def test_an_expelled_host_goes_on_under_a_new_id_and_loses_what_it_held(site: Site) -> None:
    host = await site.host(SOON)
    before, sole = host.owner, await host.hold("poll")
    site.clock.advance(SOON + SECONDS)
    taker = await site.host()
    assert await taker.may_take(before.id)
    assert await taker.hold("poll") is not None
    assert sole is not None
    async with asyncio.timeout(10):
        await sole.lost()
        while host.owner == before:
            await asyncio.sleep(0)
    assert not sole.held
    assert host.owner.epoch > before.epoch
    with pytest.raises(Fenced):
        await site.store.commit([before.fence])
    assert not await site.fenced(host)
    assert host.owner.id in await taker.living()
    assert await taker.lapsed() == [before.id]


async def test_a_host_that_cannot_reach_the_store_loses_its_names_and_finds_its_way_back() -> None:
    clock = HandClock()
    store = Counting(clock)
    cable = Cable(store)
    host = Ownership(cable, shared=True, seconds=SOON)  # type: ignore[arg-type]
    await host.begin()
    try:
        before, sole = host.owner, await host.hold("poll")
        cable.cut = True
        async with asyncio.timeout(10):
            await sole.lost()
        assert host.owner == before  # what it owns, the store will say
        cable.cut = False
        await store.renewed(1)
        assert await host.hold("poll") is not None
        assert host.owner == before
    finally:
        await host.end()


async def test_a_store_that_refuses_to_let_a_host_back_in_is_asked_again() -> None:
    class Sick(MemoryStore):
        refusals = 0

        async def commit(self, writes: Sequence[Write]) -> int:
            if self.refusals:
                self.refusals -= 1
                raise StoreError("full")
            return await super().commit(writes)

    clock = HandClock()
    store = Sick(clock)
    host, taker = (Ownership(store, shared=True, seconds=seconds) for seconds in (SOON, SECONDS))
    await host.begin()
    before = host.owner
    clock.advance(SECONDS)
    await taker.begin()
    try:
        store.refusals = 2
        lease = await store.acquire(HOST_LEASE + before.id, taker.owner.id, SECONDS)
        assert lease is not None
        async with asyncio.timeout(10):
            while host.owner == before:
                await asyncio.sleep(0)
        assert store.refusals == 0
        assert host.owner.id in await taker.living()
    finally:
        await host.end()
        await taker.end()


# Names held alone


async def test_a_name_is_held_by_one_host_until_it_is_let_go(site: Site) -> None:
    first, second = await site.host(), await site.host()
    sole = await first.hold("tidy")
    assert await first.hold("tidy") is sole
    assert await second.hold("tidy") is None
    await second.let_go("tidy")
    assert await second.hold("tidy") is None
    await first.let_go("tidy")
    assert not sole.held
    again = await second.hold("tidy")
    assert again is not None
    await first.let_go("tidy")
    assert again.held


async def test_who_waits_for_a_name_gets_it_once_its_holder_leaves_or_ends(site: Site) -> None:
    first, second, third = [await site.host(seconds) for seconds in (SECONDS, SOON, SOON)]
    entered: list[str] = []

    async def poll(host: Ownership, name: str, until: asyncio.Event) -> None:
        async with host.sole("poll") as sole:
            entered.append(name)
            assert sole.held
            await until.wait()
        assert not sole.held

    leave = asyncio.Event()
    async with asyncio.timeout(20):
        async with first.sole("poll"):
            waiting = asyncio.create_task(poll(second, "second", leave))
            await site.store.renewed(3)
            assert entered == []
        while not entered:
            await asyncio.sleep(0)
        last = asyncio.create_task(poll(third, "third", leave))
        leave.set()
        await asyncio.gather(waiting, last)
    assert entered == ["second", "third"]


async def test_the_end_of_a_host_lets_go_of_everything_at_once(site: Site) -> None:
    first, second = await site.host(), await site.host()
    held = [await first.hold(name) for name in ("a", "b")]
    await first.end()
    assert [sole.held for sole in held if sole is not None] == [False, False]
    assert [await second.hold(name) is not None for name in ("a", "b")] == [True, True]
    await first.end()


async def test_an_end_that_the_store_does_not_hear_of_is_no_fault() -> None:
    cable = Cable(MemoryStore(HandClock()))
    host = Ownership(cable, shared=True)  # type: ignore[arg-type]
    await host.begin()
    sole = await host.hold("poll")
    cable.cut = True
    await host.end()
    assert sole is not None
    assert not sole.held
