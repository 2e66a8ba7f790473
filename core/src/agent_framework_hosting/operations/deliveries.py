"""The operator's hand on deliveries: list, show, replay, drop, purge."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import cast
from urllib.parse import urlsplit

from ..delivery.delivery import PUSH_TASK, account_of
from ..errors import CommitRefused, OperationRefused
from ..ports import StoredTask, TaskTable
from .answers import AttemptRow, Changed, Counted, DeliveryDetail, DeliveryPage, DeliveryRow
from .requests import DropDeliveries, ListDeliveries, PurgeDeliveries, ReplayDeliveries

_PAGE = 200
_NAMED_AT_MOST = 1000


class Deliveries:
    """Work on the tasks that carry deliveries. ``table`` returns the live runner's own one, or a stopped host's."""

    def __init__(self, table: Callable[[], TaskTable]) -> None:
        self._table = table

    async def list(self, asked: ListDeliveries) -> DeliveryPage:
        """Return what fits, oldest first."""
        found: list[DeliveryRow] = []
        after = asked.after
        while True:
            page = await self._table().list(status=asked.status or None, name=PUSH_TASK, after=after, limit=_PAGE)
            for row in (row_of(record) for record in page):
                if _fits(row, asked):
                    if len(found) == asked.limit:
                        return DeliveryPage(found, more=True)
                    found.append(row)
            if len(page) < _PAGE:
                return DeliveryPage(found, more=False)
            after = page[-1].id

    async def show(self, task_id: str) -> DeliveryDetail:
        """Return one delivery with its payload, without what its addresses hold of secrets in URLs."""
        record = await self.require(task_id)
        tries = [AttemptRow(each.at, each.error) for each in record.tries]
        return DeliveryDetail(row_of(record), tries, _shown(record.payload))

    async def replay(self, asked: ReplayDeliveries) -> Changed:
        """Try again what is named, or every dead letter; due now, with all attempts."""
        if asked.all_dead == bool(asked.ids):
            raise OperationRefused("Name the deliveries to replay, or ask for all dead ones, not both.")
        done: list[str] = []
        refused: dict[str, str] = {}
        for task_id in await self._dead(asked.channel) if asked.all_dead else asked.ids:
            try:
                await self.require(task_id)
                await self._table().replay(task_id)
            except (OperationRefused, ValueError, CommitRefused) as error:
                refused[task_id] = _named(error)
            else:
                done.append(task_id)
        return Changed(done, refused)

    async def drop(self, asked: DropDeliveries) -> Changed:
        """Remove what is named, for good; not what is being tried at this moment."""
        done: list[str] = []
        refused: dict[str, str] = {}
        for task_id in asked.ids:
            try:
                await self.require(task_id)
                await self._table().drop(task_id)
            except (OperationRefused, ValueError) as error:
                refused[task_id] = _named(error)
            else:
                done.append(task_id)
        return Changed(done, refused)

    async def purge(self, asked: PurgeDeliveries) -> Counted:
        """Remove what ended before a time."""
        try:
            removed = await self._table().purge(
                status=asked.status, name=PUSH_TASK, finished_before=asked.finished_before
            )
        except ValueError as error:
            raise OperationRefused(str(error)) from error
        return Counted(removed)

    async def find(self, task_id: str) -> StoredTask | None:
        """Return one delivery's record, None when there is none."""
        record = await self._table().get(task_id)
        return record if record is not None and record.name == PUSH_TASK else None

    async def require(self, task_id: str) -> StoredTask:
        """Return one delivery's record. Raises ``OperationRefused``."""
        record = await self.find(task_id)
        if record is None:
            raise OperationRefused(
                f"No delivery {task_id!r} is known. Succeeded ones are kept for a while only; see agent-host "
                "deliveries list."
            )
        return record

    async def _dead(self, channel: str | None) -> list[str]:
        page = await self.list(ListDeliveries(status=("dead",), channel=channel, limit=_NAMED_AT_MOST))
        found = [row.id for row in page.deliveries]
        while page.more:
            page = await self.list(
                ListDeliveries(status=("dead",), channel=channel, after=found[-1], limit=_NAMED_AT_MOST)
            )
            found += [row.id for row in page.deliveries]
        return found


def row_of(record: StoredTask) -> DeliveryRow:
    """Return a record without its payload."""
    channel, native_id = account_of(record.lane) or ("", "")
    return DeliveryRow(
        id=record.id,
        status=record.status,
        channel=channel,
        native_id=native_id,
        attempts=record.attempts,
        max_attempts=record.max_attempts,
        created=record.created,
        next_attempt=record.next_attempt if record.status == "pending" else None,
        finished=record.finished,
        last_error=record.last_error,
        maybe_duplicate=record.maybe_duplicate,
        receipt=record.receipt,
    )


def _fits(row: DeliveryRow, asked: ListDeliveries) -> bool:
    return (
        (asked.channel is None or row.channel == asked.channel)
        and (asked.native_id is None or row.native_id == asked.native_id)
        and (asked.since is None or row.created >= asked.since)
    )


def _named(error: Exception) -> str:
    return str(error).replace("Task ", "Delivery ", 1)


def _shown(payload: Mapping[str, object]) -> Mapping[str, object]:
    return {
        name: _address_shown(value) if name in {"destination", "request"} else value for name, value in payload.items()
    }


def _address_shown(value: object) -> object:
    """Hide what may be a secret in a callback URL: everything behind its host."""
    if isinstance(value, dict):
        return {name: _address_shown(each) for name, each in cast("dict[str, object]", value).items()}
    if isinstance(value, list):
        return [_address_shown(each) for each in cast("list[object]", value)]
    if isinstance(value, str) and "://" in value and not any(map(str.isspace, value)):
        return _host_only(value)
    return value


def _host_only(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        return "***"
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}/***"
