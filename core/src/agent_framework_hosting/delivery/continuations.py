"""Background runs: an opaque token to ask after each one, kept for a while after its end."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import cast

from ..errors import PushPayloadNotSerializable
from ..execution.codec import encode_result
from ..model.durable import ContinuationStatus, ContinuationToken
from ..model.result import HostedRunResult, TargetResult
from ..ports import Store, Write
from ..records import Expiry, RecordCodec, Records, Table

logger = logging.getLogger(__name__)

NOT_STORABLE = "The agent answered, but its answer cannot be stored."


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


TOKENS = Table(
    "continuations",
    RecordCodec("continuation", 1, Continuation),
    expiry=Expiry(seconds=86_400.0, most=10_000),
    holds="background runs",
)


class Continuations:
    """Mint and follow continuation tokens; an ended run is kept for a day, and of all the latest 10,000 are."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._runs = Records(store, TOKENS)

    def mint(self, turn_id: str) -> tuple[Continuation, Write]:
        """Return a new queued run and the write that accepts it."""
        run = Continuation(secrets.token_urlsafe(24), turn_id, "queued", self._store.now())
        return run, self._put(run)

    async def get(self, token: str) -> Continuation | None:
        """Return a run by its token; None when it is unknown, was forgotten, or cannot be read."""
        return await self._runs.get(token)

    async def of_turns(self, turn_ids: Collection[str]) -> list[str]:
        """Return the tokens of the runs that these turns are."""
        return [token async for token, run in self._runs.all() if run.turn_id in turn_ids]

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
        return self._put(replace(run, status="completed", completed_at=self._store.now(), result=answer))

    def failed(self, run: Continuation, error: str) -> Write:
        """Return the write that ends a run badly; ``error`` is safe to show."""
        return self._put(replace(run, status="failed", completed_at=self._store.now(), error=error))

    def _put(self, run: Continuation) -> Write:
        return self._runs.put(run.token, run, ends=run.completed_at is not None)
