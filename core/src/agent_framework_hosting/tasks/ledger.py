"""The runner's books: loading, saving and counting records, and whose they are."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import AsyncIterator, Collection, Container, Sequence

from msgspec.structs import replace

from ..errors import RecordsDiffer
from ..model.durable import TaskStatus
from ..ports import NOBODY, Fence, Owner, Store, WorkOwnership, Write
from ..records import Records
from .record import SETTLED, STATUSES, TASKS, TaskRecord, receipts_up_to

_PAGE = 100
_WARM_BYTES = 8 * 2**20


class TaskLedger:
    """Keep the records of one runner in its store.

    Of what was just accepted or scanned up to 8 MiB stays in memory, so that it is not read again; everything else is
    loaded when its turn comes. Settled records go to a table of their own, bounded by ``history``; dead letters stay
    until an operator drops them. Where other hosts work on the store, each record has one owner, whose fence every
    write about it carries; what hosts left that live no more is taken when its name is among ``handled``.
    """

    def __init__(
        self, store: Store, history: int, handled: Container[str], ownership: WorkOwnership | None = None
    ) -> None:
        self._store = store
        self._handled = handled
        self._ownership = ownership
        self._tasks = Records(store, TASKS)
        self._receipts = Records(store, receipts_up_to(history))
        self._history_size = history
        self._history: deque[str] = deque()
        self._owners: set[str] = set()
        self._ended: dict[str, TaskStatus] = {}
        self._counts: Counter[str] = Counter()
        self._warm: dict[str, TaskRecord] = {}
        self._warm_bytes = 0

    @property
    def counts(self) -> dict[str, int]:
        """The number of records by status, as far as this runner has met them."""
        return {status: self._counts[status] for status in STATUSES}

    @property
    def shared(self) -> bool:
        """Whether other hosts take tasks from the same store."""
        return self._ownership is not None and self._ownership.shared

    def owned(self, record: TaskRecord) -> TaskRecord:
        """Return a record that was not accepted before as this host's."""
        owner = self._owner
        return record if owner == NOBODY else replace(record, owner=owner.id, epoch=owner.epoch)

    def holds(self, record: TaskRecord) -> bool:
        """Whether this runner accepted a task or took it over, as far as its record says."""
        return not self.shared or record.owner in self._owners

    def fence(self, record: TaskRecord) -> Fence | None:
        """Return what a commit about a record carries, so that it fails once another host has taken it over."""
        return Owner(record.owner, record.epoch).fence if self.shared and record.owner else None

    def ended(self, task_id: str) -> TaskStatus | None:
        """Return how a task ended, when that was lately and in this process."""
        return self._ended.get(task_id)

    def accept(self, record: TaskRecord) -> None:
        """Count a record that was committed, and keep it at hand."""
        self._owners.add(record.owner)
        self._counts[record.status] += 1
        self.keep_at_hand(record)

    def keep_at_hand(self, record: TaskRecord) -> None:
        """Spare a pending record its loading, while there is room."""
        self._cool(record.id)
        size = len(bytes(record.payload_json))
        if self._warm_bytes + size <= _WARM_BYTES:
            self._warm[record.id] = record
            self._warm_bytes += size

    def discard(self, record: TaskRecord) -> None:
        """Take a record that was removed out of the books."""
        self._counts[record.status] -= 1
        self._ended.pop(record.id, None)
        self._cool(record.id)

    def let_go(self) -> None:
        """Take a pending record out of the books that is not there any more, or is another host's."""
        self._counts["pending"] -= 1

    async def load(self, task_id: str) -> TaskRecord | None:
        """Return a record that has not settled; None when it is gone or had to be set aside."""
        warm = self._cool(task_id)
        return await self._tasks.get(task_id) if warm is None else warm

    async def look_up(self, task_id: str) -> TaskRecord | None:
        """Return a record as stored, settled or not; None when it is gone or had to be set aside."""
        found = await self._tasks.get(task_id)
        return await self._receipts.get(task_id) if found is None else found

    async def save(self, record: TaskRecord) -> None:
        """Write a pending record, new or not. Raises ``Fenced`` when another host has taken it over."""
        await self._commit(record, [self._tasks.put(record.id, record)])

    async def end(self, record: TaskRecord) -> None:
        """Write a record that has become terminal, and forget the oldest settled ones. Raises ``Fenced``, as above."""
        if record.status not in SETTLED:
            await self._commit(record, [self._tasks.put(record.id, record)])
        else:
            await self._settle(record)
        self._counts["pending"] -= 1
        self._counts[record.status] += 1
        self._ended[record.id] = record.public_status
        if len(self._ended) > self._history_size:
            del self._ended[next(iter(self._ended))]

    async def _settle(self, record: TaskRecord) -> None:
        self._history.append(record.id)
        forgotten = [self._history.popleft() for _ in range(len(self._history) - self._history_size)]
        writes: list[Write] = [self._tasks.delete(record.id)]
        if record.id not in forgotten:
            writes.append(self._receipts.put(record.id, record))
        writes += [self._receipts.delete(task_id) for task_id in forgotten]
        try:
            await self._commit(record, writes)
        except BaseException:
            self._history.extendleft(reversed(forgotten))
            if record.id in self._history:
                self._history.remove(record.id)
            raise
        self._counts["succeeded"] -= len(forgotten)

    async def scan(self, known: Collection[str]) -> AsyncIterator[list[TaskRecord]]:
        """Yield the pending records that this runner may try in order, page by page, and take stock of everything.

        Ids in ``known`` are counted already. What cannot be read is set aside; settled records that the first edition
        left among the others are moved.
        """
        counted = {*known, *self._ended}
        await self._store.trim(self._receipts.table.name, self._history_size)
        settled = [record async for task_id, record in self._receipts.all() if task_id not in counted]
        async for page in self._pages():
            misplaced = [record for record in page if record.status in SETTLED]
            await self._move(misplaced)
            settled += misplaced
            found = await self._ours([record for record in page if record.status == "pending"])
            others = [record for record in page if record.status not in {"pending", *SETTLED}]
            self._counts.update(record.status for record in (*found, *others) if record.id not in counted)
            yield found
        settled.sort(key=lambda record: record.finished or 0.0, reverse=True)
        self._history.extendleft(record.id for record in settled)
        self._counts.update(record.status for record in settled)

    async def left_by(self, host_id: str) -> AsyncIterator[list[TaskRecord]]:
        """Yield the pending records of a host that lives no more, now this runner's, page by page."""
        if self._ownership is None or not self.shared or not await self._ownership.may_take(host_id):
            return
        async for page in self._pages():
            left = [each for each in page if each.status == "pending" and each.owner == host_id]
            taken = await self._adopted([each for each in left if each.name in self._handled])
            self._counts["pending"] += len(taken)
            yield taken

    async def _pages(self) -> AsyncIterator[list[TaskRecord]]:
        page: list[TaskRecord] = []
        async for _, record in self._tasks.all():
            page.append(record)
            if len(page) == _PAGE:
                yield page
                page = []
        yield page

    async def _ours(self, records: Sequence[TaskRecord]) -> list[TaskRecord]:
        """Return what is this runner's or nobody's who lives; what it has handlers for of the latter is its own now."""
        if self._ownership is None or not self._ownership.shared:
            return list(records)
        strangers = {record.owner for record in records} - self._owners - {self._ownership.owner.id}
        free = {owner for owner in strangers if await self._ownership.may_take(owner)}
        found = [record for record in records if record.owner not in strangers - free]
        wanted = [record for record in found if record.owner in free and record.name in self._handled]
        taken = {record.id: record for record in await self._adopted(wanted)}
        missed = {record.id for record in wanted} - set(taken)
        return [taken.get(record.id, record) for record in found if record.id not in missed]

    async def _adopted(self, records: Sequence[TaskRecord]) -> list[TaskRecord]:
        """Make records this host's own in the store; those that changed meanwhile in another way are left out."""
        owner, left = self._owner, {record.id: record.owner for record in records}
        self._owners.add(owner.id)
        while left:
            found = {task_id: await self._tasks.read(task_id) for task_id in left}
            mine = {
                task_id: (self.owned(each.value), each.version)
                for task_id, each in found.items()
                if each is not None and each.value.status == "pending" and each.value.owner == left[task_id]
            }
            writes = [self._tasks.put(task_id, record, expect=version) for task_id, (record, version) in mine.items()]
            try:
                await self._store.commit([owner.fence, *writes])
            except RecordsDiffer:
                continue  # somebody else was faster with one of them; look again
            return [record for record, _ in mine.values()]
        return []

    async def _move(self, settled: Sequence[TaskRecord]) -> None:
        writes: list[Write] = [self._receipts.put(record.id, record) for record in settled]
        writes += [self._tasks.delete(record.id) for record in settled]
        if writes:
            await self._store.commit(writes)

    async def _commit(self, record: TaskRecord, writes: Sequence[Write]) -> None:
        fence = self.fence(record)
        await self._store.commit(writes if fence is None else [fence, *writes])

    @property
    def _owner(self) -> Owner:
        return NOBODY if self._ownership is None else self._ownership.owner

    def _cool(self, task_id: str) -> TaskRecord | None:
        record = self._warm.pop(task_id, None)
        if record is not None:
            self._warm_bytes -= len(bytes(record.payload_json))
        return record
