"""What waits for a click: kept on disk under an opaque id, for one person in one conversation, once, for a while."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias, cast

from agent_framework_hosting.errors import RecordExists
from agent_framework_hosting.ports import Delete, Insert, Put, Store

from .references import Reference

PENDING, TAKEN = "pending", "taken"
PendingKind: TypeAlias = Literal["question", "file"]
Refusal: TypeAlias = Literal["gone", "foreign"]


@dataclass(frozen=True, slots=True)
class Pending:
    """One thing that waits, and for whom."""

    id: str
    kind: PendingKind
    payload: Mapping[str, object]
    room: str
    person: str
    expires: float


class PendingBook:
    """Offer things, and hand each out once, to whom it was offered."""

    def __init__(self, store: Store, keep_seconds: float, now: Callable[[], float] = time.time) -> None:
        self._store = store
        self._keep_seconds = keep_seconds
        self._now = now

    async def offer(self, kind: PendingKind, payload: Mapping[str, object], to: Reference) -> str:
        """Keep something for a reference's person; return the id that its card carries."""
        pending_id = secrets.token_urlsafe(18)
        record = {
            "kind": kind,
            "payload": dict(payload),
            "room": to.room,
            "person": speaker_of(to),
            "expires": self._now() + self._keep_seconds,
        }
        await self._store.commit([Put(PENDING, pending_id, json.dumps(record))])
        return pending_id

    async def find(self, kind: PendingKind, pending_id: object, by: Reference) -> Pending | Refusal:
        """Return what waits under an id, or why this person may not have it."""
        text = await self._store.get(PENDING, pending_id) if isinstance(pending_id, str) and pending_id else None
        if text is None:
            return "gone"
        record = cast("dict[str, object]", json.loads(text))
        found = Pending(
            str(pending_id),
            kind,
            cast("Mapping[str, object]", record["payload"]),
            str(record["room"]),
            str(record["person"]),
            float(cast("float", record["expires"])),
        )
        if record["kind"] != kind or found.expires < self._now():
            return "gone"
        return found if (found.room, found.person) == (by.room, speaker_of(by)) else "foreign"

    async def take(self, found: Pending) -> bool:
        """Mark something as used; False when another click was first."""
        try:
            await self._store.commit([Insert(TAKEN, found.id, str(found.expires)), Delete(PENDING, found.id)])
        except RecordExists:
            return False
        return True

    async def sweep(self) -> None:
        """Forget what nobody can use any more."""
        now = self._now()
        for table in (PENDING, TAKEN):
            after = ""
            while rows := await self._store.scan(table, after=after, limit=500):
                after = rows[-1][0]
                old = [key for key, text in rows if _expires(text) < now]
                await self._store.commit([Delete(table, key) for key in old])


def speaker_of(reference: Reference) -> str:
    """Return who a reference's speaker is, directory or not."""
    return reference.person or f"{reference.tenant_id}/account:{reference.user_id}"


def _expires(text: str) -> float:
    found: object = json.loads(text)
    return float(cast("float", cast("dict[str, object]", found)["expires"] if isinstance(found, dict) else found))
