"""What a turn passes through."""

from __future__ import annotations

from dataclasses import dataclass

from ..delivery.continuations import Continuations
from ..delivery.journal import Journal
from ..delivery.staging import Outbox
from ..execution.turn import Execution
from ..plugins.manager import PluginManager
from ..ports import Target
from ..sessions.lanes import Lanes
from ..sessions.registry import IdentityRegistry
from ..sessions.resolve import Sessions
from .gate import Gate


@dataclass(frozen=True, slots=True)
class TurnParts:
    """Everything a turn passes through, wired by the host."""

    target: Target
    plugins: PluginManager
    gate: Gate
    registry: IdentityRegistry
    sessions: Sessions
    lanes: Lanes
    execution: Execution
    journal: Journal
    continuations: Continuations
    outbox: Outbox
    timeout_seconds: float | None
