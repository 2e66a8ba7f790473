"""Hand deliveries to the runner: in the transaction of their cause where the runner can, one by one where not."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, cast

from ..errors import UnreadableRecord
from ..execution.codec import decode_result
from ..hookspecs import Channel
from ..model.durable import DurableTaskPayloadMode, SendAttempt, SendRecord
from ..model.result import result_text
from ..plugins.manager import PluginManager
from ..ports import (
    DurableTaskRunner,
    LiveReply,
    PreparedTask,
    RuledTaskRunner,
    Store,
    StoredTask,
    TransactionalTaskRunner,
    Write,
)
from .delivery import PUSH_TASK, Delivery, destination_of, encode_delivery, lane_of
from .push import PushHandler

logger = logging.getLogger(__name__)

RECONCILE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Staged:
    """Deliveries ready to go: commit ``writes``, then ``Outbox.start``. ``faults`` says why the others could not be."""

    prepared: tuple[PreparedTask, ...] = ()
    task_ids: tuple[str, ...] = ()
    faults: tuple[Exception, ...] = ()
    lost_origin: bool = False

    @property
    def writes(self) -> tuple[Write, ...]:
        """The records of the deliveries and what they need to hold; empty when the runner keeps its own."""
        fences = dict.fromkeys(task.fence for task in self.prepared if task.fence is not None)
        return (*fences, *(task.write for task in self.prepared))

    def joined(self, other: Staged) -> Staged:
        """Return the deliveries of both."""
        return Staged(
            (*self.prepared, *other.prepared),
            (*self.task_ids, *other.task_ids),
            (*self.faults, *other.faults),
            self.lost_origin or other.lost_origin,
        )


NOTHING_STAGED = Staged()


class Outbox:
    """Turn deliveries into durable tasks; ``store`` is where their causes are kept."""

    def __init__(
        self, plugins: PluginManager, runner: DurableTaskRunner, store: Store, output_types: Sequence[type]
    ) -> None:
        self._plugins = plugins
        self._runner = runner
        self._transactional = runner if isinstance(runner, TransactionalTaskRunner) and runner.store is store else None
        self._handler = PushHandler(plugins, output_types)

    def register(self) -> None:
        """Tell the runner how to push; done while the host is built, so deliveries work outside a server too."""
        if not isinstance(self._runner, RuledTaskRunner):
            self._runner.register(PUSH_TASK, self._handler)
            return
        follows = self._runner.rules
        self._runner.register(
            PUSH_TASK,
            self._handler,
            lane=lane_of if "lane" in follows else None,
            on_uncertain=self._on_uncertain if "on_uncertain" in follows else None,
            reconcile=self._reconcile if "reconcile" in follows else None,
        )

    async def stage(self, deliveries: Sequence[Delivery], live: LiveReply | None = None) -> Staged:
        """Validate and name deliveries; ``live`` belongs to the originating one.

        A destination that cannot be scheduled is logged and left out: its failure never touches the others.
        """
        if not deliveries:
            return NOTHING_STAGED
        prepared: list[PreparedTask] = []
        task_ids: list[str] = []
        faults: list[Exception] = []
        lost_origin = False
        for delivery in deliveries:
            try:
                task_id = await self._stage_one(delivery, prepared)
            except Exception as error:
                logger.exception("A delivery could not be scheduled", extra={"channel": delivery.destination.channel})
                faults.append(error)
                lost_origin = lost_origin or delivery.originating
                continue
            task_ids.append(task_id)
            if live is not None and delivery.originating:
                self._handler.attach(task_id, live)
        return Staged(tuple(prepared), tuple(task_ids), tuple(faults), lost_origin)

    def start(self, staged: Staged) -> None:
        """Begin to try what was staged and committed."""
        if self._transactional is not None:
            for task in staged.prepared:
                self._transactional.start(task)

    async def _stage_one(self, delivery: Delivery, prepared: list[PreparedTask]) -> str:
        channel = self._plugins.channel(delivery.destination.channel)
        objects = self._runner.payload_mode is DurableTaskPayloadMode.OBJECT
        payload = await encode_delivery(delivery, channel.push_codec, objects=objects)
        if self._transactional is not None:
            task = self._transactional.prepare(PUSH_TASK, payload)
            prepared.append(task)
            return task.handle.task_id
        return (await self._runner.schedule(PUSH_TASK, payload)).task_id

    def _on_uncertain(self, payload: Mapping[str, object]) -> Literal["retry", "unknown"]:
        channel = self._owner(payload)
        return "unknown" if channel is None else channel.on_uncertain_send

    async def _reconcile(self, task: StoredTask) -> Literal["sent", "not_sent"] | None:
        channel = self._owner(task.payload)
        if channel is None:
            return None
        async with asyncio.timeout(RECONCILE_SECONDS):
            return await channel.reconcile(_send_record(task))

    def _owner(self, payload: Mapping[str, object]) -> Channel | None:
        try:
            name = destination_of(payload).channel
        except UnreadableRecord:
            return None
        return self._plugins.channel(name) if self._plugins.knows(name) else None


def _send_record(task: StoredTask) -> SendRecord:
    payload = task.payload
    answer = cast("Mapping[str, object] | None", payload.get("answer"))
    return SendRecord(
        delivery_id=task.id,
        identity=destination_of(payload),
        created_at=datetime.fromtimestamp(task.created, UTC),
        attempts=task.attempts,
        tries=tuple(SendAttempt(datetime.fromtimestamp(each.at, UTC), each.error) for each in task.tries),
        kind="notice" if payload.get("kind") == "notice" else "answer",
        envelope=cast("Mapping[str, object] | None", payload.get("envelope")),
        text="" if answer is None else result_text(decode_result(answer)),
        stored=task.to_dict(),
    )
