"""What became of one accepted message: from its admission to the receipt of its last delivery."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import cast

from ..delivery.continuations import Continuations
from ..delivery.journal import FINISHED, Journal, TurnRecord
from ..errors import OperationRefused
from ..ports import Store, StoredTask
from .answers import Moment, Trace, Traces
from .deliveries import Deliveries, row_of

_UNKNOWN = (
    "No accepted message has the id {!r}. Messages that were refused, and those answered on their own wire without an "
    "event id, leave no record; the oldest records go first."
)


class Tracer:
    """Find messages in the journal and tell their stories."""

    def __init__(self, store: Store, journal: Journal, deliveries: Deliveries | None) -> None:
        self._runs = Continuations(store)
        self._journal = journal
        self._deliveries = deliveries

    async def trace(self, given: str) -> Traces:
        """Return the messages that an id stands for: of a turn, an event, a delivery or a background run."""
        turn = await self._journal.get(given) or await self._turn(await self._named_by(given))
        turns = [turn] if turn is not None else [each async for each in self._journal.all() if _is_named(each, given)]
        if not turns:
            raise OperationRefused(_UNKNOWN.format(given))
        return Traces([await self._told(each) for each in turns])

    async def _turn(self, turn_id: str | None) -> TurnRecord | None:
        return await self._journal.get(turn_id) if turn_id else None

    async def _named_by(self, given: str) -> str | None:
        """Return the turn that a delivery or a token belongs to, where they say so."""
        run = await self._runs.get(given)
        if run is not None:
            return run.turn_id
        delivery = await self._delivery(given)
        return None if delivery is None else cast("str | None", delivery.payload.get("turn_id"))

    async def _delivery(self, task_id: str) -> StoredTask | None:
        return None if self._deliveries is None else await self._deliveries.find(task_id)

    async def _told(self, turn: TurnRecord) -> Trace:
        found = [await self._delivery(task_id) for task_id in dict.fromkeys(turn.tasks)]
        deliveries = [record for record in found if record is not None]
        timeline = [*_of_turn(turn), *(moment for record in deliveries for moment in _of_delivery(record))]
        return Trace(
            turn_id=turn.turn_id,
            channel=turn.channel,
            isolation_key=turn.isolation_key,
            event_id=turn.event_id,
            status=turn.status,
            note=turn.note,
            runs=turn.runs,
            token=turn.token,
            joined=turn.joined,
            timeline=sorted(timeline, key=lambda moment: moment.at),
            deliveries=[row_of(record) for record in deliveries],
        )


def _is_named(turn: TurnRecord, given: str) -> bool:
    return turn.event_id == given or given in turn.tasks or turn.token == given


def _of_turn(turn: TurnRecord) -> Iterator[Moment]:
    yield Moment(turn.admitted_at, "admitted")
    yield Moment(turn.admitted_at, f"allowed as {turn.isolation_key}" if turn.isolation_key else "allowed, anonymous")
    if turn.started_at is not None:
        again = "" if turn.runs < 2 else f", run {turn.runs}"
        joined = "" if turn.joined is None else f" together with {turn.joined}"
        yield Moment(turn.started_at, f"started{again}{joined}")
    if turn.status in FINISHED and turn.finished_at is not None:
        yield Moment(turn.finished_at, turn.status, error=turn.note)


def _of_delivery(record: StoredTask) -> Iterator[Moment]:
    yield Moment(record.created, "delivery accepted", record.id)
    for number, each in enumerate(record.tries, 1):
        last = number == len(record.tries)
        if each.error is not None:
            yield Moment(each.at, f"attempt {number} failed", record.id, each.error)
        elif last and record.status == "succeeded":
            yield Moment(each.at, f"attempt {number}", record.id)
        else:
            yield Moment(each.at, f"attempt {number}, not over", record.id)
    yield from _end_of(record)


def _end_of(record: StoredTask) -> Sequence[Moment]:
    if record.finished is None:
        return ()
    receipt = "" if record.receipt is None else f", receipt {record.receipt}"
    what = {
        "succeeded": f"delivered{receipt}",
        "dead": "given up: a dead letter",
        "unknown": "left unknown: it may have arrived",
    }.get(record.status, record.status)
    duplicate = ", possibly twice" if record.maybe_duplicate and record.status == "succeeded" else ""
    return (Moment(record.finished, what + duplicate, record.id),)
