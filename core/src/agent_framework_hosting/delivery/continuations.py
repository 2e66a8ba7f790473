"""Background runs: an opaque token to ask after each one, kept for a while after its end."""

from __future__ import annotations

import logging
import secrets
import time
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import cast

from ..errors import PushPayloadNotSerializable, UnreadableRecord
from ..execution.codec import encode_result
from ..model.durable import ContinuationStatus, ContinuationToken
from ..model.result import HostedRunResult, TargetResult
from ..ports import Delete, Put, Store, Write
from ..state.records import RecordCodec

logger = logging.getLogger(__name__)

TOKENS = "continuations"
UNREADABLE_TOKENS = "continuations.unreadable"
NOT_STORABLE = "The agent answered, but its answer cannot be stored."
_FORGET_AT_ONCE = 64


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
            result=None if self.result is None else _public_result(self.result),
            error=self.error,
        )


def _public_result(stored: dict[str, object]) -> dict[str, object]:
    """Return an answer's own ``to_dict()``; of a workflow's the outputs, the open questions and the final state."""
    answer = stored.get("agent")
    if isinstance(answer, dict):
        return {"type": "agent_response", **cast("dict[str, object]", answer)}
    return cast("dict[str, object]", stored.get("workflow", {}))


_codec = RecordCodec("continuation", 1, Continuation)


class Continuations:
    """Mint, follow and forget continuation tokens.

    An ended run is kept for ``ttl_seconds``, and at most ``limit`` of them are, oldest first to go.
    """

    def __init__(
        self,
        store: Store,
        *,
        ttl_seconds: float = 86_400.0,
        limit: int = 10_000,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._ttl = ttl_seconds
        self._limit = limit
        self._clock = clock
        self._ended: deque[tuple[float, str]] = deque()

    async def load(self) -> None:
        """Take stock of what the store holds; what ended too long ago is removed, what cannot be read set aside."""
        ended: list[tuple[float, str]] = []
        after = ""
        while rows := await self._store.scan(TOKENS, after=after):
            after = rows[-1][0]
            writes: list[Write] = []
            for token, text in rows:
                found = _read(token, text)
                if found is None:
                    writes += [Put(UNREADABLE_TOKENS, token, text), Delete(TOKENS, token)]
                elif self._is_over(found):
                    writes.append(Delete(TOKENS, token))
                elif found.completed_at is not None:
                    ended.append((found.completed_at, token))
            if writes:
                await self._store.commit(writes)
        self._ended = deque(sorted(ended))

    def mint(self, turn_id: str) -> tuple[Continuation, list[Write]]:
        """Return a new queued run and the writes that accept it; they also forget runs that ended long ago."""
        run = Continuation(secrets.token_urlsafe(24), turn_id, "queued", self._clock())
        forgotten: list[Write] = []
        earliest = self._clock() - self._ttl
        while self._ended and (self._ended[0][0] < earliest or len(self._ended) > self._limit):
            forgotten.append(Delete(TOKENS, self._ended.popleft()[1]))
            if len(forgotten) == _FORGET_AT_ONCE:
                break
        return run, [*forgotten, self._put(run)]

    async def get(self, token: str) -> Continuation | None:
        """Return a run by its token; None when it is unknown, was forgotten, or cannot be read."""
        text = await self._store.get(TOKENS, token)
        found = None if text is None else _read(token, text)
        return None if found is None or self._is_over(found) else found

    async def of_turns(self, turn_ids: Collection[str]) -> list[str]:
        """Return the tokens of the runs that these turns are."""
        tokens: list[str] = []
        after = ""
        while rows := await self._store.scan(TOKENS, after=after):
            after = rows[-1][0]
            found = [(token, _read(token, text)) for token, text in rows]
            tokens += [token for token, run in found if run is not None and run.turn_id in turn_ids]
        return tokens

    def running(self, run: Continuation) -> Write:
        """Return the write that says a run has begun."""
        return self._put(replace(run, status="running"))

    def completed(self, run: Continuation, result: HostedRunResult[TargetResult]) -> Write:
        """Return the write that ends a run well, or badly when its answer cannot be stored."""
        try:
            answer = encode_result(result)
        except PushPayloadNotSerializable:
            logger.exception("The answer of a background run cannot be stored", extra={"turn": run.turn_id})
            return self.failed(run, NOT_STORABLE)
        return self._end(replace(run, status="completed", completed_at=self._clock(), result=answer))

    def failed(self, run: Continuation, error: str) -> Write:
        """Return the write that ends a run badly; ``error`` is safe to show."""
        return self._end(replace(run, status="failed", completed_at=self._clock(), error=error))

    def _end(self, run: Continuation) -> Write:
        self._ended.append((run.completed_at or 0.0, run.token))
        return self._put(run)

    def _put(self, continuation: Continuation) -> Write:
        return Put(TOKENS, continuation.token, _codec.dump(continuation))

    def _is_over(self, found: Continuation) -> bool:
        return found.completed_at is not None and self._clock() - found.completed_at > self._ttl


def _read(token: str, text: str) -> Continuation | None:
    try:
        return _codec.load(text)
    except UnreadableRecord as error:
        logger.warning("A background run cannot be read: %s", error, extra={"record": token[:8]})
        return None
