"""What ``/readiness`` says: each channel's state, the store's, and what became of turns and deliveries."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence

from ..delivery.journal import Journal
from ..hookspecs import Channel
from ..ports import DurableTaskRunner, OperableTaskRunner, Store

logger = logging.getLogger(__name__)

CHECK_SECONDS = 5.0


class Readiness:
    """Probe channels and store; nothing here changes anything."""

    def __init__(self, channels: Sequence[Channel], store: Store, journal: Journal, runner: DurableTaskRunner) -> None:
        self._channels = channels
        self._store = store
        self._journal = journal
        self._runner = runner
        self.running = False

    async def __call__(self) -> tuple[bool, Mapping[str, object]]:
        """Return whether the host can serve, and the state to show."""
        faults = await asyncio.gather(*map(_channel_faults, self._channels))
        store_fault = await self._store.check()
        store_faults = [] if store_fault is None else [store_fault]
        counters = self._journal.counters
        state = {
            "channels": {
                channel.name: {"healthy": not found, "faults": list(found)}
                for channel, found in zip(self._channels, faults, strict=True)
            },
            "state": {"healthy": not store_faults, "faults": store_faults},
            "turns": {
                "accepted": counters.accepted,
                "answered": counters.answered,
                "failed": counters.failed,
                "open": counters.accepted - counters.answered - counters.failed,
            },
            "deliveries": self._runner.counts() if isinstance(self._runner, OperableTaskRunner) else {},
        }
        return self.running and not store_faults and not any(faults), state


async def _channel_faults(channel: Channel) -> Sequence[str]:
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            return await channel.check()
    except Exception as error:
        logger.exception("A channel's check failed", extra={"channel": channel.name})
        return (f"The check itself failed ({type(error).__name__}).",)
