"""What waits for a click: kept on disk under an opaque id, for one person in one conversation, once, for a while."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias, cast

from agent_framework_hosting import Expiry, RecordCodec, RecordExists, Records, Store, Table

from .references import Reference

PendingKind: TypeAlias = Literal["question", "file"]
Refusal: TypeAlias = Literal["gone", "foreign"]


@dataclass(frozen=True, slots=True)
class Offer:
    """Something that waits, and for whom."""

    kind: PendingKind
    payload: dict[str, object]
    room: str
    person: str


@dataclass(frozen=True, slots=True)
class Used:
    """That an offer was."""


@dataclass(frozen=True, slots=True)
class Pending:
    """One thing that waits for the person who has found it."""

    id: str
    payload: Mapping[str, object]


def _offer_of_then(fields: dict[str, object]) -> dict[str, object]:
    if cast("float", fields.pop("expires")) < time.time():
        raise ValueError("nobody can use it any more")
    return fields


PENDING = Table(
    "pending",
    RecordCodec("offer", 1, Offer, {0: _offer_of_then}),
    person="person",
    unreadable="drop",
    holds="questions and files that wait for a click",
)
TAKEN = Table(
    "taken", RecordCodec("used", 1, Used, {0: lambda _: {}}), holds="questions and files that had their click"
)


class PendingBook:
    """Offer things for a while, and hand each out once, to whom it was offered."""

    def __init__(self, store: Store, keep_seconds: float) -> None:
        expiry = Expiry(seconds=keep_seconds)
        self._store = store
        self._pending = Records(store, replace(PENDING, expiry=expiry))
        self._taken = Records(store, replace(TAKEN, expiry=expiry))
        self.tables = (self._pending.table, self._taken.table)

    async def offer(self, kind: PendingKind, payload: Mapping[str, object], to: Reference) -> str:
        """Keep something for a reference's person; return the id that its card carries."""
        pending_id = secrets.token_urlsafe(18)
        offer = Offer(kind, dict(payload), to.room, to.speaker)
        await self._store.commit([self._pending.put(pending_id, offer)])
        return pending_id

    async def find(self, kind: PendingKind, pending_id: object, by: Reference) -> Pending | Refusal:
        """Return what waits under an id, or why this person may not have it."""
        if not isinstance(pending_id, str) or not pending_id:
            return "gone"
        found = await self._pending.get(pending_id)
        if found is None or found.kind != kind:
            return "gone"
        if (found.room, found.person) != (by.room, by.speaker):
            return "foreign"
        return Pending(pending_id, found.payload)

    async def take(self, found: Pending) -> bool:
        """Mark something as used; False when another click was first."""
        try:
            await self._store.commit([self._taken.insert(found.id, Used()), self._pending.delete(found.id)])
        except RecordExists:
            return False
        return True
