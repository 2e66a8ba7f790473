"""From an isolation key to the conversation's ``AgentSession``: live ones, snapshots, forks and resets."""

from __future__ import annotations

import json
import logging
import time
import weakref
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator
from typing import TYPE_CHECKING

from ..ports import Delete, Put, Store, Write

if TYPE_CHECKING:
    from agent_framework import AgentSession

logger = logging.getLogger(__name__)

SNAPSHOTS = "snapshots"
UNREADABLE_SNAPSHOTS = "snapshots.unreadable"
RESETS = "resets"
_SEPARATOR = "\x1f"


class UnknownParent(LookupError):  # noqa: N818 - reads as the condition it names
    """The snapshot a turn wants to continue from is not known in its owner's namespace."""


class _Live:
    """Sessions in memory, at most ``limit``, least recently used first to go."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._sessions: OrderedDict[str, AgentSession] = OrderedDict()

    def __len__(self) -> int:
        return len(self._sessions)

    def __iter__(self) -> Iterator[str]:
        return iter(self._sessions)

    def get(self, name: str) -> AgentSession | None:
        session = self._sessions.get(name)
        if session is not None:
            self._sessions.move_to_end(name)
        return session

    def put(self, name: str, session: AgentSession) -> None:
        self._sessions[name] = session
        self._sessions.move_to_end(name)
        while len(self._sessions) > self._limit:
            self._sessions.popitem(last=False)

    def pop(self, name: str) -> None:
        self._sessions.pop(name, None)


class Sessions:
    """Keep the live sessions, least recently used first to go: people's main ones and keyed ones apart.

    ``create`` makes a session with the given id, or returns None for targets that have none; ``fork`` makes the second
    of its sessions continue what the first holds. Sessions with a ``key`` (threads, snapshots) are stored when the
    store is durable; a person's main session is stored when ``snapshots``.
    What is evicted comes back from its snapshot, or starts empty with the same id, from which history providers
    rehydrate.
    """

    def __init__(
        self,
        create: Callable[[str], AgentSession | None],
        fork: Callable[[AgentSession, AgentSession], Awaitable[None]],
        store: Store,
        *,
        live_limit: int = 1000,
        snapshots: bool = False,
    ) -> None:
        self._create = create
        self._fork = fork
        self._store = store
        self._snapshots = snapshots
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

    async def keep(self, isolation_key: str, key: str | None, session: AgentSession) -> None:
        """Remember a session after its turn, durably where that was asked for; not one that was reset meanwhile."""
        name = _name(isolation_key, key)
        if self._opened.get(name) is not session:
            return
        self._live_with(name).put(name, session)
        if self._store.durable and (self._snapshots or key is not None):
            await self._store.commit([Put(SNAPSHOTS, name, json.dumps(session.to_dict()))])

    async def reset(self, isolation_key: str, key: str | None = None) -> None:
        """Forget a person's conversation (their next turn gets a new session id), or one keyed session."""
        name = _name(isolation_key, key)
        self._drop(name)
        writes: list[Write] = [Delete(SNAPSHOTS, name)]
        if key is None:
            resets = await self._store.get(RESETS, isolation_key) or "0"
            writes.append(Put(RESETS, isolation_key, str(int(resets) + 1 if resets.isdecimal() else time.time_ns())))
        await self._store.commit(writes)

    async def forget(self, isolation_key: str) -> None:
        """Remove every session, snapshot and counter of one isolation key."""
        prefix = _escaped(isolation_key) + _SEPARATOR
        for name in [name for name in {*self._main, *self._keyed, *self._opened} if name.startswith(prefix)]:
            self._drop(name)
        while rows := await self._store.scan(SNAPSHOTS, prefix=prefix):
            await self._store.commit([Delete(SNAPSHOTS, name) for name, _ in rows])
        await self._store.commit([Delete(RESETS, isolation_key)])

    def _live_with(self, name: str) -> _Live:
        return self._main if name.endswith(_SEPARATOR) else self._keyed

    def _drop(self, name: str) -> None:
        self._live_with(name).pop(name)
        self._opened.pop(name, None)

    async def _find(self, name: str) -> AgentSession | None:
        session = self._live_with(name).get(name)
        if session is not None:
            return session
        text = await self._store.get(SNAPSHOTS, name) if self._store.durable else None
        if text is None:
            return None
        from agent_framework import AgentSession  # noqa: PLC0415 - heavy, and only needed for stored sessions

        try:
            return AgentSession.from_dict(json.loads(text))
        except Exception as error:  # whatever a damaged snapshot holds, its owner can go on
            logger.warning("A session's snapshot was set aside: it cannot be read (%s)", type(error).__name__)
            await self._store.commit([Put(UNREADABLE_SNAPSHOTS, name, text), Delete(SNAPSHOTS, name)])
            return None

    async def _session_id(self, isolation_key: str, key: str | None) -> str:
        if key is not None:
            return f"{isolation_key}:{key}"
        resets = await self._store.get(RESETS, isolation_key)
        return isolation_key if resets is None else f"{isolation_key}~{resets}"


def forget_snapshot(isolation_key: str) -> Write:
    """Return what removes the snapshot of a person's main session."""
    return Delete(SNAPSHOTS, _name(isolation_key, None))


def _name(isolation_key: str, key: str | None) -> str:
    return f"{_escaped(isolation_key)}{_SEPARATOR}{_escaped(key or '')}"


def _escaped(part: str) -> str:
    """Keep a separator inside a wire's id from naming somebody else's session."""
    return part.replace("%", "%25").replace(_SEPARATOR, "%1f") if _SEPARATOR in part or "%" in part else part
