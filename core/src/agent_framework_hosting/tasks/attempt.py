"""One attempt, start to finish: claim it on the disk, call the handler, write down what became of it."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

import msgspec
from msgspec.structs import replace

from ..errors import CommitRefused, PushPayloadNotSerializable, StoreError, UncertainSend
from ..ports import DurableTaskHandler, LaneOf, OnUncertain, Reconcile
from .ledger import TaskLedger
from .payload import mapping_to_json, to_json
from .record import NO_RECEIPT, TaskRecord
from .redact import redacted_error
from .transitions import CUT_OFF, begun, failed, left_unknown, maybe_applied, not_applied, succeeded

logger = logging.getLogger(__name__)
ResultT = TypeVar("ResultT")

_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 30.0


@dataclass(frozen=True, slots=True)
class Registration:
    """A handler and the rules of its tasks."""

    handler: DurableTaskHandler
    lane: LaneOf | None
    on_uncertain: OnUncertain | None
    reconcile: Reconcile | None


class Attempt(Mapping[str, object]):
    """One attempt at a task: a read-only mapping over its payload that can save progress."""

    def __init__(self, record: TaskRecord, save: Callable[[TaskRecord], Awaitable[None]]) -> None:
        self._record = record
        self._payload = record.payload
        self._save = save
        self._over = False

    @property
    def task_id(self) -> str:
        """The id ``schedule`` returned."""
        return self._record.id

    @property
    def payload(self) -> Mapping[str, object]:
        """The payload as last checkpointed; do not mutate it."""
        return self._payload

    @property
    def attempt(self) -> int:
        """1 for the first attempt; survives restarts."""
        return self._record.attempts

    @property
    def maybe_applied(self) -> bool:
        """Whether an earlier attempt was cut off and may have had its effect."""
        return self._record.maybe_duplicate

    async def checkpoint(self, payload: Mapping[str, object]) -> None:
        """Replace the payload durably: the next attempt starts from it.

        Raises ``PushPayloadNotSerializable`` for what is no JSON, ``StoreError`` when it cannot be written, and
        ``RuntimeError`` once the handler has returned.
        """
        if self._over:
            raise RuntimeError(f"The attempt at task {self.task_id} is over; checkpoint inside the handler.")
        text = mapping_to_json(payload, "checkpoint")
        record = replace(self._record, payload_json=msgspec.Raw(text.encode()))
        await self._save(record)
        self._record, self._payload = record, record.payload

    def end(self) -> TaskRecord:
        """Take no more checkpoints and return the record as last saved."""
        self._over = True
        return self._record

    def __getitem__(self, key: str) -> object:
        return self._payload[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._payload)

    def __len__(self) -> int:
        return len(self._payload)

    def __repr__(self) -> str:
        return f"<attempt {self.attempt} at task {self.task_id}>"


class Attempts:
    """Try tasks, one attempt a call. ``stopping`` tells whether the runner is shutting down."""

    def __init__(
        self, ledger: TaskLedger, registrations: Mapping[str, Registration], stopping: Callable[[], bool]
    ) -> None:
        self._ledger = ledger
        self._registrations = registrations
        self._stopping = stopping
        self._was_told = False

    async def make(self, task_id: str) -> float | None:
        """Make the next attempt at a task; return the seconds until the one after it.

        None when the task is over, or is another host's by now: then nothing more is written about it.
        """
        try:
            return await self._make(task_id)
        except CommitRefused:
            self._let_go(task_id)
            return None

    async def _make(self, task_id: str) -> float | None:
        record = await self._keep_trying(lambda: self._ledger.load(task_id))
        if record is None or record.status != "pending":
            self._ledger.let_go()
            return None
        if not self._ledger.holds(record):
            self._let_go(task_id)
            return None
        registration = self._registrations[record.name]
        if record.in_attempt:
            record = await self._settle_uncertain(record, registration, CUT_OFF)
            if record.status != "pending":
                return None
        record = begun(record, time.time())
        await self._write(record)
        after = await self._call(record, registration)
        return max(0.0, after.next_attempt - time.time()) if after.status == "pending" else None

    async def _call(self, record: TaskRecord, registration: Registration) -> TaskRecord:
        attempt = Attempt(record, self._ledger.save)
        try:
            returned = await registration.handler(attempt)
        except UncertainSend as error:
            return await self._settle_uncertain(attempt.end(), registration, redacted_error(error))
        except asyncio.CancelledError as error:
            if self._is_cancelled():
                raise
            after = failed(attempt.end(), error, time.time(), random.random)
        except Exception as error:
            after = failed(attempt.end(), error, time.time(), random.random)
        else:
            after = succeeded(attempt.end(), _receipt(returned), time.time())
        finally:
            attempt.end()
        await self._write(after)
        return after

    def _let_go(self, task_id: str) -> None:
        level = logging.DEBUG if self._was_told else logging.WARNING
        self._was_told = True
        logger.log(level, "Task %s was taken over by another host, as others may be, and is let go here", task_id)
        self._ledger.let_go()

    def _is_cancelled(self) -> bool:
        task = asyncio.current_task()
        return self._stopping() or (task is not None and task.cancelling() > 0)

    async def _settle_uncertain(self, record: TaskRecord, registration: Registration, why: str) -> TaskRecord:
        """Decide about an attempt whose effect is not known, and write it down."""
        after = await self._decide(record, registration, why)
        await self._write(after)
        return after

    async def _decide(self, record: TaskRecord, registration: Registration, why: str) -> TaskRecord:
        payload = record.payload
        if registration.on_uncertain is None or registration.on_uncertain(payload) == "retry":
            return maybe_applied(record, why, time.time(), random.random)
        match await self._reconciled(record, registration):
            case "sent":
                return succeeded(record, NO_RECEIPT, time.time())
            case "not_sent":
                return not_applied(record, why, time.time(), random.random)
            case _:
                return left_unknown(record, why, time.time())

    async def _reconciled(self, record: TaskRecord, registration: Registration) -> str | None:
        if registration.reconcile is None:
            return None
        try:
            return await registration.reconcile(record)
        except Exception as error:
            logger.warning("Task %s could not be reconciled", record.id, extra={"error": redacted_error(error)})
            return None

    async def _write(self, record: TaskRecord) -> None:
        if record.status == "pending":
            await self._keep_trying(lambda: self._ledger.save(record))
            return
        await self._keep_trying(lambda: self._ledger.end(record))
        if record.status in {"dead", "unknown"}:
            logger.warning(
                "Task %s (%s) is %s after %d attempts; see the dead letters",
                record.id,
                record.name,
                record.status,
                record.attempts,
                extra={"error": record.last_error},
            )

    async def _keep_trying(self, work: Callable[[], Awaitable[ResultT]]) -> ResultT:
        """Outlast a sick disk: nothing is tried and nothing counts as done until it is written down."""
        pause = _FIRST_PAUSE
        while True:
            try:
                return await work()
            except StoreError as error:
                if self._stopping():
                    raise
                logger.warning("The outbox waits for its store: %s", error)
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)


def _receipt(returned: object) -> msgspec.Raw:
    if returned is None:
        return NO_RECEIPT
    try:
        return msgspec.Raw(to_json(returned, "receipt").encode())
    except PushPayloadNotSerializable:
        return NO_RECEIPT
