"""Commands a chat channel offers beside plain messages."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from .outcome import Outcome
from .request import ChannelRequest


@dataclass(frozen=True, slots=True)
class ChannelCommandContext:
    """Hand a command what it may do: ``reply`` writes to the asker, ``run`` runs the target as a normal turn."""

    request: ChannelRequest
    reply: Callable[[str], Awaitable[None]] = field(compare=False)
    run: Callable[[ChannelRequest], Awaitable[Outcome]] = field(compare=False)
    reset_session: Callable[[], Awaitable[None]] = field(compare=False)


@dataclass(frozen=True, slots=True)
class ChannelCommand:
    """Offer ``/name`` on a chat channel; ``name`` is 1-32 of ``[a-z0-9_]``. Commands pass the gate like messages."""

    name: str
    description: str
    handle: Callable[[ChannelCommandContext], Awaitable[None]] = field(compare=False)
