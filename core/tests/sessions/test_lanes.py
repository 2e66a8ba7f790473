from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_framework_hosting.errors import LaneFull
from agent_framework_hosting.sessions.lanes import LanePlace, Lanes

pytestmark = pytest.mark.anyio


class Worker:
    """Enter a place, say so, and leave when told."""

    def __init__(self, place: LanePlace, log: list[str], name: str) -> None:
        self.entered = asyncio.Event()
        self.finish = asyncio.Event()
        self.task = asyncio.create_task(self._work(place, log, name))

    async def _work(self, place: LanePlace, log: list[str], name: str) -> None:
        await place.enter()
        log.append(f"+{name}")
        self.entered.set()
        await self.finish.wait()
        log.append(f"-{name}")
        place.leave()


async def settled() -> None:
    """Let every task that can run do so."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_turns_of_one_lane_never_overlap_and_keep_the_order_of_their_places() -> None:
    lanes, log = Lanes(), list[str]()
    first, second, third = (lanes.reserve("a") for _ in range(3))
    workers = [Worker(place, log, name) for place, name in ((third, "3"), (second, "2"), (first, "1"))]
    for worker in workers:
        worker.finish.set()
    await asyncio.gather(*(worker.task for worker in workers))
    assert log == ["+1", "-1", "+2", "-2", "+3", "-3"]


async def test_lanes_run_side_by_side() -> None:
    lanes, log = Lanes(), list[str]()
    a, b = Worker(lanes.reserve("a"), log, "a"), Worker(lanes.reserve("b"), log, "b")
    await a.entered.wait()
    await b.entered.wait()
    a.finish.set()
    b.finish.set()
    await asyncio.gather(a.task, b.task)
    assert set(log[:2]) == {"+a", "+b"}


async def test_a_lane_takes_its_limit_of_waiting_turns_and_no_more() -> None:
    lanes = Lanes(waiting_limit=32)
    places = [lanes.reserve("a") for _ in range(33)]
    with pytest.raises(LaneFull):
        lanes.reserve("a")
    lanes.reserve("b")
    lanes.reserve("a", limited=False)
    assert len(lanes) == 2
    places[0].leave()
    with pytest.raises(LaneFull):
        lanes.reserve("a")
    places[1].leave()
    lanes.reserve("a")


async def test_a_cancelled_wait_gives_its_place_back() -> None:
    lanes, log = Lanes(waiting_limit=1), list[str]()
    running = Worker(lanes.reserve("a"), log, "running")
    waiting = Worker(lanes.reserve("a"), log, "waiting")
    await running.entered.wait()
    with pytest.raises(LaneFull):
        lanes.reserve("a")
    waiting.task.cancel()
    await asyncio.wait([waiting.task])
    later = Worker(lanes.reserve("a"), log, "later")
    running.finish.set()
    later.finish.set()
    await asyncio.gather(running.task, later.task)
    assert log == ["+running", "-running", "+later", "-later"]
    assert len(lanes) == 0


async def test_a_turn_that_was_let_run_and_is_cancelled_at_that_moment_lets_the_next_one_run() -> None:
    lanes, log = Lanes(running_limit=1), list[str]()
    first = lanes.reserve("a")
    second = Worker(lanes.reserve("a"), log, "2")
    third = Worker(lanes.reserve("a"), log, "3")
    await settled()
    first.leave()
    second.task.cancel()
    third.finish.set()
    await asyncio.wait([second.task])
    await third.task
    assert log == ["+3", "-3"]


async def test_the_global_limit_only_queues() -> None:
    lanes, log = Lanes(running_limit=2), list[str]()
    workers = [Worker(lanes.reserve(name), log, name) for name in "abcd"]
    await settled()
    assert log == ["+a", "+b"]
    for worker in workers:
        worker.finish.set()
    await asyncio.gather(*(worker.task for worker in workers))
    assert sorted(log) == ["+a", "+b", "+c", "+d", "-a", "-b", "-c", "-d"]
    assert len(lanes) == 0


async def test_leaving_twice_frees_one_place_only() -> None:
    lanes, log = Lanes(running_limit=1), list[str]()
    first = lanes.reserve("a")
    first.leave()
    first.leave()
    workers = [Worker(lanes.reserve(name), log, name) for name in "bc"]
    await settled()
    assert log == ["+b"]
    for worker in workers:
        worker.finish.set()
    await asyncio.gather(*(worker.task for worker in workers))


def test_places_work_in_one_event_loop_after_another() -> None:
    lanes = Lanes(running_limit=1)

    async def crowd() -> int:
        log = list[str]()
        workers = [Worker(lanes.reserve(name), log, name) for name in "aabb"]
        for worker in workers:
            worker.finish.set()
        await asyncio.gather(*(worker.task for worker in workers))
        return len(log)

    assert [asyncio.run(crowd()), asyncio.run(crowd())] == [8, 8]


@given(
    st.integers(1, 4),
    st.lists(st.tuples(st.sampled_from(["reserve", "leave"]), st.integers(0, 9), st.sampled_from("abc")), max_size=60),
)
def test_whatever_comes_and_goes_the_first_of_each_lane_runs_up_to_the_limit(
    limit: int, moves: list[tuple[str, int, str]]
) -> None:
    lanes, held = Lanes(running_limit=limit), list[LanePlace]()
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
