"""The operator's hand on the tasks: list, show, replay, drop, purge, count. Works on a stopped host's store."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import AsyncIterator, Collection, Sequence
from typing import TypeAlias

from ..errors import UnreadableRecord
from ..ports import Delete, Put, Store
from .record import STATUSES, TASKS, UNREADABLE, TaskRecord, TaskRecordStatus, task_codec
from .transitions import replayed

_PAGE = 100
_Records: TypeAlias = list[TaskRecord]  # inside the class below ``list`` is a method


class TaskTable:
    """Read and change the tasks in a store, which must be open.

    While a runner works on the store use the runner's own table: it keeps the runner informed.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    async def list(
        self,
        *,
        status: Collection[TaskRecordStatus] | None = None,
        name: str | None = None,
        lane: str | None = None,
        after: str = "",
        limit: int = 100,
    ) -> Sequence[TaskRecord]:
        """Return up to ``limit`` records in the order of their ids, from above ``after``; None filters nothing."""
        found: _Records = []
        async for record in self._records(after):
            if len(found) >= limit:
                break
            if _fits(record, status, name, lane):
                found.append(record)
        return found

    async def get(self, task_id: str) -> TaskRecord | None:
        """Return one record or None. Raises ``UnreadableRecord`` for one that is damaged."""
        text = await self._store.get(TASKS, task_id)
        return None if text is None else task_codec.load(text)

    async def replay(self, task_id: str) -> TaskRecord:
        """Make a dead or unknown task pending again, with all its attempts, due now.

        Raises ``KeyError`` for an unknown id and ``ValueError`` for a task that is pending or has succeeded.
        """
        record = await self._require(task_id)
        if record.status not in {"dead", "unknown"}:
            raise ValueError(f"Task {task_id} is {record.status}; only dead and unknown ones can be replayed.")
        fresh = replayed(record, time.time())
        await self._store.commit([Put(TASKS, task_id, task_codec.dump(fresh))])
        self._after_replay(record, fresh)
        return fresh

    async def drop(self, task_id: str) -> TaskRecord:
        """Remove a task for good and return what it was.

        Raises ``KeyError`` for an unknown id and ``ValueError`` for a task that is being tried at this moment.
        """
        record = await self._require(task_id)
        self._before_drop(record)
        try:
            await self._store.commit([Delete(TASKS, task_id)])
        except BaseException:
            self._drop_failed(record)
            raise
        self._after_drop(record)
        return record

    async def purge(
        self,
        *,
        status: Collection[TaskRecordStatus] = ("dead", "unknown"),
        name: str | None = None,
        lane: str | None = None,
        finished_before: float | None = None,
    ) -> int:
        """Remove all terminal tasks that fit and return their number; ``finished_before`` is in epoch seconds.

        Raises ``ValueError`` when asked for pending ones: drop those one by one.
        """
        if "pending" in status:
            raise ValueError("Pending tasks are not purged; drop them one by one.")
        removed = 0
        page: _Records = []
        async for record in self._records(""):
            old = finished_before is None or (record.finished or 0.0) < finished_before
            if old and _fits(record, status, name, lane):
                page.append(record)
            if len(page) == _PAGE:
                removed += await self._remove(page)
                page = []
        return removed + await self._remove(page)

    async def counts(self) -> dict[str, int]:
        """Return the number of tasks by status, and of those set aside as ``unreadable``."""
        found = Counter([record.status async for record in self._records("")])
        return {**{status: found[status] for status in STATUSES}, "unreadable": await self._store.count(UNREADABLE)}

    async def _remove(self, records: _Records) -> int:
        await self._store.commit([Delete(TASKS, record.id) for record in records])
        for record in records:
            self._after_drop(record)
        return len(records)

    async def _require(self, task_id: str) -> TaskRecord:
        record = await self.get(task_id)
        if record is None:
            raise KeyError(f"No task {task_id!r} is known.")
        return record

    async def _records(self, after: str) -> AsyncIterator[TaskRecord]:
        while page := await self._store.scan(TASKS, after=after, limit=_PAGE):
            after = page[-1][0]
            for _, text in page:
                try:
                    yield task_codec.load(text)
                except UnreadableRecord:
                    continue  # the runner sets it aside and names it when it meets it

    def _after_replay(self, before: TaskRecord, fresh: TaskRecord) -> None:
        """Tell a live runner."""

    def _before_drop(self, record: TaskRecord) -> None:
        """Ask a live runner; raises ``ValueError`` when it is busy with the task."""

    def _drop_failed(self, record: TaskRecord) -> None:
        """Tell a live runner."""

    def _after_drop(self, record: TaskRecord) -> None:
        """Tell a live runner."""


def _fits(record: TaskRecord, status: Collection[TaskRecordStatus] | None, name: str | None, lane: str | None) -> bool:
    return (
        (status is None or record.status in status)
        and (name is None or record.name == name)
        and (lane is None or record.lane == lane)
    )
