"""Commit how turns end: at once, or in order as soon as a sick store is well."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from ..delivery.journal import Journal, TurnRecord, TurnStatus
from ..delivery.staging import Outbox, Staged
from ..errors import StoreError
from ..ports import Write
from .outlast import outlast

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Ending:
    """How one turn came out, with those it spoke for: their records, if they have any, and what to commit with them."""

    turns: int
    records: Sequence[TurnRecord]
    status: TurnStatus
    staged: Staged
    writes: Sequence[Write] = ()
    note: str | None = None


class Backlog:
    """Commit ends, then start their deliveries.

    A journaled turn was promised an end: when the store fails its end waits, in order, until the store recovers.
    """

    def __init__(self, journal: Journal, outbox: Outbox) -> None:
        self._journal = journal
        self._outbox = outbox
        self._waiting: deque[Ending] = deque()
        self._worker: asyncio.Task[None] | None = None

    async def commit(self, ending: Ending) -> None:
        """Commit an end, or put it behind those that wait. Raises ``StoreError`` for turns without a record."""
        if self._waiting and ending.records:
            self._wait(ending)
            return
        try:
            await self._commit(ending)
        except StoreError as error:
            if not ending.records:
                self._journal.counters.ended("failed", ending.turns)
                raise
            logger.warning("The end of a turn waits for its store: %s", error)
            self._wait(ending)

    async def drain(self) -> None:
        """Try once more what waits, and leave the rest to the next start."""
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.cancel()
            await asyncio.wait([worker])
        while self._waiting:
            try:
                await self._commit(self._waiting[0])
            except StoreError:
                logger.exception("%d ended turns could not be recorded; a restart takes them up", len(self._waiting))
                self._waiting.clear()
                return
            self._waiting.popleft()

    def _wait(self, ending: Ending) -> None:
        self._waiting.append(ending)
        if self._worker is None:
            self._worker = asyncio.get_running_loop().create_task(self._work_off())

    async def _work_off(self) -> None:
        while self._waiting:
            ending = self._waiting[0]
            try:
                await outlast(lambda: self._commit(ending))  # noqa: B023 - awaited before the loop goes on
            except Exception:
                logger.exception("The end of a turn could not be recorded; a restart takes it up")
            self._waiting.popleft()
        self._worker = None

    async def _commit(self, ending: Ending) -> None:
        writes = [*ending.staged.writes, *ending.writes]
        if ending.records:
            await self._journal.finish(
                ending.records, ending.status, writes, tasks=ending.staged.task_ids, note=ending.note
            )
        elif writes:
            await self._journal.commit(writes)
        self._journal.counters.ended(ending.status, ending.turns)
        self._outbox.start(ending.staged)
