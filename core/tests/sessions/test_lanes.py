from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_framework_hosting.errors import StoreError
from agent_framework_hosting.ports import Lanes, Place
from agent_framework_hosting.sessions.lanes import LanePlace, ProcessLanes, SharedLanes
from agent_framework_hosting.state.memory import MemoryStore
from agent_framework_hosting.state.ownership import Ownership
from agent_framework_hosting.testing import HandClock
from agent_framework_hosting.testing.lanes_contract import LanesContract


class TestProcessLanes(LanesContract):
    running_limit = 2

    def make_lanes(self) -> Lanes:
        return ProcessLanes(waiting_limit=self.waiting_limit, running_limit=2)


class Site:
    """Hosts on one store, each with lanes of its own."""

    def __init__(self) -> None:
        self.clock = HandClock()
        self.store = MemoryStore(self.clock)
        self.hosts: list[Ownership] = []

    async def host(self) -> Ownership:
        ownership = Ownership(self.store, shared=True)
        await ownership.begin()
        self.hosts.append(ownership)
        return ownership

    def lanes(self, host: Ownership, **limits: int) -> SharedLanes:
        async def hold(name: str) -> bool:
            return await host.hold(name) is not None

        return SharedLanes(ProcessLanes(**limits), hold, host.let_go)


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    made = Site()
    yield made
    for host in made.hosts:
        await host.end()


class TestSharedLanes(LanesContract):
    waiting_limit = 3
    running_limit = 4

    @pytest.fixture(autouse=True)
    async def hosted(self, site: Site) -> None:
        self.site, self.host = site, await site.host()

    def make_lanes(self) -> Lanes:
        return self.site.lanes(self.host, waiting_limit=self.waiting_limit, running_limit=4)


@pytest.mark.anyio
@pytest.mark.requirement("owners.shared")
async def test_two_hosts_are_never_in_one_lane_at_once(site: Site) -> None:
    inside: list[str] = []
    entered: list[str] = []
    most = 0

    async def turn(place: Place, who: str) -> None:
        nonlocal most
        await place.enter()
        inside.append(who)
        entered.append(who)
        for _ in range(5):
            most = max(most, len(inside))
            await asyncio.sleep(0)
        inside.remove(who)
        place.leave()

    both = [site.lanes(await site.host()) for _ in range(2)]
    turns = [turn(lanes.reserve("a"), f"{host}.{number}") for number in range(4) for host, lanes in enumerate(both)]
    async with asyncio.timeout(30):
        await asyncio.gather(*turns)
        for lanes in both:
            await lanes.idle()
    assert most == 1
    for host in "01":
        assert [who for who in entered if who[0] == host] == [f"{host}.{number}" for number in range(4)]
    assert await held_lanes(site, "a") == []


async def held_lanes(site: Site, *names: str) -> list[str]:
    """Return which of the lanes are still closed to a host that comes anew."""
    closed: list[str] = []
    lanes = site.lanes(await site.host())
    for name in names:
        place = lanes.reserve(name)
        try:
            async with asyncio.timeout(1):
                await place.enter()
        except TimeoutError:
            closed.append(name)
        place.leave()
    await lanes.idle()
    return closed


async def until_it_waits(enter: asyncio.Task[None]) -> None:
    for _ in range(10):
        await asyncio.sleep(0)
    assert not enter.done()


@pytest.mark.anyio
async def test_the_lane_of_a_host_that_lives_no_more_opens_with_the_end_of_its_lease(site: Site) -> None:
    dead, living = await site.host(), await site.host()
    await site.lanes(dead).reserve("a").enter()
    waiting = site.lanes(living).reserve("a")
    enter = asyncio.create_task(waiting.enter())
    await until_it_waits(enter)
    site.clock.advance(dead.seconds + 1)
    async with asyncio.timeout(20):
        await enter


@pytest.mark.anyio
async def test_who_goes_away_while_another_host_is_in_the_lane_closes_it_for_nobody(site: Site) -> None:
    first, second = site.lanes(await site.host()), site.lanes(await site.host())
    running, gone, later = first.reserve("a"), second.reserve("a"), second.reserve("a")
    await running.enter()
    enter = asyncio.create_task(gone.enter())
    await until_it_waits(enter)
    enter.cancel()
    await asyncio.wait([enter])
    assert gone.left
    running.leave()
    async with asyncio.timeout(20):
        await later.enter()
    later.leave()
    await second.idle()
    assert await held_lanes(site, "a") == []


@pytest.mark.anyio
async def test_a_sick_store_is_waited_for_and_no_reason_to_be_in_a_lane() -> None:
    asked: list[str] = []

    async def hold(name: str) -> bool:
        asked.append(name)
        if len(asked) < 3:
            raise StoreError("The cable is cut.")
        return len(asked) > 3

    async def let_go(name: str) -> None:
        asked.append(f"not {name}")

    lanes = SharedLanes(ProcessLanes(), hold, let_go)
    place = lanes.reserve("a")
    async with asyncio.timeout(20):
        await place.enter()
        assert len(asked) == 4
        place.leave()
        await lanes.idle()
    assert asked == [*asked[:1] * 4, f"not {asked[0]}"]


@pytest.mark.anyio
async def test_a_name_that_cannot_be_given_back_is_no_reason_to_stand_still() -> None:
    async def hold(name: str) -> bool:
        return True

    async def let_go(name: str) -> None:
        raise StoreError("The cable is cut.")

    lanes = SharedLanes(ProcessLanes(), hold, let_go)
    first, second = lanes.reserve("a"), lanes.reserve("a")
    async with asyncio.timeout(20):
        await first.enter()
        first.leave()
        await second.enter()
        second.leave()
        await lanes.idle()


def test_places_work_in_one_event_loop_after_another() -> None:
    lanes = ProcessLanes(running_limit=1)

    async def one(place: Place, log: list[str]) -> None:
        await place.enter()
        log.append(place.name)
        place.leave()

    async def crowd() -> list[str]:
        log = list[str]()
        await asyncio.gather(*(one(lanes.reserve(name), log) for name in "aabb"))
        return sorted(log)

    assert [asyncio.run(crowd()), asyncio.run(crowd())] == [list("aabb")] * 2


@given(
    st.integers(1, 4),
    st.lists(st.tuples(st.sampled_from(["reserve", "leave"]), st.integers(0, 9), st.sampled_from("abc")), max_size=60),
)
def test_whatever_comes_and_goes_the_first_of_each_lane_runs_up_to_the_limit(
    limit: int, moves: list[tuple[str, int, str]]
) -> None:
    lanes, held = ProcessLanes(running_limit=limit), list[LanePlace]()
    for move, index, name in moves:
        if move == "reserve":
            held.append(lanes.reserve(name))
        elif held:
            held.pop(index % len(held)).leave()
        firsts = {name: next(place for place in held if place.name == name) for name in {one.name for one in held}}
        running = [place for place in held if place.may_run]
        assert all(firsts[place.name] is place for place in running)
        assert len(running) == min(limit, len(firsts))
        assert len(lanes) == len(firsts)
