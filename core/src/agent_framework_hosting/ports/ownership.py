"""Who holds a piece of work that several hosts on one store could take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

from .store import Fence

HOST_LEASE: Final = "host:"
"""How the lease is named that a host holds while it lives; its id follows."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Who holds a piece of work: the id of a host's start, and its epoch, which tells an expelled one from itself."""

    id: str
    epoch: int

    @property
    def fence(self) -> Fence:
        """What a commit about this work carries, so that it fails once somebody else has taken it over."""
        return Fence(HOST_LEASE + self.id, self.epoch)


NOBODY = Owner("", 0)
"""The owner of work that was accepted before owners were written down."""


class WorkOwnership(Protocol):
    """Say who this host is, and whose work it may take."""

    @property
    def shared(self) -> bool:
        """Whether other hosts may use the store as well; if not, all work is this host's."""
        ...

    @property
    def owner(self) -> Owner:
        """This start of the host, for what it takes on from now on."""
        ...

    async def may_take(self, owner_id: str) -> bool:
        """Say whether work of this owner is ours: it is our own, nobody's, or its host lives no more.

        None of the commits of one that lives no more succeeds from here on. Raises ``StoreError``.
        """
        ...
