"""What a handler sees, and what it is registered with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import msgspec

from ..ports import DurableTaskHandler
from .payload import mapping_to_json
from .record import TaskRecord

LaneOf: TypeAlias = Callable[[Mapping[str, object]], str]
OnUncertain: TypeAlias = Callable[[Mapping[str, object]], Literal["retry", "unknown"]]
Reconcile: TypeAlias = Callable[[TaskRecord], Awaitable[Literal["sent", "not_sent"] | None]]


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
