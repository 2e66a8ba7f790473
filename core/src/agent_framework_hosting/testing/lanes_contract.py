"""What every set of lanes must do, as tests to subclass.

class TestMyLanes(LanesContract):
    waiting_limit = 8

    def make_lanes(self):
        return MyLanes(...)
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from contextlib import suppress

import pytest

from ..errors import LaneFull
from ..ports import Lanes, Place

PATIENCE_SECONDS = 20.0


class LanesContract:
    """Subclass it and say how to make the lanes. Tests run on asyncio through anyio's pytest plugin.

    ``waiting_limit`` is how many turns may wait behind the first of a lane; ``running_limit`` how many run at once in
    all lanes together, None where nothing bounds them.
    """

    waiting_limit: int = 32
    running_limit: int | None = None

    def make_lanes(self) -> Lanes:
        """Return new lanes with nobody in them."""
        raise NotImplementedError("Return new lanes of yours from make_lanes().")

    @pytest.mark.anyio
    async def test_turns_of_one_lane_run_in_the_order_of_their_places_whoever_asks_to_enter_first(self) -> None:
        lanes, street = self.make_lanes(), _Street()
        places = [lanes.reserve("a", limited=False) for _ in range(5)]
        turns = [street.turn(place, str(number)) for number, place in reversed(list(enumerate(places)))]
        await _together(*turns)
        assert street.log == [f"{sign}{number}" for number in range(5) for sign in "+-"]

    @pytest.mark.anyio
    async def test_never_two_at_a_time_in_one_lane(self) -> None:
        lanes, street = self.make_lanes(), _Street()
        await _together(*(street.turn(lanes.reserve(name, limited=False), name, rounds=5) for name in "abababab"))
        assert street.most["a"] == street.most["b"] == 1
        assert sorted(street.log) == sorted(["+a", "-a", "+b", "-b"] * 4)

    @pytest.mark.anyio
    async def test_different_lanes_run_side_by_side(self) -> None:
        lanes, both = self.make_lanes(), asyncio.Barrier(2)
        if self.running_limit == 1:
            pytest.skip("These lanes run one turn at a time.")

        async def meet(place: Place) -> None:
            await place.enter()
            await both.wait()
            place.leave()

        await _together(meet(lanes.reserve("a")), meet(lanes.reserve("b")))

    @pytest.mark.anyio
    async def test_the_running_one_of_a_lane_is_known(self) -> None:
        lanes = self.make_lanes()
        first, second = lanes.reserve("a"), lanes.reserve("a")
        await _together(first.enter())
        assert (first.name, first.may_run, first.left, second.may_run) == ("a", True, False, False)
        first.leave()
        await _together(second.enter())
        assert (first.left, second.may_run, second.left) == (True, True, False)
        second.leave()
        await _together(lanes.idle())

    @pytest.mark.anyio
    async def test_a_lane_is_full_at_its_limit_and_no_other_with_it(self) -> None:
        lanes = self.make_lanes()
        places = [lanes.reserve("a") for _ in range(self.waiting_limit + 1)]
        with pytest.raises(LaneFull):
            lanes.reserve("a")
        places.append(lanes.reserve("b"))
        places.pop(1 if self.waiting_limit else 0).leave()
        places.append(lanes.reserve("a"))
        with pytest.raises(LaneFull):
            lanes.reserve("a")
        await _leave_all(lanes, places)

    @pytest.mark.anyio
    async def test_who_must_be_let_in_is_let_into_a_full_lane(self) -> None:
        lanes, street = self.make_lanes(), _Street()
        names = [str(number) for number in range(self.waiting_limit + 4)]
        places = [lanes.reserve("a", limited=False) for _ in names]
        with pytest.raises(LaneFull):
            lanes.reserve("a")
        await _together(*(street.turn(place, name) for place, name in zip(places, names, strict=True)))
        assert street.entered == names

    @pytest.mark.anyio
    @pytest.mark.parametrize("leaving", range(4))
    async def test_a_place_is_given_back_from_wherever_it_stands_and_only_once(self, leaving: int) -> None:
        lanes, street = self.make_lanes(), _Street()
        places = [lanes.reserve("a", limited=False) for _ in range(4)]
        await _together(places[0].enter())
        for _ in range(2):
            places[leaving].leave()
        assert [place.left for place in places] == [number == leaving for number in range(4)]
        staying = [place for number, place in enumerate(places) if number not in (0, leaving)]
        turns = [street.turn(place, str(places.index(place)), rounds=5) for place in staying]
        await _together(*turns, _leave(places[0]))
        assert street.entered == [str(places.index(place)) for place in staying]
        assert street.most["a"] == 1
        await _together(lanes.idle())
        assert len(lanes) == 0

    @pytest.mark.anyio
    async def test_a_place_given_back_before_its_turn_came_leaves_nobody_waiting(self) -> None:
        lanes, street = self.make_lanes(), _Street()
        first, second = lanes.reserve("a"), lanes.reserve("a")
        first.leave()
        await _together(street.turn(second, "second"))
        assert street.entered == ["second"]

    @pytest.mark.anyio
    async def test_a_cancelled_wait_gives_its_place_back(self) -> None:
        lanes, street = self.make_lanes(), _Street()
        running, waiting, later = (lanes.reserve("a", limited=False) for _ in range(3))
        await _together(running.enter())
        wait = asyncio.create_task(waiting.enter())
        await asyncio.sleep(0)
        await _cancelled(wait)
        assert waiting.left
        await _together(street.turn(later, "later"), _leave(running))
        assert street.entered == ["later"]
        await _together(lanes.idle())

    @pytest.mark.anyio
    async def test_who_is_cancelled_at_the_moment_of_being_let_in_lets_the_next_one_in(self) -> None:
        lanes, street = self.make_lanes(), _Street()
        first, second, third = (lanes.reserve("a", limited=False) for _ in range(3))
        await _together(first.enter())
        wait = asyncio.create_task(second.enter())
        await asyncio.sleep(0)
        first.leave()
        await _cancelled(wait)
        await _together(street.turn(third, "third"))
        assert street.entered == ["third"]
        await _together(lanes.idle())

    @pytest.mark.anyio
    async def test_lanes_in_use_are_known_and_forgotten_once_they_are_empty(self) -> None:
        lanes = self.make_lanes()
        assert (len(lanes), list(lanes)) == (0, [])
        await _together(lanes.idle())
        places = [lanes.reserve(name) for name in "aab"]
        assert (len(lanes), sorted(lanes)) == (2, ["a", "b"])
        idle = asyncio.create_task(lanes.idle())
        for place in (places[0], places[2]):
            await _together(place.enter())
            place.leave()
        await _together(places[1].enter())
        assert not idle.done()
        assert list(lanes) == ["a"]
        places[1].leave()
        await _together(idle)
        assert (len(lanes), list(lanes)) == (0, [])

    @pytest.mark.anyio
    async def test_a_bound_on_the_turns_that_run_at_once_only_queues(self) -> None:
        if self.running_limit is None:
            pytest.skip("Nothing bounds how many turns run at once.")
        lanes, street = self.make_lanes(), _Street()
        names = [f"lane {number}" for number in range(self.running_limit * 3)]
        await _together(*(street.turn(lanes.reserve(name), name, rounds=5) for name in names))
        assert sorted(street.entered) == sorted(names)
        assert street.most_of_all == self.running_limit


class _Street:
    """Watch turns come and go: who entered when, and how many were in one lane, and in all, at once."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.most: dict[str, int] = {}
        self.most_of_all = 0
        self._inside: list[str] = []

    @property
    def entered(self) -> list[str]:
        return [line[1:] for line in self.log if line.startswith("+")]

    async def turn(self, place: Place, name: str, *, rounds: int = 1) -> None:
        """Enter, stay for some rounds of the event loop, and leave."""
        await place.enter()
        self.log.append(f"+{name}")
        self._inside.append(place.name)
        for _ in range(rounds):
            self.most[place.name] = max(self.most.get(place.name, 0), self._inside.count(place.name))
            self.most_of_all = max(self.most_of_all, len(self._inside))
            await asyncio.sleep(0)
        self._inside.remove(place.name)
        self.log.append(f"-{name}")
        place.leave()


async def _together(*work: Awaitable[None]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        await asyncio.gather(*work)


async def _leave(place: Place) -> None:
    place.leave()


async def _leave_all(lanes: Lanes, places: list[Place]) -> None:
    for place in places:
        place.leave()
    await _together(lanes.idle())
    assert len(lanes) == 0


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
