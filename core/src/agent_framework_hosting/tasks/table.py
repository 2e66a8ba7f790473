"""The operator's hand on the tasks: list, show, replay, drop, purge, count; of a stopped host and of a running one."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from typing import TypeAlias

from ..model.durable import TaskRecordStatus
from ..ports import Store, Write
from ..records import Records
from .agenda import Agenda
from .ledger import TaskLedger
from .record import RECEIPTS, STATUSES, TASKS, TaskRecord
from .transitions import replayed

_PAGE = 500
_Records: TypeAlias = list[TaskRecord]  # inside the classes below ``list`` is a method


class StoredTaskTable:
    """Read and change the tasks in a store, which must be open. What cannot be read is set aside.

    While a runner works on the store use the runner's own table: it keeps the runner informed.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._tasks = Records(store, TASKS)
        self._receipts = Records(store, RECEIPTS)

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
        """Return one record or None."""
        found = await self._tasks.get(task_id)
        return await self._receipts.get(task_id) if found is None else found

    async def replay(self, task_id: str) -> TaskRecord:
        """Make a dead or unknown task pending again, with all its attempts, due now.

        Raises ``KeyError`` for an unknown id, ``ValueError`` for a task that is pending or has succeeded, and
        ``RecordsDiffer`` when somebody else changes it at this moment.
        """
        record = await self._require(task_id)
        stored = await self._tasks.read(task_id)
        if stored is None or stored.value.status not in {"dead", "unknown"}:
            raise ValueError(f"Task {task_id} is {record.status}; only dead and unknown ones can be replayed.")
        fresh = self._claimed(replayed(stored.value, time.time()))
        await self._store.commit([self._tasks.put(task_id, fresh, expect=stored.version)])
        self._after_replay(stored.value, fresh)
        return fresh

    async def drop(self, task_id: str) -> TaskRecord:
        """Remove a task for good and return what it was.

        Raises ``KeyError`` for an unknown id and ``ValueError`` for a task that is being tried at this moment.
        """
        record = await self._require(task_id)
        self._before_drop(record)
        try:
            await self._store.commit(self._removal(task_id))
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
        aside = [await self._store.count(records.table.aside) for records in (self._tasks, self._receipts)]
        return {**{status: found[status] for status in STATUSES}, "unreadable": sum(aside)}

    async def _remove(self, records: _Records) -> int:
        await self._store.commit([write for record in records for write in self._removal(record.id)])
        for record in records:
            self._after_drop(record)
        return len(records)

    async def _require(self, task_id: str) -> TaskRecord:
        record = await self.get(task_id)
        if record is None:
            raise KeyError(f"No task {task_id!r} is known.")
        return record

    async def _records(self, after: str) -> AsyncIterator[TaskRecord]:
        """Go through both tables in one order, the settled ones after the others: what settles meanwhile is met."""
        last: str | None = after
        while last is not None:
            waiting = await _page(self._tasks, last)
            settled = await _page(self._receipts, last)
            last = min((page[-1].id for page in (waiting, settled) if len(page) == _PAGE), default=None)
            found = {record.id: record for record in (*waiting, *settled)}
            for task_id in sorted(found):
                if last is None or task_id <= last:
                    yield found[task_id]

    def _removal(self, task_id: str) -> Sequence[Write]:
        return self._tasks.delete(task_id), self._receipts.delete(task_id)

    def _claimed(self, record: TaskRecord) -> TaskRecord:
        """Return a replayed record with whoever will try it as its owner."""
        return record

    def _after_replay(self, before: TaskRecord, fresh: TaskRecord) -> None:
        """Tell a live runner."""

    def _before_drop(self, record: TaskRecord) -> None:
        """Ask a live runner; raises ``ValueError`` when the task cannot be taken from who is at it."""

    def _drop_failed(self, record: TaskRecord) -> None:
        """Tell a live runner."""

    def _after_drop(self, record: TaskRecord) -> None:
        """Tell a live runner."""


class LiveTaskTable(StoredTaskTable):
    """A task table that keeps the agenda and the books of a runner right.

    ``enter`` puts a pending record on the agenda; ``wake`` lets the runner look at it.
    """

    def __init__(
        self,
        store: Store,
        agenda: Agenda,
        ledger: TaskLedger,
        *,
        enter: Callable[[TaskRecord], None],
        wake: Callable[[], None],
    ) -> None:
        super().__init__(store)
        self._agenda = agenda
        self._ledger = ledger
        self._enter = enter
        self._wake = wake

    def _claimed(self, record: TaskRecord) -> TaskRecord:
        return self._ledger.owned(record)

    def _after_replay(self, before: TaskRecord, fresh: TaskRecord) -> None:
        self._ledger.discard(before)
        self._ledger.accept(fresh)
        self._enter(fresh)
        self._wake()

    def _before_drop(self, record: TaskRecord) -> None:
        if self._agenda.is_running(record.id):
            raise ValueError(f"Task {record.id} is being tried at this moment; drop it when the attempt is over.")
        if record.status == "pending" and not self._ledger.holds(record):
            raise ValueError(f"Task {record.id} is held by another host; drop it there, or once that host has stopped.")
        self._agenda.remove(record.id)

    def _drop_failed(self, record: TaskRecord) -> None:
        if record.status == "pending":
            self._enter(record)
            self._wake()

    def _after_drop(self, record: TaskRecord) -> None:
        self._ledger.discard(record)
        self._wake()


async def _page(records: Records[TaskRecord], after: str) -> Sequence[TaskRecord]:
    page: _Records = []
    async for _, record in records.all(after=after):
        page.append(record)
        if len(page) == _PAGE:
            break
    return page


def _fits(record: TaskRecord, status: Collection[TaskRecordStatus] | None, name: str | None, lane: str | None) -> bool:
    return (
        (status is None or record.status in status)
        and (name is None or record.name == name)
        and (lane is None or record.lane == lane)
    )
