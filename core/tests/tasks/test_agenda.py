from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from agent_framework_hosting.tasks.agenda import Agenda, Entry


def taken(agenda: Agenda, now: float) -> list[Entry]:
    found: list[Entry] = []
    while (entry := agenda.take(now)) is not None:
        found.append(entry)
    return found


def test_lanes_run_beside_each_other_and_each_in_order() -> None:
    agenda = Agenda()
    for task_id, lane in [("1", "a"), ("2", "a"), ("3", "b"), ("4", "a")]:
        agenda.add(task_id, lane, 0.0)
    first = taken(agenda, 0.0)
    assert [entry.task_id for entry in first] == ["1", "3"]
    assert agenda.is_running("1")
    assert not agenda.is_running("2")
    agenda.finish(first[0])
    assert [entry.task_id for entry in taken(agenda, 0.0)] == ["2"]


@pytest.mark.requirement("deliveries.order")
def test_a_head_that_waits_holds_its_lane_only() -> None:
    agenda = Agenda()
    agenda.add("1", "a", 0.0)
    agenda.add("2", "a", 0.0)
    agenda.add("3", "b", 0.0)
    one, three = taken(agenda, 0.0)
    agenda.retry(one, 10.0)
    agenda.finish(three)
    assert taken(agenda, 9.9) == []
    assert agenda.next_due() == 10.0
    assert [entry.task_id for entry in taken(agenda, 10.0)] == ["1"]


def test_removing_a_waiting_head_frees_its_lane() -> None:
    agenda = Agenda()
    agenda.add("1", "a", 100.0)
    agenda.add("2", "a", 0.0)
    agenda.add("3", "a", 0.0)
    assert agenda.remove("2")
    assert agenda.remove("1")
    assert not agenda.remove("1")
    assert [entry.task_id for entry in taken(agenda, 0.0)] == ["3"]
    assert not agenda.remove("3")


class AgendaMachine(RuleBasedStateMachine):
    """The agenda against lists: one per lane."""

    def __init__(self) -> None:
        super().__init__()
        self.agenda = Agenda()
        self.lanes: dict[str, list[tuple[str, float]]] = {}
        self.running: dict[str, Entry] = {}
        self.now = 0.0
        self.made = 0

    @rule(lane=st.sampled_from("abc"), delay=st.floats(0, 5))
    def add(self, lane: str, delay: float) -> None:
        self.made += 1
        task_id = f"{self.made:06}"
        self.agenda.add(task_id, lane, self.now + delay)
        self.lanes.setdefault(lane, []).append((task_id, self.now + delay))

    @rule(by=st.floats(0, 3))
    def pass_time(self, by: float) -> None:
        self.now += by

    @rule()
    def take(self) -> None:
        heads = [tasks[0] for tasks in self.lanes.values() if tasks]
        due = {task_id for task_id, when in heads if when <= self.now and task_id not in self.running}
        entry = self.agenda.take(self.now)
        assert (entry is None) == (not due)
        if entry is not None:
            assert entry.task_id in due
            self.running[entry.task_id] = entry

    @rule(again=st.booleans(), delay=st.floats(0, 5))
    def end_an_attempt(self, again: bool, delay: float) -> None:
        if not self.running:
            return
        task_id, entry = self.running.popitem()
        lane = self.lanes[entry.lane]
        assert lane[0][0] == task_id
        if again:
            self.agenda.retry(entry, self.now + delay)
            lane[0] = (task_id, self.now + delay)
        else:
            self.agenda.finish(entry)
            lane.pop(0)

    @rule(lane=st.sampled_from("abc"), which=st.integers(0, 5))
    def remove(self, lane: str, which: int) -> None:
        tasks = self.lanes.get(lane, [])
        if which >= len(tasks):
            return
        task_id = tasks[which][0]
        assert self.agenda.remove(task_id) == (task_id not in self.running)
        if task_id not in self.running:
            tasks.pop(which)

    @rule()
    def take_out_waiting(self) -> None:
        known = {task_id for tasks in self.lanes.values() for task_id, _ in tasks}
        assert self.agenda.take_out_waiting() == known
        for tasks in self.lanes.values():
            tasks[:] = [task for task in tasks if task[0] in self.running]

    @invariant()
    def knows_the_same_tasks(self) -> None:
        known = {task_id for tasks in self.lanes.values() for task_id, _ in tasks}
        assert set(self.agenda.task_ids()) == known
        assert len(self.agenda) == len(known)
        assert all(self.agenda.is_running(task_id) == (task_id in self.running) for task_id in known)

    @invariant()
    def knows_when_to_look_again(self) -> None:
        heads = [tasks[0] for tasks in self.lanes.values() if tasks]
        waiting = [when for task_id, when in heads if task_id not in self.running]
        assert self.agenda.next_due() == (min(waiting) if waiting else None)


TestAgendaMachine = AgendaMachine.TestCase
TestAgendaMachine.settings = settings(max_examples=60, stateful_step_count=40)


@pytest.mark.requirement("deliveries.order")
@given(st.lists(st.tuples(st.sampled_from("abcd"), st.floats(0, 1)), max_size=50))
def test_every_lane_comes_out_in_the_order_it_went_in(tasks: list[tuple[str, float]]) -> None:
    agenda = Agenda()
    for number, (lane, due) in enumerate(tasks):
        agenda.add(f"{number:03}", lane, due)
    out: list[Entry] = []
    while (entry := agenda.take(1.0)) is not None:
        out.append(entry)
        agenda.finish(entry)
    for lane in "abcd":
        ids = [entry.task_id for entry in out if entry.lane == lane]
        assert ids == sorted(ids)
    assert len(out) == len(tasks)
