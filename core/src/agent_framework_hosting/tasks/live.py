"""The operator's hand on the tasks of a running host."""

from __future__ import annotations

from collections.abc import Callable

from ..ports import Store
from .agenda import Agenda
from .ledger import TaskLedger
from .record import TaskRecord
from .table import TaskTable


class LiveTaskTable(TaskTable):
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

    def _after_replay(self, before: TaskRecord, fresh: TaskRecord) -> None:
        self._ledger.discard(before)
        self._ledger.accept(fresh)
        self._enter(fresh)
        self._wake()

    def _before_drop(self, record: TaskRecord) -> None:
        if self._agenda.is_running(record.id):
            raise ValueError(f"Task {record.id} is being tried at this moment; drop it when the attempt is over.")
        self._agenda.remove(record.id)

    def _drop_failed(self, record: TaskRecord) -> None:
        if record.status == "pending":
            self._enter(record)
            self._wake()

    def _after_drop(self, record: TaskRecord) -> None:
        self._ledger.discard(record)
        self._wake()
