"""Hand deliveries to the runner: in the transaction of their cause where the runner can, one by one where not."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from ..errors import UnreadableRecord
from ..hookspecs import Channel
from ..model.durable import DurableTaskPayloadMode
from ..plugins.manager import PluginManager
from ..ports import DurableTaskRunner, LiveReply, PreparedTask, TransactionalTaskRunner, Write
from ..tasks.inprocess import InProcessTaskRunner
from ..tasks.record import TaskRecord
from .outbox import PUSH_TASK, Delivery, destination_of, encode_delivery, lane_of
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
        """The records of the deliveries; empty when the runner keeps its own."""
        return tuple(task.write for task in self.prepared)

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
    """Turn deliveries into durable tasks."""

    def __init__(self, plugins: PluginManager, runner: DurableTaskRunner, output_types: Sequence[type]) -> None:
        self._plugins = plugins
        self._runner = runner
        self._transactional = runner if isinstance(runner, TransactionalTaskRunner) else None
        self._handler = PushHandler(plugins, output_types)

    def register(self) -> None:
        """Tell the runner how to push; done while the host is built, so deliveries work outside a server too."""
        if isinstance(self._runner, InProcessTaskRunner):
            self._runner.register(
                PUSH_TASK, self._handler, lane=lane_of, on_uncertain=self._on_uncertain, reconcile=self._reconcile
            )
        else:
            self._runner.register(PUSH_TASK, self._handler)

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

    async def _reconcile(self, record: TaskRecord) -> Literal["sent", "not_sent"] | None:
        channel = self._owner(record.payload)
        if channel is None:
            return None
        async with asyncio.timeout(RECONCILE_SECONDS):
            return await channel.reconcile(record.to_dict())

    def _owner(self, payload: Mapping[str, object]) -> Channel | None:
        try:
            name = destination_of(payload).channel
        except UnreadableRecord:
            return None
        return self._plugins.channel(name) if self._plugins.knows(name) else None
