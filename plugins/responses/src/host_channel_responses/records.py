"""Stored responses on the host's store: by principal and id, so that a foreign id is an unknown id."""

from __future__ import annotations

import re
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import cast

import msgspec

from agent_framework_hosting.errors import RecordExists
from agent_framework_hosting.ports import Delete, Insert, Put, Store, Write

from .encoding import Json, repaired
from .ids import response_of_item

SHARED_SESSION = ""
MAX_ANCESTORS = 1_000
_ID = re.compile(r"[A-Za-z0-9_.:-]{1,256}\Z")
_DAY_MS = 24 * 60 * 60 * 1000


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
    version: int = 1

    def object(self) -> Json:
        """Return the response object."""
        return cast("Json", msgspec.json.decode(self.response))

    def output(self) -> list[Json]:
        """Return the output items."""
        return cast("list[Json]", self.object()["output"])


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Record)


class Records:
    """Read and write stored responses of one channel."""

    def __init__(self, store: Store, *, per_principal: int, keep_days: int) -> None:
        """Keep at most ``per_principal`` responses each, none older than ``keep_days``, in the channel's own tables."""
        self._store = store
        self._responses = "responses"
        self._ids = "response_ids"
        self._items = "response_items"
        self._answered = "answered_approvals"
        self._running = "running"
        self._per_principal = per_principal
        self._keep_ms = keep_days * _DAY_MS
        self._known: dict[str, OrderedDict[str, None]] = {}

    async def get(self, principal: str, response_id: str) -> Record | None:
        """Return a response of this principal, or None."""
        if not _ID.match(response_id):
            return None
        text = await self._store.get(self._responses, _key(principal, response_id))
        return None if text is None else _decoder.decode(text)

    async def save(self, principal: str, response_id: str, record: Record) -> list[str]:
        """Store a finished response; the oldest beyond the limits go. Return those among them that had a session."""
        text = _text_of(record)
        key = _key(principal, response_id)
        writes: list[Write] = [Put(self._responses, key, text)]
        if self._store.durable:  # a new process learns from the ids alone what is there
            writes.append(Put(self._ids, key, ""))
        if record.background:
            writes.append(Delete(self._running, key))
        writes += [Put(self._items, _key(principal, item_id), response_id) for item_id in _foreign_ids(record)]
        await self._store.commit(writes)
        return await self._evict(principal, response_id)

    async def start(self, principal: str, response_id: str, record: Record) -> None:
        """Store a background response before it runs."""
        key = _key(principal, response_id)
        text = _text_of(record)
        writes = [Put(self._responses, key, text), Put(self._ids, key, ""), Put(self._running, key, "")]
        await self._store.commit(writes)

    async def fail_left_behind(self, failed: Callable[[Json], Json]) -> int:
        """End the background responses that a stopped process left unfinished; return how many there were."""
        ended = 0
        while rows := await self._store.scan(self._running):
            for key, _ in rows:
                principal, _, response_id = key.partition("\x1f")
                record = await self.get(principal, response_id)
                if record is None:
                    await self._store.commit([Delete(self._running, key)])
                    continue
                response = failed(record.object())
                raw = msgspec.Raw(_encoder.encode(response))
                done = msgspec.structs.replace(record, response=raw, status="failed")
                await self.save(principal, response_id, done)
                ended += 1
        return ended

    async def delete(self, principal: str, response_id: str) -> Record | None:
        """Remove a response and everything that points at it; return what it was."""
        record = await self.get(principal, response_id)
        if record is None:
            return None
        key = _key(principal, response_id)
        writes: list[Write] = [Delete(self._responses, key), Delete(self._ids, key), Delete(self._running, key)]
        writes += [Delete(self._items, _key(principal, item)) for item in _foreign_ids(record)]
        writes += [Delete(self._answered, _key(principal, approval)) for approval in record.approvals]
        await self._store.commit(writes)
        if principal in self._known:
            self._known[principal].pop(response_id, None)
        return record

    async def forget(self, principal: str) -> None:
        """Remove everything of a principal."""
        for table in (self._responses, self._ids, self._items, self._answered, self._running):
            while rows := await self._store.scan(table, prefix=_key(principal, "")):
                await self._store.commit([Delete(table, key) for key, _ in rows])
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
            response_id = await self._store.get(self._items, _key(principal, item_id))
        record = None if response_id is None else await self.get(principal, response_id)
        if record is None:
            return None
        return next((item for item in (*record.input, *record.output()) if item.get("id") == item_id), None)

    async def claim_approval(self, principal: str, approval_id: str) -> bool:
        """Mark an approval as answered; False when it already was."""
        try:
            await self._store.commit([Insert(self._answered, _key(principal, approval_id), "")])
        except RecordExists:
            return False
        return True

    async def release_approvals(self, principal: str, approval_ids: Iterable[str]) -> None:
        """Take claims back: nothing was run."""
        writes = [Delete(self._answered, _key(principal, approval)) for approval in approval_ids]
        if writes:
            await self._store.commit(writes)

    async def _evict(self, principal: str, response_id: str) -> list[str]:
        known = self._known.get(principal)
        if known is None:
            known = self._known[principal] = await self._load(principal)
        known[response_id] = None
        oldest = f"resp_{max(0, int(time.time() * 1000) - self._keep_ms):012x}"
        gone: list[str] = []
        while known and (len(known) > self._per_principal or next(iter(known)) < oldest):
            evicted, _ = known.popitem(last=False)
            record = await self.delete(principal, evicted)
            if record is not None and record.session == evicted:
                gone.append(evicted)
        return gone

    async def _load(self, principal: str) -> OrderedDict[str, None]:
        prefix, after, ids = _key(principal, ""), "", OrderedDict[str, None]()
        while page := await self._store.scan(self._ids, prefix=prefix, after=after):
            ids.update((key[len(prefix) :], None) for key, _ in page)
            after = page[-1][0]
        return ids


def _key(principal: str, name: str) -> str:
    return f"{principal}\x1f{name}"


def _text_of(record: Record) -> str:
    try:
        return _encoder.encode(record).decode()
    except UnicodeEncodeError:
        repaired_input = cast("list[Json]", repaired(record.input))
        return _encoder.encode(msgspec.structs.replace(record, input=repaired_input)).decode()


def _foreign_ids(record: Record) -> Sequence[str]:
    """Return the ids of input items that do not name the response they came from."""
    ids = [str(item["id"]) for item in record.input]
    return [item_id for item_id in ids if response_of_item(item_id) is None]
