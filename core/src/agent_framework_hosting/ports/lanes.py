"""One turn at a time per conversation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol


class Place(Protocol):
    """One turn's place in a lane: wait for it, and give it back once, from wherever it stands."""

    @property
    def name(self) -> str:
        """The lane."""
        ...

    @property
    def may_run(self) -> bool:
        """Whether this turn is the running one of its lane."""
        ...

    @property
    def left(self) -> bool:
        """Whether the place was given back."""
        ...

    async def enter(self) -> None:
        """Wait until this turn may run; a cancelled wait gives the place back."""
        ...

    def leave(self) -> None:
        """Give the place back; calling again does nothing."""
        ...


class Lanes(Protocol):
    """Hand out places in lanes, in the order they are asked for; different lanes run side by side."""

    def __len__(self) -> int:
        """Return how many lanes are in use here."""
        ...

    def __iter__(self) -> Iterator[str]:
        """Go through the names of the lanes in use here."""
        ...

    def reserve(self, name: str, *, limited: bool = True) -> Place:
        """Take a place at the end of a lane without waiting; ``limited`` raises ``LaneFull`` when too many wait."""
        ...

    async def idle(self) -> None:
        """Wait until nobody is in any lane here."""
        ...
