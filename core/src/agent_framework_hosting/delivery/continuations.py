"""Background runs: an opaque token to ask after each one, kept for a while after its end."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from ..errors import UnreadableRecord
from ..execution.codec import encode_result
from ..model.durable import ContinuationStatus, ContinuationToken
from ..model.result import HostedRunResult, TargetResult
from ..ports import Delete, Put, Store, Write
from ..state.records import RecordCodec

TOKENS = "continuations"


@dataclass(frozen=True, slots=True)
class Continuation:
    """One background run as stored; times are seconds since the epoch."""

    token: str
    turn_id: str
    status: ContinuationStatus
    created_at: float
    completed_at: float | None = None
    result: dict[str, object] | None = None
    error: str | None = None

    def public(self) -> ContinuationToken:
        """Return what the caller sees."""
        return ContinuationToken(
            token=self.token,
            status=self.status,
            created_at=datetime.fromtimestamp(self.created_at, UTC),
            completed_at=None if self.completed_at is None else datetime.fromtimestamp(self.completed_at, UTC),
            result=self.result,
            error=self.error,
        )


_codec = RecordCodec("continuation", 1, Continuation)


class Continuations:
    """Mint, follow and forget continuation tokens; an ended run is kept for ``ttl_seconds``."""

    def __init__(self, store: Store, *, ttl_seconds: float = 86_400.0, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._ttl = ttl_seconds
        self._clock = clock

    def mint(self, turn_id: str) -> tuple[Continuation, Write]:
        """Return a new queued token and the write that accepts it."""
        continuation = Continuation(secrets.token_urlsafe(24), turn_id, "queued", self._clock())
        return continuation, self._put(continuation)

    async def get(self, token: str) -> Continuation | None:
        """Return a run by its token; None when it is unknown or was forgotten."""
        text = await self._store.get(TOKENS, token)
        if text is None:
            return None
        found = _codec.load(text)
        return None if self._expired(found) else found

    async def running(self, token: str) -> None:
        """Note that a run has begun."""
        found = await self.get(token)
        if found is not None:
            await self._store.commit([self._put(replace(found, status="running"))])

    async def completed(self, token: str, result: HostedRunResult[TargetResult]) -> list[Write]:
        """Return the writes that end a run well."""
        return await self._ended(token, "completed", result=encode_result(result))

    async def failed(self, token: str, error: str) -> list[Write]:
        """Return the writes that end a run badly; ``error`` is safe to show."""
        return await self._ended(token, "failed", error=error)

    async def sweep(self) -> None:
        """Forget what ended longer ago than the time to live."""
        after = ""
        while rows := await self._store.scan(TOKENS, after=after):
            await self._store.commit([Delete(TOKENS, key) for key, text in rows if self._is_stale(text)])
            after = rows[-1][0]

    async def _ended(
        self,
        token: str,
        status: ContinuationStatus,
        *,
        result: dict[str, object] | None = None,
        error: str | None = None,
    ) -> list[Write]:
        found = await self.get(token)
        if found is None:
            return []
        return [self._put(replace(found, status=status, completed_at=self._clock(), result=result, error=error))]

    def _put(self, continuation: Continuation) -> Write:
        return Put(TOKENS, continuation.token, _codec.dump(continuation))

    def _expired(self, found: Continuation) -> bool:
        return found.completed_at is not None and self._clock() - found.completed_at > self._ttl

    def _is_stale(self, text: str) -> bool:
        try:
            return self._expired(_codec.load(text))
        except UnreadableRecord:
            return True
