"""How often somebody may guess, in bounded memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class _Tries:
    count: int
    since: float
    locked_until: float = 0.0


class Guesses:
    """Count tries by key: more than ``limit`` within ``window`` seconds lock the key out for ``lockout`` seconds.

    The ``remembered`` keys tried last are kept.
    """

    def __init__(
        self, limit: int, *, window: float, lockout: float, clock: Callable[[], float], remembered: int = 10_000
    ) -> None:
        self._limit = limit
        self._window = window
        self._lockout = lockout
        self._clock = clock
        self._remembered = remembered
        self._tries: OrderedDict[str, _Tries] = OrderedDict()

    def locked_for(self, key: str) -> float:
        """Return for how many seconds more a key is locked out; 0 when it may try."""
        tries = self._tries.get(key)
        return 0.0 if tries is None else max(0.0, tries.locked_until - self._clock())

    def count(self, key: str) -> None:
        """Count one try."""
        now = self._clock()
        tries = self._tries.pop(key, None)
        if tries is None or now - tries.since >= self._window:
            tries = _Tries(0, now, tries.locked_until if tries else 0.0)
        tries = replace(tries, count=tries.count + 1)
        if tries.count >= self._limit:
            tries = replace(tries, locked_until=now + self._lockout)
        self._tries[key] = tries
        while len(self._tries) > self._remembered:
            self._tries.popitem(last=False)

    def clear(self, key: str) -> None:
        """Forget a key's tries."""
        self._tries.pop(key, None)
