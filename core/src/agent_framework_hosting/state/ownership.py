"""What one start of a host holds in its store: an id of its own, and leases that keep others from its work."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from ..errors import Fenced, StoreError
from ..ports import HOST_LEASE, NOBODY, Lease, Owner, Store
from ..records import RecordCodec, Records, Table

logger = logging.getLogger(__name__)

LEASE_SECONDS = 6.0
_SAFE = 0.9


@dataclass(frozen=True, slots=True)
class HostRecord:
    """One start of a host; ``started_at`` is in the store's time."""

    started_at: float


HOSTS = Table("hosts", RecordCodec("host", 1, HostRecord), holds="starts of hosts whose work may be left")


class Hold:
    """A name that this host holds alone, for as long as ``held``.

    It counts as lost a little before another host could have it, unless the store confirms it in time.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds * _SAFE
        self._lost = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def held(self) -> bool:
        """Whether it is still held."""
        return not self._lost.is_set()

    async def lost(self) -> None:
        """Wait until it is not."""
        await self._lost.wait()

    def keep(self, asked_at: float) -> None:
        """Hold on, as the store confirmed when it was asked at ``asked_at``, in the loop's time."""
        if self._timer is not None:
            self._timer.cancel()
        if self.held:
            self._timer = asyncio.get_running_loop().call_at(asked_at + self._seconds, self.lose)

    def lose(self) -> None:
        """Say that it is gone."""
        if self._timer is not None:
            self._timer.cancel()
        self._lost.set()


class Ownership:
    """Hold this host's id, and the names it is alone in holding, for as long as it lives; find who lives no more.

    ``shared`` says that other hosts may use the store as well. A host that was silent for longer than ``seconds``
    counts as dead: others take over what it held, its commits are refused, and it goes on under a new id.
    """

    def __init__(self, store: Store, *, shared: bool, seconds: float = LEASE_SECONDS) -> None:
        self.shared = shared
        self.seconds = seconds
        self._store = store
        self._hosts = Records(store, HOSTS)
        self.owner = NOBODY
        """This start of the host, for what it takes on from now on."""
        self._held: dict[str, tuple[Lease, Hold]] = {}
        self._keeper: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        """Join under a new id and keep what is held. Raises ``StoreError``."""
        await self._join()
        if self._keeper is None or self._keeper.done():
            self._keeper = asyncio.get_running_loop().create_task(self._keep())

    async def end(self) -> None:
        """Let everything go, so that others need not wait for it to run out."""
        keeper, self._keeper = self._keeper, None
        if keeper is not None and not keeper.done():  # it is, when the loop that ran it is gone
            keeper.cancel()
            await asyncio.wait([keeper])
        held, self._held = self._held, {}
        for lease, sole in held.values():
            sole.lose()
            with suppress(StoreError):
                await self._store.release(lease)

    async def hold(self, name: str) -> Hold | None:
        """Hold a name alone until it is let go; None while another host does."""
        asked_at = asyncio.get_running_loop().time()
        lease = await self._store.acquire(name, self.owner.id, self.seconds)
        if lease is None:
            return None
        known = self._held.get(name)
        sole = Hold(self.seconds) if known is None or not known[1].held else known[1]
        sole.keep(asked_at)
        self._held[name] = (lease, sole)
        return sole

    async def let_go(self, name: str) -> None:
        """Give a name back; does nothing when it is not held."""
        lease, sole = self._held.pop(name, (None, None))
        if lease is not None and sole is not None:
            sole.lose()
            await self._store.release(lease)

    @asynccontextmanager
    async def sole(self, name: str) -> AsyncGenerator[Hold]:
        """Wait until this host holds a name alone, however long the store is sick, and hold it inside the context."""
        while (sole := await self._tried(name)) is None:  # noqa: ASYNC110 - the other host cannot set an event here
            await asyncio.sleep(self.seconds / 3)
        try:
            yield sole
        finally:
            with suppress(StoreError):
                await self.let_go(name)

    async def _tried(self, name: str) -> Hold | None:
        try:
            return await self.hold(name)
        except StoreError as error:
            logger.warning("The name %s cannot be held: %s", name, error)
            return None

    async def may_take(self, owner_id: str) -> bool:
        """Say whether work of this owner is ours: it is our own, nobody's, or its host lives no more.

        Who lives no more is shut out by asking: none of its commits succeeds from here on.
        """
        if owner_id in {"", self.owner.id} or HOST_LEASE + owner_id in self._held:
            return True
        return await self.hold(HOST_LEASE + owner_id) is not None

    async def living(self) -> frozenset[str]:
        """Return the ids of the hosts that live, this one's included."""
        ids = [host_id async for host_id, _ in self._hosts.all()]
        return frozenset([self.owner.id, *[each for each in ids if await self._lives(each)]])

    async def lapsed(self) -> list[str]:
        """Return the ids of hosts that live no more and may have left work, now ours to take."""
        ids = [host_id async for host_id, _ in self._hosts.all()]
        return [each for each in ids if each != self.owner.id and await self.may_take(each)]

    async def settled(self, host_id: str) -> None:
        """Forget a host whose work was all taken over, and on a shared store written down as ours."""
        await self._store.commit([self._hosts.delete(host_id)])
        if self.shared:
            await self.let_go(HOST_LEASE + host_id)

    async def _lives(self, host_id: str) -> bool:
        holder = await self._store.holder(HOST_LEASE + host_id)
        return holder is not None and holder.owner == host_id

    async def _join(self) -> None:
        host_id = f"{time.time_ns() // 1_000_000:012x}{secrets.token_hex(4)}"
        lease = await self._store.acquire(HOST_LEASE + host_id, host_id, self.seconds)
        if lease is None:
            raise StoreError("The host could not take a lease under an id that was just made up; look at the store.")
        await self._store.commit([self._hosts.put(host_id, HostRecord(self._store.now()))])
        self.owner = Owner(host_id, lease.number)
        self._held[lease.name] = (lease, Hold(self.seconds))

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(self.seconds / 3)
            await asyncio.gather(*(self._renew(name, *held) for name, held in tuple(self._held.items())))
            if HOST_LEASE + self.owner.id not in self._held:
                await self._join_anew()

    async def _renew(self, name: str, lease: Lease, sole: Hold) -> None:
        asked_at = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(self.seconds / 3):  # one lease that the store sits on must not cost the others
                renewed = await self._store.renew(lease, self.seconds)
        except Fenced:
            if self._is_held(name, sole):  # else it was given back meanwhile
                logger.error("This host was silent for longer than its lease, and another took over: %s", name)  # noqa: TRY400 - nothing is wrong here
                del self._held[name]
            sole.lose()
        except (StoreError, TimeoutError) as error:
            logger.warning("The lease %s could not be renewed: %s", name, str(error) or "the store does not answer")
        else:
            sole.keep(asked_at)
            if self._is_held(name, sole):
                self._held[name] = (renewed, sole)
        if not sole.held and self._is_held(name, sole) and not name.startswith(HOST_LEASE):
            del self._held[name]  # another may hold it by now; whether this host lives, the store will say

    def _is_held(self, name: str, sole: Hold) -> bool:
        return self._held.get(name, (None, None))[1] is sole

    async def _join_anew(self) -> None:
        try:
            await self._join()
        except StoreError as error:
            logger.warning("This host could not join under a new id; it tries again: %s", error)
