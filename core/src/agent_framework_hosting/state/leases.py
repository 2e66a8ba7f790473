"""Who holds which name, for a store that one process owns."""

from __future__ import annotations

from collections.abc import Callable

from ..errors import Fenced, StoreError
from ..ports import Fence, Lease
from .texts import check_name


class LeaseBook:
    """Leases in memory: they end with the process, as everything does that could hold them.

    ``clock`` tells the store's time, ``next_number`` a number larger than all before. A lease whose time ran out stays
    its owner's until somebody else acquires it. Calls must not overlap.
    """

    def __init__(self, clock: Callable[[], float], next_number: Callable[[], int]) -> None:
        self._clock = clock
        self._next_number = next_number
        self._held: dict[str, Lease] = {}

    def acquire(self, name: str, owner: str, seconds: float) -> Lease | None:
        """Hold a name for ``seconds``; None while another owner does."""
        check_name(name)
        check_name(owner)
        held = self._held.get(name)
        if held is not None and held.owner != owner and held.expires_at > self._clock():
            return None
        number = held.number if held is not None and held.owner == owner else self._next_number()
        return self._hold(name, owner, number, seconds)

    def renew(self, lease: Lease, seconds: float) -> Lease:
        """Hold on for ``seconds`` from now. Raises ``Fenced`` when it was released, or another owner came."""
        if not self.is_held(lease.fence):
            raise Fenced(lease.name)
        return self._hold(lease.name, lease.owner, lease.number, seconds)

    def release(self, lease: Lease) -> None:
        """Let go; does nothing when it is another's by now."""
        if self.is_held(lease.fence):
            del self._held[lease.name]

    def holder(self, name: str) -> Lease | None:
        """Return who holds a name at this moment, or None."""
        check_name(name)
        held = self._held.get(name)
        return held if held is not None and held.expires_at > self._clock() else None

    def is_held(self, fence: Fence) -> bool:
        """Return whether a commit that carries ``fence`` may go through."""
        held = self._held.get(fence.name)
        return held is not None and held.number == fence.number

    def _hold(self, name: str, owner: str, number: int, seconds: float) -> Lease:
        if not seconds > 0:
            raise StoreError(f"The lease {name!r} cannot be held for {seconds} seconds; ask for more than none.")
        lease = self._held[name] = Lease(name, owner, number, self._clock() + seconds)
        return lease
