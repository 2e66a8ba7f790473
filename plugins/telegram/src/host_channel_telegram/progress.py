"""How far each delivery came, message by message, so that a restart sends what is missing and nothing twice."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping

import msgspec

from agent_framework_hosting.ports import Delete, Put, Store

from .places import Place
from .reading import as_object, text

SENDING = "sending"
LIVE = "live"
KEPT_SECONDS = 3 * 86_400.0
_NOTICE = "notice "


class Steps(msgspec.Struct, omit_defaults=True):
    """One delivery: receipts by message, the messages whose fate is unknown, the one that is on its way."""

    at: float
    captions: bool = True
    sent: dict[int, str] = {}
    unclear: list[int] = []
    under_way: int | None = None
    total: int | None = None

    @property
    def is_settled(self) -> bool:
        """Whether every message was tried."""
        return self.total is not None and len(self.sent) + len(self.unclear) >= self.total

    @property
    def receipt(self) -> str | None:
        """The ids of the messages sent, in order."""
        return ",".join(self.sent[index] for index in sorted(self.sent) if self.sent[index]) or None


class LiveMessage(msgspec.Struct):
    """The message an answer is growing in, and the event it answers."""

    message_id: int
    event: str | None


class Progress:
    """Keep the steps of deliveries and the messages that answers grow in."""

    def __init__(self, store: Store, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._clock = clock

    async def load(self, key: str) -> Steps | None:
        """Return how far a delivery came; what was under way when the process ended has an unknown fate."""
        stored = await self._store.get(SENDING, key)
        if stored is None:
            return None
        steps = msgspec.json.decode(stored, type=Steps)
        if steps.under_way is not None:
            steps.unclear.append(steps.under_way)
            steps.under_way = None
        return steps

    def begin(self, *, captions: bool) -> Steps:
        """Return the steps of a delivery that was never tried."""
        return Steps(self._clock(), captions)

    async def save(self, key: str, steps: Steps) -> None:
        """Write down how far a delivery came."""
        await self._store.commit([Put(SENDING, key, msgspec.json.encode(steps).decode())])

    async def forget(self, key: str) -> None:
        """Drop what is known of a delivery."""
        await self._store.commit([Delete(SENDING, key)])

    async def grows(self, place: Place, native_id: str, live: LiveMessage) -> None:
        """Note the message an answer grows in, for the process after this one."""
        await self._store.commit([Put(LIVE, _address(place, native_id), msgspec.json.encode(live).decode())])

    async def growing(self, place: Place, native_id: str) -> LiveMessage | None:
        """Return the message an answer to this address was growing in."""
        stored = await self._store.get(LIVE, _address(place, native_id))
        return None if stored is None else msgspec.json.decode(stored, type=LiveMessage)

    async def grown(self, place: Place, native_id: str) -> None:
        """Note that the answer is complete."""
        await self._store.commit([Delete(LIVE, _address(place, native_id))])

    async def sweep(self) -> None:
        """Forget deliveries that ended days ago."""
        oldest, after = self._clock() - KEPT_SECONDS, ""
        while rows := await self._store.scan(SENDING, after=after):
            old = [key for key, stored in rows if msgspec.json.decode(stored, type=Steps).at < oldest]
            if old:
                await self._store.commit([Delete(SENDING, key) for key in old])
            after = rows[-1][0]


def _address(place: Place, native_id: str) -> str:
    return f"{place.conversation} {native_id}"


def native_id_in_address(key: str) -> str:
    """Return whose live message a key is of."""
    return key.partition(" ")[2]


def fallback_key(destination: Mapping[str, object], said: str) -> str:
    """Return the key of a notice, which the host stores without one."""
    return _NOTICE + str(msgspec.json.encode([destination, said], order="sorted"), "utf-8")[:4000]


def native_id_in_notice(key: str) -> str | None:
    """Return whom a notice is for by its key; None for the key of an answer."""
    if not key.startswith(_NOTICE):
        return None
    try:
        destination, _ = json.JSONDecoder().raw_decode(key, len(_NOTICE) + 1)
    except ValueError:  # an address so long that the key was cut in it
        return None
    return text(as_object(destination), "native_id")
