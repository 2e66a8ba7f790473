"""The host's own tables, for its catalog; the runner names those it keeps, channels declare theirs."""

from __future__ import annotations

from collections.abc import Sequence

from ..delivery.continuations import TOKENS
from ..delivery.journal import EVENTS, HISTORY, TURNS
from ..linking.records import PENDING_LINKS
from ..model.table import AnyTable
from ..sessions.addresses import IDENTITIES, LINKS
from ..sessions.conversations import RESETS, SNAPSHOTS
from ..state.ownership import HOSTS

TABLES: Sequence[AnyTable] = (
    TURNS,
    HISTORY,
    EVENTS,
    TOKENS,
    IDENTITIES,
    LINKS,
    PENDING_LINKS,
    SNAPSHOTS,
    RESETS,
    HOSTS,
)
