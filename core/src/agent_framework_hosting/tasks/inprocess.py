"""The runner that works inside the host's own process, in memory or on the host's disk."""

from __future__ import annotations

import logging
import os
import time
from collections import Counter
from collections.abc import Mapping, Sequence

from ..errors import StoreError
from ..model.durable import DurableTaskPayloadMode, RetryPolicy, TaskHandle, TaskStatus
from ..model.table import AnyTable
from ..ports import (
    DurableTaskHandler,
    LaneOf,
    OnUncertain,
    PreparedTask,
    Put,
    Reconcile,
    Store,
    TaskRule,
    TaskTable,
    WorkOwnership,
)
from ..records import Catalog, replace_surrogates
from .agenda import Agenda
from .attempt import Attempts, Registration
from .dispatcher import Dispatcher
from .ledger import TaskLedger
from .payload import mapping_to_json
from .record import TASKS, TaskIds, TaskRecord, new_record, receipts_up_to, task_codec
from .table import LiveTaskTable
from .transitions import cancelled

logger = logging.getLogger(__name__)


class InProcessTaskRunner:
    """Run durable tasks on the event loop: up to 64 at a time, one per lane, each lane in order.

    ``state_dir`` is the directory of a store of the runner's own; ``store`` is one that the caller owns, opens and
    closes, so that tasks commit together with their cause; with neither, tasks live in memory. Nothing is opened
    before ``open``, ``schedule`` or ``resume``. ``terminal_cache_size`` bounds the succeeded tasks that are kept; dead
    letters are kept until an operator drops them. At shutdown running attempts get ``shutdown_grace_seconds``.
    """

    def __init__(
        self,
        *,
        default_retry_policy: RetryPolicy | None = None,
        terminal_cache_size: int = 1024,
        shutdown_grace_seconds: float = 5.0,
        state_dir: str | os.PathLike[str] | None = None,
        store: Store | None = None,
    ) -> None:
        if store is not None and state_dir is not None:
            raise ValueError("InProcessTaskRunner takes state_dir or store, not both.")
        if terminal_cache_size < 0 or shutdown_grace_seconds < 0:
            raise ValueError(
                "InProcessTaskRunner: terminal_cache_size and shutdown_grace_seconds must not be negative."
            )
        self._policy = default_retry_policy or RetryPolicy()
        self._history_size = terminal_cache_size
        self._grace = shutdown_grace_seconds
        self._may_move = store is None and state_dir is None
        self._owns_store = store is None
        self._ownership: WorkOwnership | None = None
        self._in_host = False
        self._store = _own_store(state_dir) if store is None else store
        self._registrations: dict[str, Registration] = {}
        self._ids = TaskIds()
        self._sealed = False
        self._opened = False
        self._stopped = False
        self._begin_afresh()

    def _begin_afresh(self) -> None:
        self._agenda = Agenda()
        self._ledger = TaskLedger(self._store, self._history_size, self._registrations, self._ownership)
        attempts = Attempts(self._ledger, self._registrations, lambda: self._stopped)
        self._dispatcher = Dispatcher(self._agenda, attempts.make)
        self._held: list[TaskRecord] | None = None
        self._resumed = False

    @property
    def payload_mode(self) -> DurableTaskPayloadMode:
        """JSON: payloads are mappings of JSON values."""
        return DurableTaskPayloadMode.JSON

    @property
    def rules(self) -> frozenset[TaskRule]:
        """All there are."""
        return frozenset({"lane", "on_uncertain", "reconcile"})

    @property
    def in_process(self) -> bool:
        """Tasks wait while this process does not run."""
        return True

    @property
    def store(self) -> Store:
        """Where the runner keeps its records."""
        return self._store

    @property
    def tables(self) -> Sequence[AnyTable]:
        """What it keeps there: tasks to be done or settled, and the latest receipts."""
        return TASKS, receipts_up_to(self._history_size)

    @property
    def tasks(self) -> TaskTable:
        """The operator's operations, safe while the runner works."""
        return LiveTaskTable(self._store, self._agenda, self._ledger, enter=self._add, wake=self._dispatcher.pump)

    def keep_in(self, store: Store, ownership: WorkOwnership | None = None) -> None:
        """Keep tasks in the host's store, unless the runner was made with a directory or store of its own.

        With ``ownership`` each task is held by the host that accepted it: what another host holds is left alone while
        that host lives. Raises ``RuntimeError`` once there are tasks.
        """
        if not self._may_move:
            return
        if self._opened or self._sealed:
            raise RuntimeError("The task runner has begun to work; give it to a host before.")
        self._store, self._owns_store, self._may_move = store, False, False
        self._ownership, self._in_host = ownership, True
        self._begin_afresh()

    def counts(self) -> dict[str, int]:
        """Return the number of tasks by status; complete once ``resume`` has run."""
        return self._ledger.counts

    def register(
        self,
        name: str,
        handler: DurableTaskHandler,
        *,
        lane: LaneOf | None = None,
        on_uncertain: OnUncertain | None = None,
        reconcile: Reconcile | None = None,
    ) -> None:
        """Name a handler, before the first ``schedule``, ``prepare`` or ``resume``.

        ``lane(payload)`` names the queue a task waits in: tasks of one lane are tried one after the other, and one
        that waits for its next attempt holds the rest back. Without it each task is on its own. When an attempt is cut
        off or raises ``UncertainSend``, ``on_uncertain(payload)`` says whether to ``"retry"`` it as a possible
        duplicate (the default) or to leave it ``"unknown"``; then ``reconcile(record)`` may find out ``"sent"`` or
        ``"not_sent"``.
        """
        if self._sealed:
            raise RuntimeError(f"The handler {name!r} comes too late: register before the first schedule or resume.")
        if name in self._registrations:
            raise ValueError(f"A handler named {name!r} is registered already.")
        self._registrations[name] = Registration(handler, lane, on_uncertain, reconcile)

    def prepare(
        self, name: str, payload: Mapping[str, object], *, retry_policy: RetryPolicy | None = None
    ) -> PreparedTask:
        """Validate and name a task without accepting it: commit its ``write`` with its ``fence``, then ``start`` it.

        Raises ``KeyError`` for an unknown name, ``PushPayloadNotSerializable`` for a payload that is no JSON and
        ``RuntimeError`` after shutdown.
        """
        record = self._new_record(name, payload, retry_policy or self._policy)
        write = Put(TASKS.name, record.id, task_codec.dump(record))
        return PreparedTask(TaskHandle(record.id, name), write, self._ledger.fence(record))

    def _new_record(self, name: str, payload: Mapping[str, object], policy: RetryPolicy) -> TaskRecord:
        if self._stopped:
            raise RuntimeError("The task runner is shut down and takes no more work; open() starts it again.")
        registration = self._registrations.get(name)
        if registration is None:
            raise KeyError(f"No handler is registered for tasks named {name!r}.")
        self._sealed = True
        text = mapping_to_json(payload, f"payload of task {name!r}")
        lane = "" if registration.lane is None else replace_surrogates(registration.lane(payload))
        record = new_record(name, text, policy, task_id=self._ids.new(), lane=lane, now=time.time())
        return self._ledger.owned(record)

    def start(self, task: PreparedTask) -> None:
        """Begin to try a task whose write was committed."""
        if isinstance(task.write, Put):
            self._begin(task_codec.load(task.write.text))

    def _begin(self, record: TaskRecord) -> None:
        if self._stopped:
            return
        if self._held is not None:
            self._held.append(record)
            return
        self._accept(record)
        self._dispatcher.pump()

    async def schedule(
        self, name: str, payload: Mapping[str, object], *, retry_policy: RetryPolicy | None = None
    ) -> TaskHandle:
        """Accept work: once this returns it is stored and will be tried. Raises as ``prepare``, and ``StoreError``."""
        record = self._new_record(name, payload, retry_policy or self._policy)
        if not self._opened:
            await self.open()
        await self._ledger.save(record)
        self._begin(record)
        return TaskHandle(record.id, name)

    async def get(self, handle: TaskHandle) -> TaskStatus | None:
        """Return where a task stands, or None when it is not known any more."""
        task_id = handle.task_id
        if task_id in self._agenda:
            return TaskStatus.RUNNING if self._agenda.is_running(task_id) else TaskStatus.SCHEDULED
        ended = self._ledger.ended(task_id)
        if ended is not None or (self._stopped and self._store.durable):
            return ended
        if not self._opened and not self._stopped:
            await self.open()
        record = await self._ledger.look_up(task_id)
        return None if record is None else record.public_status

    async def open(self) -> None:
        """Open the store; after a shutdown, start again. Does nothing when open. Replays nothing: see ``resume``."""
        await self._store.open()
        if self._stopped:
            self._begin_afresh()
            self._stopped = False
        if not self._opened:
            self._opened = True
            self._dispatcher.start()

    async def resume(self) -> int:
        """Take up every pending task of an earlier process, oldest first; return their number.

        Few of them are in memory at a time. Records that cannot be read are set aside and named in the log. Tasks
        whose handler is missing stay pending and are named too.
        """
        self._sealed = True
        if self._stopped or not self._opened:
            await self.open()
        if self._resumed:
            return 0
        self._resumed = True
        self._held = []
        own = self._agenda.take_out_waiting()  # the scan meets them again, in order with what is older
        met = set(self._agenda.task_ids())  # those that run see to themselves
        orphans: Counter[str] = Counter()
        taken = 0
        try:
            if not self._in_host:
                await Catalog(self._store, self.tables).load()  # a host does that itself, for all of its tables
            async for page in self._ledger.scan(own):
                fresh = [record for record in page if record.id not in met]
                met.update(record.id for record in page)
                orphans.update(record.name for record in fresh if record.name not in self._registrations)
                taken += len(self._enter(fresh) - own)
        except BaseException:
            self._resumed = False
            raise
        finally:
            held, self._held = self._held, None
            for record in held:
                if record.id not in met:  # what the scan met may be done by now
                    self._accept(record)
            self._dispatcher.pump()
        for name, number in orphans.items():
            logger.warning("%d pending tasks named %r wait for a handler: enable what registers it", number, name)
        return taken

    async def take_over(self, host_id: str) -> int:
        """Take up the pending tasks of a host that lives no more, oldest first; return their number.

        Exactly one of the hosts that try gets them; those without a handler here stay for one that has it. After a
        shutdown there are none.
        """
        self._sealed = True
        if self._stopped:
            return 0
        if not self._opened:
            await self.open()
        taken = 0
        async for page in self._ledger.left_by(host_id):
            taken += len(self._enter(page))
        return taken

    def _enter(self, records: Sequence[TaskRecord]) -> set[str]:
        """Put those that have a handler on the agenda and return their ids."""
        entered = [record for record in records if record.name in self._registrations]
        for record in records:
            self._ids.seen(record.id)
        for record in entered:
            self._ledger.keep_at_hand(record)
            self._add(record)
        self._dispatcher.pump()
        return {record.id for record in entered}

    async def shutdown(self, *, timeout: float | None = None) -> None:  # noqa: ASYNC109 - the public name is fixed
        """Take no more work, give running attempts ``timeout`` seconds (default: the grace), then cancel them.

        On a durable store what was cancelled stays pending and is replayed; in memory it ends ``cancelled``.
        """
        if self._stopped:
            return
        self._stopped = True
        self._opened = False
        await self._dispatcher.stop(self._grace if timeout is None else timeout)
        if not self._store.durable and not self._ledger.shared:
            await self._cancel_waiting()
        if self._owns_store:
            await self._store.close()

    async def _cancel_waiting(self) -> None:
        for task_id in self._agenda.task_ids():
            try:
                record = await self._ledger.load(task_id)
                if record is not None and record.status == "pending":
                    await self._ledger.end(cancelled(record, time.time()))
            except StoreError as error:
                logger.warning("The end of task %s could not be written: %s", task_id, error)
            else:
                self._agenda.remove(task_id)

    def _accept(self, record: TaskRecord) -> None:
        self._ledger.accept(record)
        self._add(record)

    def _add(self, record: TaskRecord) -> None:
        due = time.monotonic() + max(0.0, record.next_attempt - time.time())
        self._agenda.add(record.id, record.lane or record.id, due)


def _own_store(state_dir: str | os.PathLike[str] | None) -> Store:
    if state_dir is None:
        from ..state.memory import MemoryStore  # noqa: PLC0415 - only one of the two is needed

        return MemoryStore()
    from ..state.disk import DiskStore  # noqa: PLC0415 - diskcache is imported by those who use it

    return DiskStore(state_dir)
