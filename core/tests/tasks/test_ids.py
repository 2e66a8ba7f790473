from __future__ import annotations

from agent_framework_hosting.tasks.record import TaskIds


def test_later_ids_sort_above_earlier_ones_and_two_makers_never_agree() -> None:
    one, other = TaskIds(), TaskIds()
    ids = [one.new() for _ in range(1000)]
    assert ids == sorted(set(ids))
    assert {len(task_id) for task_id in ids} == {24}
    assert not set(ids) & {other.new() for _ in range(1000)}


def test_ids_go_on_above_those_of_an_earlier_process_whose_clock_was_ahead() -> None:
    ids = TaskIds()
    ahead = "7fffffffffffffff00000000"
    ids.seen(ahead)
    ids.seen("not one of ours")
    assert ids.new() > ahead
