"""One attempt, start to finish: claim it on the disk, call the handler, write down what became of it."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

import msgspec

from ..errors import PushPayloadNotSerializable, StoreError, UncertainSend
from .attempt import Attempt, Registration
from .ledger import TaskLedger
from .payload import to_json
from .record import NO_RECEIPT, TaskRecord
from .redact import redacted_error
from .transitions import CUT_OFF, begun, failed, left_unknown, maybe_applied, not_applied, succeeded

logger = logging.getLogger(__name__)
ResultT = TypeVar("ResultT")

_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 30.0


class Attempts:
    """Try tasks, one attempt a call. ``stopping`` tells whether the runner is shutting down."""

    def __init__(
        self, ledger: TaskLedger, registrations: Mapping[str, Registration], stopping: Callable[[], bool]
    ) -> None:
        self._ledger = ledger
        self._registrations = registrations
        self._stopping = stopping

    async def make(self, task_id: str) -> float | None:
        """Make the next attempt at a task; return the seconds until the one after it, None when the task is over."""
        record = await self._keep_trying(lambda: self._ledger.load(task_id))
        if record is None or record.status != "pending":
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
