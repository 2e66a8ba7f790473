"""How far each delivery came, message by message, so that a restart sends what is missing and nothing twice."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace

import msgspec

from agent_framework_hosting import BY_KEY, ChannelContext, Expiry, RecordCodec, Records, RetryLater, Table

from .places import Place

KEPT_SECONDS = 3 * 86_400.0
_NOTICE = "notice "
_OWNER_ENDS = "\x1f"
_BUSY_SECONDS = 5.0


class Steps(msgspec.Struct, omit_defaults=True):
    """One delivery: receipts by message, the messages whose fate is unknown, the one that is on its way, and whose."""

    captions: bool = True
    sent: dict[int, str] = {}
    unclear: list[int] = []
    under_way: int | None = None
    total: int | None = None
    host: str = ""

    @property
    def is_settled(self) -> bool:
        """Whether every message was tried."""
        return self.total is not None and len(self.sent) + len(self.unclear) >= self.total

    @property
    def receipt(self) -> str | None:
        """The ids of the messages sent, in order."""
        return ",".join(self.sent[index] for index in sorted(self.sent) if self.sent[index]) or None


@dataclass(frozen=True, slots=True)
class LiveMessage:
    """The message an answer is growing in, the event it answers, and the host that writes it."""

    message_id: int
    event: str | None
    host: str = ""


SENDING = Table(
    "sending",
    RecordCodec("telegram.sending", 1, Steps, {0: lambda fields: fields}),
    expiry=Expiry(seconds=KEPT_SECONDS),
    holds="how far deliveries came: numbers of messages",
)
LIVE = Table(
    "live",
    RecordCodec("telegram.live", 1, LiveMessage, {0: lambda fields: fields}),
    person=BY_KEY,
    expiry=Expiry(seconds=KEPT_SECONDS),
    holds="messages that an answer grows in",
)


class Progress:
    """Keep the steps of deliveries and the messages that answers grow in."""

    def __init__(self, context: ChannelContext) -> None:
        self._context = context
        self._store = context.store
        self._sending = Records(context.store, SENDING)
        self._live = Records(context.store, LIVE)

    async def open(self) -> None:
        """Put what the first edition kept under keys of other forms under those of today."""
        async for key, steps in self._sending.all(prefix=_NOTICE):
            await self._store.commit([self._sending.put(_hashed(key), steps), self._sending.delete(key)])
        async for key, live in self._live.all():
            if _OWNER_ENDS not in key:
                conversation, _, native_id = key.partition(" ")
                await self._store.commit(
                    [self._live.put(_address(conversation, native_id), live), self._live.delete(key)]
                )

    async def load(self, key: str) -> Steps | None:
        """Return how far a delivery came; what was under way when its host ended has an unknown fate.

        Raises ``RetryLater`` while another host sends this very thing.
        """
        steps = await self._sending.get(key)
        if steps is not None and steps.under_way is not None:
            if await self._is_of_another(steps.host):
                raise RetryLater(_BUSY_SECONDS, "Another host is sending this at the moment.")
            steps.unclear.append(steps.under_way)
            steps.under_way = None
        return steps

    async def save(self, key: str, steps: Steps) -> None:
        """Write down how far a delivery came, and that it is this host's."""
        steps.host = self._context.host_id
        await self._store.commit([self._sending.put(key, steps)])

    async def forget(self, key: str) -> None:
        """Drop what is known of a delivery."""
        await self._store.commit([self._sending.delete(key)])

    async def grows(self, place: Place, native_id: str, live: LiveMessage) -> None:
        """Note the message an answer grows in, for the process after this one."""
        mine = replace(live, host=self._context.host_id)
        await self._store.commit([self._live.put(_address(place.conversation, native_id), mine)])

    async def growing(self, place: Place, native_id: str) -> LiveMessage | None:
        """Return the message an answer to this address was growing in, unless another host still writes it."""
        live = await self._live.get(_address(place.conversation, native_id))
        return None if live is None or await self._is_of_another(live.host) else live

    async def grown(self, place: Place, native_id: str) -> None:
        """Note that the answer is complete."""
        await self._store.commit([self._live.delete(_address(place.conversation, native_id))])

    async def _is_of_another(self, host: str) -> bool:
        return host != self._context.host_id and host in await self._context.hosts()


def _address(conversation: str, native_id: str) -> str:
    return f"{native_id}{_OWNER_ENDS}{conversation}"


def fallback_key(destination: Mapping[str, object], said: str) -> str:
    """Return the key of a notice, which the host stores without one; nobody can be read from it."""
    return _hashed(_NOTICE + str(msgspec.json.encode([destination, said], order="sorted"), "utf-8")[:4000])


def _hashed(notice: str) -> str:
    return hashlib.blake2b(notice.encode(), digest_size=18).hexdigest()
