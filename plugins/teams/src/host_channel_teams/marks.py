"""When a message to each conversation last began to leave: tells a send cut off before that from one cut off in it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, cast

from agent_framework_hosting.ports import Put, Store

from .parsing import mapping
from .references import Reference, from_attributes

SENDING = "sending"


class SendMarks:
    """Write a mark before each message goes out; without a durable store there is nothing to remember it for."""

    def __init__(self, store: Store, now: Callable[[], float] = time.time) -> None:
        self._store = store
        self._now = now

    async def begin(self, to: Reference) -> None:
        """Note that a message to a conversation is about to leave. Raises ``StoreError``."""
        if self._store.durable:
            await self._store.commit([Put(SENDING, to.conversation_id, repr(self._now()))])

    async def settle(self, record: Mapping[str, object]) -> Literal["not_sent"] | None:
        """Say ``not_sent`` of a delivery whose last attempt was cut off before any message left; else None."""
        destination = mapping(mapping(record.get("payload")).get("destination"))
        to = from_attributes(mapping(destination.get("attributes")))
        began = _last_attempt(record)
        if to is None or began is None or not self._store.durable:
            return None  # without marks nothing is known
        left_at = await self._store.get(SENDING, to.conversation_id)
        return "not_sent" if left_at is None or float(left_at) < began else None


def _last_attempt(record: Mapping[str, object]) -> float | None:
    """Return when the last attempt began, as well as the record tells."""
    tries = record.get("tries")
    last = mapping(cast("Sequence[object]", tries)[-1]).get("at") if isinstance(tries, list) and tries else None
    began = record.get("created") if last is None else last
    return float(began) if isinstance(began, (int, float)) else None
