"""The operator's hand on the tasks of a running host."""

from __future__ import annotations

from collections.abc import Callable

from ..ports import Store
from .agenda import Agenda
from .ledger import TaskLedger
from .record import TaskRecord
from .table import TaskTable


class LiveTaskTable(TaskTable):
    """A task table that keeps the agenda and the books of a runner right; ``wake`` lets it look at its agenda."""

    def __init__(self, store: Store, agenda: Agenda, ledger: TaskLedger, wake: Callable[[], None]) -> None:
        super().__init__(store)
        self._agenda = agenda
        self._ledger = ledger
        self._wake = wake

    def _after_replay(self, before: TaskRecord, fresh: TaskRecord) -> None:
        self._ledger.discard(before)
        self._ledger.accept(fresh)
        self._agenda.add(fresh.id, fresh.lane or fresh.id, 0.0)
        self._wake()

    def _before_drop(self, record: TaskRecord) -> None:
        if self._agenda.is_running(record.id):
            raise ValueError(f"Task {record.id} is being tried at this moment; drop it when the attempt is over.")
        self._agenda.remove(record.id)

    def _drop_failed(self, record: TaskRecord) -> None:
        if record.status == "pending":
            self._agenda.add(record.id, record.lane or record.id, 0.0)

    def _after_drop(self, record: TaskRecord) -> None:
        self._ledger.discard(record)
        self._wake()
