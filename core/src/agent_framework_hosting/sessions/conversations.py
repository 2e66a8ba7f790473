"""From an isolation key to the conversation's ``AgentSession``: live ones, snapshots, forks and resets."""

from __future__ import annotations

import json
import logging
import weakref
import zlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, cast

import msgspec

from ..errors import RecordsDiffer, UnreadableRecord
from ..ports import ABSENT, Store, Write
from ..records import BY_KEY, KEY_SEPARATOR, Expiry, RecordCodec, Records, Table, key_of

if TYPE_CHECKING:
    from agent_framework import AgentSession

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A session as agent-framework writes it: the JSON of its ``to_dict()``."""

    session: msgspec.Raw = field(repr=False, hash=False)


@dataclass(frozen=True, slots=True)
class Reset:
    """How often a person's conversation was started afresh."""

    count: int


def _counted(bare: dict[str, object]) -> dict[str, object]:
    text = str(bare.get("text", ""))
    return {"count": int(text) if text.isdecimal() else zlib.crc32(text.encode("utf-8", "replace"))}


class SessionCodec:
    """Turn sessions into text and back. ``dump`` raises what ``json.dumps`` does for one that cannot be stored."""

    record_type = Snapshot

    def __init__(self) -> None:
        self._snapshots = RecordCodec("snapshot", 1, Snapshot, {0: lambda session: {"session": session}})

    def dump(self, value: AgentSession, /) -> str:
        """Return the text of a session."""
        return self._snapshots.dump(Snapshot(msgspec.Raw(json.dumps(value.to_dict()).encode())))

    def load(self, text: str, /) -> AgentSession:
        """Return the session. Raises ``UnreadableRecord``, whatever a damaged one holds."""
        from agent_framework import AgentSession  # noqa: PLC0415 - heavy, and only needed for stored sessions

        snapshot = self._snapshots.load(text)
        try:
            return AgentSession.from_dict(cast("dict[str, object]", json.loads(bytes(snapshot.session))))
        except Exception as error:
            raise UnreadableRecord(f"The snapshot of a session is damaged: {type(error).__name__}.") from error


SNAPSHOTS: Table[AgentSession] = Table(
    "snapshots", SessionCodec(), person=BY_KEY, expiry=Expiry(with_person=True), holds="conversations"
)
RESETS = Table(
    "resets",
    RecordCodec("reset", 1, Reset, {0: _counted}),
    person=BY_KEY,
    expiry=Expiry(with_person=True),
    holds="how often people began afresh",
)


class UnknownParent(LookupError):  # noqa: N818 - reads as the condition it names
    """The snapshot a turn wants to continue from is not known in its owner's namespace."""


class _Live:
    """Sessions in memory with the versions of their snapshots, at most ``limit``, least recently used first to go."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._sessions: OrderedDict[str, tuple[AgentSession, int | None]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._sessions)

    def __iter__(self) -> Iterator[str]:
        return iter(self._sessions)

    def get(self, name: str) -> tuple[AgentSession, int | None] | None:
        held = self._sessions.get(name)
        if held is not None:
            self._sessions.move_to_end(name)
        return held

    def put(self, name: str, session: AgentSession, version: int | None) -> None:
        self._sessions[name] = (session, version)
        self._sessions.move_to_end(name)
        while len(self._sessions) > self._limit:
            self._sessions.popitem(last=False)

    def pop(self, name: str) -> None:
        self._sessions.pop(name, None)


class Sessions:
    """Keep the live sessions, least recently used first to go: people's main ones and keyed ones apart.

    ``create`` makes a session with the given id, or returns None for targets that have none; ``fork`` makes the second
    of its sessions continue what the first holds. Sessions with a ``key`` (threads, snapshots) are stored where state
    is kept; a person's main session is stored when ``snapshots``. What is evicted comes back from its snapshot, or
    starts empty with the same id, from which history providers rehydrate. ``shared`` says that other hosts write to
    the store as well: a live session is used only while its snapshot is the one this host knows. Without ``remembers``
    sessions are in memory only.
    """

    def __init__(
        self,
        create: Callable[[str], AgentSession | None],
        fork: Callable[[AgentSession, AgentSession], Awaitable[None]],
        store: Store,
        *,
        live_limit: int = 1000,
        snapshots: bool = False,
        shared: bool = False,
        remembers: bool = True,
    ) -> None:
        self._create = create
        self._fork = fork
        self._store = store
        self._stored = Records(store, SNAPSHOTS)
        self._resets = Records(store, RESETS)
        self._snapshots = snapshots
        self.shared = shared
        self._keeps = remembers and (store.durable or shared)
        self._main = _Live(live_limit)
        self._keyed = _Live(live_limit)  # an API makes one per answer, which must not push people's own out
        self._opened: weakref.WeakValueDictionary[str, AgentSession] = weakref.WeakValueDictionary()

    def __len__(self) -> int:
        """Return how many sessions are live."""
        return len(self._main) + len(self._keyed)

    async def open(self, isolation_key: str, key: str | None = None, parent: str | None = None) -> AgentSession | None:
        """Return the session to run in: the live one, its snapshot, a copy of ``parent``'s, or a new one.

        Raises ``UnknownParent`` when ``parent`` names no session of this isolation key.
        """
        name = _name(isolation_key, key)
        session = await (self._find(name) if parent is None else self._continued(isolation_key, key, parent))
        session = session or self._create(await self._session_id(isolation_key, key))
        if session is not None:
            self._opened[name] = session
        return session

    async def _continued(self, isolation_key: str, key: str | None, parent: str) -> AgentSession | None:
        session = self._create(await self._session_id(isolation_key, key))
        if session is not None:
            source = await self._find(_name(isolation_key, parent))
            if source is None:
                raise UnknownParent(parent)
            await self._fork(source, session)
        return session

    def keep(self, isolation_key: str, key: str | None, session: AgentSession) -> Sequence[Write]:
        """Remember a session after its turn, unless it was reset meanwhile; return what stores it, to be committed.

        Raises what ``json.dumps`` does for a session that cannot be stored.
        """
        name = _name(isolation_key, key)
        if not self.is_wanted(isolation_key, key, session):
            return ()
        live = self._live_with(name)
        held = live.get(name)
        version = held[1] if held is not None and held[0] is session else None
        live.put(name, session, version)
        if not (self._keeps and (self._snapshots or key is not None)):
            return ()
        return (self._stored.put(name, session, expect=(version or ABSENT) if self.shared else None),)

    def is_wanted(self, isolation_key: str, key: str | None, session: AgentSession) -> bool:
        """Say whether a session that was opened is still the conversation's: it was not reset, and nobody forgotten."""
        return self._opened.get(_name(isolation_key, key)) is session

    def kept(self, isolation_key: str, key: str | None, session: AgentSession, version: int) -> None:
        """Take note of the version a session was stored under."""
        name = _name(isolation_key, key)
        if self.is_wanted(isolation_key, key, session):
            self._live_with(name).put(name, session, version)

    async def reset(self, isolation_key: str, key: str | None = None) -> None:
        """Forget a person's conversation (their next turn gets a new session id), or one keyed session."""
        name = _name(isolation_key, key)
        self._drop(name)
        if key is not None:
            await self._store.commit([self._stored.delete(name)])
            return
        while True:
            before = await self._resets.read(key_of(isolation_key))
            count, version = (0, ABSENT) if before is None else (before.value.count, before.version)
            after = self._resets.put(key_of(isolation_key), Reset(count + 1), expect=version)
            try:
                await self._store.commit([self._stored.delete(name), after])
            except RecordsDiffer:  # another host was first: count on from there
                continue
            return

    def drop(self, isolation_key: str) -> None:
        """Let go of every live session of one isolation key; its records go by themselves."""
        prefix = key_of(isolation_key) + KEY_SEPARATOR
        for name in [name for name in {*self._main, *self._keyed, *self._opened} if name.startswith(prefix)]:
            self._drop(name)

    def _live_with(self, name: str) -> _Live:
        return self._main if name.endswith(KEY_SEPARATOR) else self._keyed

    def _drop(self, name: str) -> None:
        self._live_with(name).pop(name)
        self._opened.pop(name, None)

    async def _find(self, name: str) -> AgentSession | None:
        held = self._live_with(name).get(name)
        if held is not None and not self.shared:
            return held[0]
        if not self._keeps:
            return None
        stored = await self._stored.read(name)
        if stored is None:
            return None if held is None or held[1] is not None else held[0]
        if held is not None and held[1] == stored.version:
            return held[0]
        if self.shared:
            self._live_with(name).put(name, stored.value, stored.version)
        return stored.value

    async def _session_id(self, isolation_key: str, key: str | None) -> str:
        if key is not None:
            return f"{isolation_key}:{key}"
        reset = await self._resets.get(key_of(isolation_key))
        return isolation_key if reset is None else f"{isolation_key}~{reset.count}"


@lru_cache(4096)
def _name(isolation_key: str, key: str | None) -> str:
    return f"{key_of(isolation_key)}{KEY_SEPARATOR}{key_of(key or '')}"
