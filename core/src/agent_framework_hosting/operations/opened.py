"""What an operator works on: the opened state of one host, live or stopped."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from ..delivery.journal import Journal
from ..model.identity import ChannelIdentity
from ..ports import Store, TaskTable
from ..records import Catalog
from ..sessions.people import People


@dataclass(frozen=True, slots=True)
class OpenedState:
    """The store and parts of one host.

    ``tasks`` returns the tasks of deliveries; it is None when the runner shows none. ``checkpoints`` and ``sessions``
    let go of an isolation key, ``linker`` and ``channels`` of identities, beyond what the catalog's records hold;
    ``channels`` returns sentences about what it could not reach. ``busy`` says whether turns of isolation keys are
    under way, and is None for a stopped host.
    """

    store: Store
    catalog: Catalog
    journal: Journal
    people: People
    tasks: Callable[[], TaskTable] | None
    sessions: Callable[[str], None]
    checkpoints: Callable[[str], Awaitable[None]]
    linker: Callable[[Sequence[ChannelIdentity]], Awaitable[None]]
    channels: Callable[[Sequence[ChannelIdentity]], Awaitable[Sequence[str]]]
    busy: Callable[[frozenset[str]], bool] | None
