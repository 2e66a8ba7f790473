"""The runner that works inside the host's own process, in memory or on the host's disk."""

from __future__ import annotations

import logging
import os
import time
from collections import Counter
from collections.abc import Mapping

import msgspec

from ..errors import StoreError
from ..model.durable import DurableTaskPayloadMode, RetryPolicy, TaskHandle, TaskStatus
from ..ports import DurableTaskHandler, PreparedTask, Put, Store
from ..state.records import replace_surrogates
from .agenda import Agenda
from .attempt import LaneOf, OnUncertain, Reconcile, Registration
from .attempts import Attempts
from .dispatcher import Dispatcher
from .ids import TaskIds
from .ledger import TaskLedger
from .live import LiveTaskTable
from .payload import mapping_to_json
from .record import NO_RECEIPT, TASKS, TaskRecord, task_codec
from .table import TaskTable
from .transitions import cancelled

logger = logging.getLogger(__name__)

_LARGEST = 1e9  # JSON knows no infinity


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
        self._store = _own_store(state_dir) if store is None else store
        self._registrations: dict[str, Registration] = {}
        self._ids = TaskIds()
        self._sealed = False
        self._opened = False
        self._stopped = False
        self._begin_afresh()

    def _begin_afresh(self) -> None:
        self._agenda = Agenda()
        self._ledger = TaskLedger(self._store, self._history_size)
        attempts = Attempts(self._ledger, self._registrations, lambda: self._stopped)
        self._dispatcher = Dispatcher(self._agenda, attempts.make)
        self._held: list[TaskRecord] | None = None
        self._resumed = False

    @property
    def payload_mode(self) -> DurableTaskPayloadMode:
        """JSON: payloads are mappings of JSON values."""
        return DurableTaskPayloadMode.JSON

    @property
    def store(self) -> Store:
        """Where the runner keeps its records."""
        return self._store

    @property
    def tasks(self) -> TaskTable:
        """The operator's operations, safe while the runner works."""
        return LiveTaskTable(self._store, self._agenda, self._ledger, enter=self._add, wake=self._dispatcher.pump)

    def keep_in(self, store: Store) -> None:
        """Keep tasks in the host's store, unless the runner was made with a directory or store of its own.

        Raises ``RuntimeError`` once there are tasks.
        """
        if not self._may_move:
            return
        if self._opened or self._sealed:
            raise RuntimeError("The task runner has begun to work; give it to a host before.")
        self._store, self._owns_store, self._may_move = store, False, False
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
        """Validate and name a task without accepting it: commit its ``write``, then ``start`` it.

        Raises ``KeyError`` for an unknown name, ``PushPayloadNotSerializable`` for a payload that is no JSON and
        ``RuntimeError`` after shutdown.
        """
        if self._stopped:
            raise RuntimeError("The task runner is shut down and takes no more work; open() starts it again.")
        registration = self._registrations.get(name)
        if registration is None:
            raise KeyError(f"No handler is registered for tasks named {name!r}.")
        self._sealed = True
        text = mapping_to_json(payload, f"payload of task {name!r}")
        policy = retry_policy or self._policy
        now = time.time()
        record = TaskRecord(
            id=self._ids.new(),
            name=name,
            lane="" if registration.lane is None else replace_surrogates(registration.lane(payload)),
            status="pending",
            attempts=0,
            max_attempts=policy.max_attempts,
            backoff=(
                min(_LARGEST, policy.initial_backoff_seconds),
                min(_LARGEST, policy.backoff_multiplier),
                min(_LARGEST, policy.max_backoff_seconds),
            ),
            created=now,
            next_attempt=now,
            payload_json=msgspec.Raw(text.encode()),
            receipt_json=NO_RECEIPT,
        )
        return PreparedTask(TaskHandle(record.id, name), Put(TASKS, record.id, task_codec.dump(record)))

    def start(self, task: PreparedTask) -> None:
        """Begin to try a task whose write was committed."""
        if self._stopped or not isinstance(task.write, Put):
            return
        record = task_codec.load(task.write.text)
        if self._held is not None:
            self._held.append(record)
            return
        self._accept(record)
        self._dispatcher.pump()

    async def schedule(
        self, name: str, payload: Mapping[str, object], *, retry_policy: RetryPolicy | None = None
    ) -> TaskHandle:
        """Accept work: once this returns it is stored and will be tried. Raises as ``prepare``, and ``StoreError``."""
        task = self.prepare(name, payload, retry_policy=retry_policy)
        if not self._opened:
            await self.open()
        await self._store.commit([task.write])
        self.start(task)
        return task.handle

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
            async for page in self._ledger.scan(own):
                for record in [each for each in page if each.id not in met]:
                    self._ids.seen(record.id)
                    met.add(record.id)
                    if record.name in self._registrations:
                        self._ledger.keep_at_hand(record)
                        self._add(record)
                        taken += record.id not in own
                    else:
                        orphans[record.name] += 1
                self._dispatcher.pump()
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

    async def shutdown(self, *, timeout: float | None = None) -> None:  # noqa: ASYNC109 - the public name is fixed
        """Take no more work, give running attempts ``timeout`` seconds (default: the grace), then cancel them.

        On a durable store what was cancelled stays pending and is replayed; in memory it ends ``cancelled``.
        """
        if self._stopped:
            return
        self._stopped = True
        self._opened = False
        await self._dispatcher.stop(self._grace if timeout is None else timeout)
        if not self._store.durable:
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
