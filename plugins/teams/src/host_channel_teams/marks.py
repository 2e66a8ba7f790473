"""When a message to each conversation last began to leave: tells a send cut off before that from one cut off in it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, cast

from agent_framework_hosting import Expiry, RecordCodec, Records, SendRecord, Store, Table

from .references import MOST_KEPT, Reference, from_attributes


@dataclass(frozen=True, slots=True)
class Left:
    """When it was, in seconds since the epoch; ``person`` is whose conversation it is, when it is a personal one."""

    at: float
    person: str | None = None


SENDING = Table(
    "sending",
    RecordCodec("left", 1, Left, {0: lambda fields: {"at": float(cast("str", fields["text"]))}}),
    person="person",
    expiry=Expiry(most=MOST_KEPT),
    holds="when a message last left for each conversation",
)


class SendMarks:
    """Write a mark before each message goes out; without a durable store there is nothing to remember it for."""

    def __init__(self, store: Store, now: Callable[[], float] = time.time) -> None:
        self._store = store
        self._marks = Records(store, SENDING)
        self._now = now

    async def begin(self, to: Reference) -> None:
        """Note that a message to a conversation is about to leave. Raises ``StoreError``."""
        if self._store.durable:
            await self._store.commit([self._marks.put(to.conversation_id, Left(self._now(), to.owner))])

    async def settle(self, record: SendRecord) -> Literal["not_sent"] | None:
        """Say ``not_sent`` of a delivery whose last attempt was cut off before any message left; else None."""
        to = from_attributes(record.identity.attributes)
        if to is None or not self._store.durable:
            return None  # without marks nothing is known
        left = await self._marks.get(to.conversation_id)
        return "not_sent" if left is None or left.at < record.last_started_at.timestamp() else None
