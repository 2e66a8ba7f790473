"""The runner's table: loading, saving, counting and forgetting records."""

from __future__ import annotations

import logging
from collections import Counter, deque
from collections.abc import AsyncIterator, Collection

from ..errors import UnreadableRecord
from ..model.durable import TaskStatus
from ..ports import Delete, Put, Store, Write
from .record import STATUSES, TASKS, UNREADABLE, TaskRecord, task_codec

logger = logging.getLogger(__name__)

_PAGE = 100
_WARM_BYTES = 8 * 2**20


class TaskLedger:
    """Keep the records of one runner in its store.

    Of what was just accepted or scanned up to 8 MiB stays in memory, so that it is not read again; everything else is
    loaded when its turn comes. Succeeded records are kept up to ``history``; dead letters stay until an operator drops
    them.
    """

    def __init__(self, store: Store, history: int) -> None:
        self._store = store
        self._history_size = history
        self._history: deque[str] = deque()
        self._ended: dict[str, TaskStatus] = {}
        self._counts: Counter[str] = Counter()
        self._warm: dict[str, TaskRecord] = {}
        self._warm_bytes = 0

    @property
    def counts(self) -> dict[str, int]:
        """The number of records by status."""
        return {status: self._counts[status] for status in STATUSES}

    def ended(self, task_id: str) -> TaskStatus | None:
        """Return how a task ended, when that was lately and in this process."""
        return self._ended.get(task_id)

    def accept(self, record: TaskRecord) -> None:
        """Count a record that was committed, and keep it at hand."""
        self._counts[record.status] += 1
        self.keep_at_hand(record)

    def keep_at_hand(self, record: TaskRecord) -> None:
        """Spare a pending record its loading, while there is room."""
        size = len(bytes(record.payload_json))
        if record.id not in self._warm and self._warm_bytes + size <= _WARM_BYTES:
            self._warm[record.id] = record
            self._warm_bytes += size

    def discard(self, record: TaskRecord) -> None:
        """Take a record that was removed out of the books."""
        self._counts[record.status] -= 1
        self._ended.pop(record.id, None)
        self._cool(record.id)

    async def load(self, task_id: str) -> TaskRecord | None:
        """Return a record; None when it is gone or had to be set aside."""
        warm = self._cool(task_id)
        if warm is not None:
            return warm
        return await self.look_up(task_id)

    async def look_up(self, task_id: str) -> TaskRecord | None:
        """Return a record as stored; None when it is gone or had to be set aside."""
        text = await self._store.get(TASKS, task_id)
        return None if text is None else await self._read(task_id, text)

    async def save(self, record: TaskRecord) -> None:
        """Write a pending record."""
        await self._store.commit([Put(TASKS, record.id, task_codec.dump(record))])

    async def end(self, record: TaskRecord) -> None:
        """Write a record that has become terminal, and forget the oldest of the history."""
        writes: list[Write] = [Put(TASKS, record.id, task_codec.dump(record))]
        forgotten: list[str] = []
        if record.status in {"succeeded", "cancelled"}:
            self._history.append(record.id)
            forgotten = [self._history.popleft() for _ in range(len(self._history) - self._history_size)]
            writes = [write for write in writes if write.key not in forgotten]
        writes += [Delete(TASKS, task_id) for task_id in forgotten]
        try:
            await self._store.commit(writes)
        except BaseException:
            self._history.extendleft(reversed(forgotten))
            if record.id in self._history:
                self._history.remove(record.id)
            raise
        self._counts["pending"] -= 1
        self._counts[record.status] += 1
        self._counts["succeeded"] -= len(forgotten)
        self._remember(record)

    async def scan(self, known: Collection[str]) -> AsyncIterator[list[TaskRecord]]:
        """Yield the pending records in order, page by page, and take stock of everything else.

        Ids in ``known`` are counted already. What cannot be read is set aside; what was set aside and can be read
        again (written by a newer host-core, and this is one) comes back first.
        """
        await self._restore()
        counted = {*known, *self._ended}
        history: list[tuple[float, str]] = []
        after = ""
        while page := await self._store.scan(TASKS, after=after, limit=_PAGE):
            after = page[-1][0]
            pending: list[TaskRecord] = []
            for task_id, text in page:
                record = await self._read(task_id, text)
                if record is None:
                    continue
                if record.status == "pending":
                    pending.append(record)
                if record.id in counted:
                    continue
                self._counts[record.status] += 1
                if record.status in {"succeeded", "cancelled"}:
                    history.append((record.finished or 0.0, record.id))
            yield pending
        self._history.extendleft(task_id for _, task_id in sorted(history, reverse=True))

    def _remember(self, record: TaskRecord) -> None:
        self._ended[record.id] = record.public_status
        if len(self._ended) > self._history_size:
            del self._ended[next(iter(self._ended))]

    def _cool(self, task_id: str) -> TaskRecord | None:
        record = self._warm.pop(task_id, None)
        if record is not None:
            self._warm_bytes -= len(bytes(record.payload_json))
        return record

    async def _read(self, task_id: str, text: str) -> TaskRecord | None:
        try:
            return task_codec.load(text)
        except UnreadableRecord as error:
            logger.warning("Task %s was set aside in table %s: %s", task_id, UNREADABLE, error)
            await self._store.commit([Put(UNREADABLE, task_id, text), Delete(TASKS, task_id)])
            return None

    async def _restore(self) -> None:
        after = ""
        while page := await self._store.scan(UNREADABLE, after=after, limit=_PAGE):
            after = page[-1][0]
            for task_id, text in page:
                try:
                    task_codec.load(text)
                except UnreadableRecord:
                    continue
                await self._store.commit([Put(TASKS, task_id, text), Delete(UNREADABLE, task_id)])
