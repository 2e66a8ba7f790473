"""What an operator works on: the opened state of one host, live or stopped."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from ..model.identity import ChannelIdentity
from ..ports import Store
from ..sessions.registry import IdentityRegistry
from ..tasks.table import TaskTable


@dataclass(frozen=True, slots=True)
class OpenedState:
    """Stores and parts of one host.

    ``table`` returns the tasks of deliveries; it is None when another runner keeps them. ``sessions`` and
    ``checkpoints`` forget an isolation key, ``linker`` and ``channels`` identities; ``channels`` returns
    sentences about what it could not reach. ``busy`` says whether turns of isolation keys are under way,
    and is None for a stopped host.
    """

    store: Store
    runner_store: Store
    table: Callable[[], TaskTable] | None
    registry: IdentityRegistry
    sessions: Callable[[str], Awaitable[None]]
    checkpoints: Callable[[str], Awaitable[None]]
    linker: Callable[[Sequence[ChannelIdentity]], Awaitable[None]]
    channels: Callable[[Sequence[ChannelIdentity]], Awaitable[Sequence[str]]]
    busy: Callable[[frozenset[str]], bool] | None
