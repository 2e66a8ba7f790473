"""Stored responses on the host's store: by principal and id, so that a foreign id is an unknown id."""

from __future__ import annotations

import re
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import cast

import msgspec

from agent_framework_hosting import BY_KEY, Expiry, RecordCodec, RecordExists, Records, Store, Table, Write

from .encoding import Json
from .ids import response_of_item

SHARED_SESSION = ""
MAX_ANCESTORS = 1_000
UNDER_WAY = ("queued", "in_progress")
_ID = re.compile(r"[A-Za-z0-9_.:-]{1,256}\Z")
_DAY_SECONDS = 24 * 60 * 60


class Record(msgspec.Struct, frozen=True, omit_defaults=True):
    """One stored response: the object as sent, its own input, and what a continuation needs.

    ``session`` is the key to continue from: a response id, ``""`` for the person's shared session, None for a fresh
    one. ``calls`` are call ids the client has to answer, ``approvals`` the questions by their id.
    """

    response: msgspec.Raw
    input: list[Json]
    status: str
    session: str | None = None
    parent: str | None = None
    conversation: str | None = None
    calls: list[str] = []
    approvals: dict[str, Json] = {}
    background: bool = False

    def object(self) -> Json:
        """Return the response object."""
        return cast("Json", msgspec.json.decode(self.response))

    def output(self) -> list[Json]:
        """Return the output items."""
        return cast("list[Json]", self.object()["output"])


@dataclass(frozen=True, slots=True)
class Mark:
    """What says all it has to by being there."""


@dataclass(frozen=True, slots=True)
class Running:
    """That a host is at work on a response of the background; ``host`` is that start of it."""

    host: str = ""


@dataclass(frozen=True, slots=True)
class ItemOf:
    """Which response an item belongs to whose id does not say so."""

    response_id: str


_marks = RecordCodec("mark", 1, Mark, {0: lambda _: {}})
RESPONSES = Table(
    "responses",
    RecordCodec("response", 1, Record, {0: lambda fields: fields}),
    person=BY_KEY,
    holds="stored responses with their input",
)
IDS = Table("response_ids", _marks, person=BY_KEY, holds="which responses a caller has")
ITEMS = Table(
    "response_items",
    RecordCodec("item", 1, ItemOf, {0: lambda fields: {"response_id": fields["text"]}}),
    person=BY_KEY,
    holds="which response an item belongs to whose id does not tell",
)
ANSWERED = Table("answered_approvals", _marks, person=BY_KEY, holds="questions that were answered")
RUNNING = Table(
    "running",
    RecordCodec("running", 1, Running, {0: lambda _: {}}),
    person=BY_KEY,
    holds="background responses under way, and at which host",
)


class StoredResponses:
    """Read and write the stored responses of one channel."""

    def __init__(self, store: Store, *, per_principal: int, keep_days: int) -> None:
        """Keep at most ``per_principal`` responses each, none older than ``keep_days``, in the channel's own tables."""
        aged = Expiry(seconds=float(keep_days * _DAY_SECONDS))
        self._store = store
        self._responses = Records(store, replace(RESPONSES, expiry=aged))
        self._items = Records(store, replace(ITEMS, expiry=aged))
        self._answered = Records(store, replace(ANSWERED, expiry=aged))
        self._ids = Records(store, IDS)
        self._running = Records(store, RUNNING)
        self._per_principal = per_principal
        self._keep_ms = keep_days * _DAY_SECONDS * 1000
        self._known: dict[str, OrderedDict[str, None]] = {}
        self._started: dict[str, int] = {}  # versions of the background responses this host is at work on
        self.tables = (self._responses.table, self._items.table, self._answered.table, IDS, RUNNING)

    async def get(self, principal: str, response_id: str) -> Record | None:
        """Return a response of this principal, or None."""
        return await self._responses.get(_key(principal, response_id)) if _ID.match(response_id) else None

    async def save(self, principal: str, response_id: str, record: Record) -> list[str]:
        """Store a finished response; the oldest beyond the limits go. Return those among them that had a session.

        Raises ``RecordsDiffer`` for one of the background that was deleted, or ended by another host, meanwhile.
        """
        key = _key(principal, response_id)
        writes: list[Write] = [self._responses.put(key, record)]
        if self._store.durable:
            writes.append(self._ids.put(key, Mark()))
        if record.background:
            writes.append(self._running.delete(key, expect=self._started.get(key)))
        belongs = ItemOf(response_id)
        writes += [self._items.put(_key(principal, item_id), belongs) for item_id in _foreign_ids(record)]
        await self._store.commit(writes)
        self._started.pop(key, None)
        return await self._evict(principal, response_id)

    def let_go(self, principal: str, response_id: str) -> None:
        """Leave a background response to whoever has it now."""
        self._started.pop(_key(principal, response_id), None)

    async def start(self, principal: str, response_id: str, record: Record, host: str) -> None:
        """Store a background response before ``host`` runs it."""
        key = _key(principal, response_id)
        writes = [self._responses.put(key, record), self._ids.put(key, Mark())]
        self._started[key] = await self._store.commit([*writes, self._running.put(key, Running(host))])

    async def host_of(self, principal: str, response_id: str) -> str | None:
        """Return the host that is at work on a background response, or None when none is."""
        running = await self._running.get(_key(principal, response_id))
        return None if running is None else running.host

    async def left_behind(self, living: Collection[str]) -> list[tuple[str, str]]:
        """Return principal and id of the background responses whose hosts are not among the living."""
        keys = [key async for key, running in self._running.all() if running.host not in living]
        return [(principal, response_id) for principal, _, response_id in (key.partition("\x1f") for key in keys)]

    async def fail(self, principal: str, response_id: str, failed: Callable[[Json], Json]) -> bool:
        """End an unfinished background response; False when there is none."""
        record = await self.get(principal, response_id)
        if record is None:
            await self._store.commit([self._running.delete(_key(principal, response_id))])
            return False
        raw = msgspec.Raw(msgspec.json.encode(failed(record.object())))
        await self.save(principal, response_id, msgspec.structs.replace(record, response=raw, status="failed"))
        return True

    async def delete(self, principal: str, response_id: str) -> Record | None:
        """Remove a response and everything that points at it; return what it was."""
        record = await self.get(principal, response_id)
        if record is None:
            return None
        key = _key(principal, response_id)
        writes: list[Write] = [each.delete(key) for each in (self._responses, self._ids, self._running)]
        writes += [self._items.delete(_key(principal, item)) for item in _foreign_ids(record)]
        writes += [self._answered.delete(_key(principal, approval)) for approval in record.approvals]
        await self._store.commit(writes)
        if principal in self._known:
            self._known[principal].pop(response_id, None)
        return record

    def forget(self, principal: str) -> None:
        """Let go of what is remembered of a principal besides the store."""
        self._known.pop(principal, None)

    async def history(self, principal: str, response_id: str) -> list[Json] | None:
        """Return the items a response was made from, oldest first: its ancestors' input and output, its own input."""
        record = await self.get(principal, response_id)
        if record is None:
            return None
        turns, parent = [list(record.input)], record.parent
        while parent is not None and len(turns) < MAX_ANCESTORS:
            record = await self.get(principal, parent)
            if record is None:  # deleted: what is left begins after it
                break
            turns.append([*record.input, *record.output()])
            parent = record.parent
        return [item for turn in reversed(turns) for item in turn]

    async def find_item(self, principal: str, item_id: str) -> Json | None:
        """Return a stored item of this principal."""
        if not _ID.match(item_id):
            return None
        response_id = response_of_item(item_id)
        if response_id is None:
            item = await self._items.get(_key(principal, item_id))
            response_id = None if item is None else item.response_id
        record = None if response_id is None else await self.get(principal, response_id)
        if record is None:
            return None
        return next((item for item in (*record.input, *record.output()) if item.get("id") == item_id), None)

    async def claim_approval(self, principal: str, approval_id: str) -> bool:
        """Mark an approval as answered; False when it already was."""
        try:
            await self._store.commit([self._answered.insert(_key(principal, approval_id), Mark())])
        except RecordExists:
            return False
        return True

    async def release_approvals(self, principal: str, approval_ids: Iterable[str]) -> None:
        """Take claims back: nothing was run."""
        writes = [self._answered.delete(_key(principal, approval)) for approval in approval_ids]
        if writes:
            await self._store.commit(writes)

    async def _evict(self, principal: str, response_id: str) -> list[str]:
        known = self._known.get(principal)
        if known is None:
            prefix = _key(principal, "")
            keys = [key async for key, _ in self._ids.all(prefix=prefix)]
            known = self._known[principal] = OrderedDict.fromkeys(key.removeprefix(prefix) for key in keys)
        known[response_id] = None
        oldest = f"resp_{max(0, int(time.time() * 1000) - self._keep_ms):012x}"
        gone: list[str] = []
        while known and (len(known) > self._per_principal or next(iter(known)) < oldest):
            evicted, _ = known.popitem(last=False)
            record = await self.delete(principal, evicted)
            if record is None:  # it has expired
                await self._store.commit([self._ids.delete(_key(principal, evicted))])
            if record is None or record.session == evicted:
                gone.append(evicted)
        return gone


def _key(principal: str, name: str) -> str:
    return f"{principal}\x1f{name}"


def _foreign_ids(record: Record) -> Sequence[str]:
    """Return the ids of input items that do not name the response they came from."""
    ids = [str(item["id"]) for item in record.input]
    return [item_id for item_id in ids if response_of_item(item_id) is None]
