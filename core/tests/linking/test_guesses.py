from __future__ import annotations

from agent_framework_hosting.linking.guesses import Guesses


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def attempts(clock: Clock, **limits: int) -> Guesses:
    return Guesses(limits.pop("limit", 3), window=60.0, lockout=90.0, clock=clock, **limits)


def test_too_many_tries_lock_out_for_a_while() -> None:
    clock = Clock()
    tries = attempts(clock)
    for _ in range(2):
        tries.count("a")
        assert tries.locked_for("a") == 0
    tries.count("a")
    assert tries.locked_for("a") == 90.0
    assert tries.locked_for("b") == 0
    clock.now += 89
    assert tries.locked_for("a") == 1.0
    clock.now += 1
    assert tries.locked_for("a") == 0


def test_tries_are_forgotten_after_the_window_but_a_lockout_is_not() -> None:
    clock = Clock()
    tries = attempts(clock)
    tries.count("a")
    tries.count("a")
    clock.now += 60
    tries.count("a")
    assert tries.locked_for("a") == 0
    tries.count("a")
    tries.count("a")
    clock.now += 61
    tries.count("a")
    assert tries.locked_for("a") == 29.0


def test_success_clears_the_count() -> None:
    tries = attempts(Clock(), limit=1)
    tries.count("a")
    tries.clear("a")
    assert tries.locked_for("a") == 0


def test_only_the_latest_keys_are_remembered() -> None:
    tries = attempts(Clock(), limit=1, remembered=10)
    for number in range(100):
        tries.count(str(number))
    assert [key for key in map(str, range(100)) if tries.locked_for(key)] == [str(number) for number in range(90, 100)]
