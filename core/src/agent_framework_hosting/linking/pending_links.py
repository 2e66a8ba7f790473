"""The links under way: in memory, by asker and by code, and in the store.

Memory changes before the store, so that no two steps see the same link; when the store refuses, it is taken back.
"""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import asynccontextmanager

from ..ports import Store, Write
from ..records import Records
from .pending import PendingLink
from .records import PENDING_LINKS, record_key


class PendingLinks:
    """At most ``limit`` links, one for each asker; a key is ``record_key`` of the asker."""

    def __init__(self, store: Store, limit: int) -> None:
        self._store = store
        self._records = Records(store, PENDING_LINKS)
        self._limit = limit
        self._links: OrderedDict[str, PendingLink] = OrderedDict()
        self._by_code: dict[str, str] = {}

    @property
    def is_full(self) -> bool:
        """Whether nobody more can be taken on."""
        return len(self._links) >= self._limit

    def get(self, key: str) -> PendingLink | None:
        """Return an asker's link."""
        return self._links.get(key)

    def find(self, code_hash: str) -> tuple[str, PendingLink | None]:
        """Return the link of a code, with its key."""
        key = self._by_code.get(code_hash, "")
        return key, self._links.get(key)

    def of(self, key: str) -> Sequence[PendingLink]:
        """Return the links in which somebody is either side."""
        return [
            link
            for asker, link in self._links.items()
            if asker == key or (link.claimant is not None and record_key(link.claimant.identity) == key)
        ]

    async def load(self, now: float) -> None:
        """Read what a durable store holds, dropping what is over and what cannot be read."""
        if not self._store.durable:
            return
        self._links.clear()
        self._by_code.clear()
        links = [(key, link) async for key, link in self._records.all()]
        for key, link in sorted(links, key=lambda pair: pair[1].expires_at):
            if link.expires_at > now:
                self._keep(key, link)
        await self._commit([self._records.delete(key) for key, link in links if link.expires_at <= now])

    async def put(self, key: str, link: PendingLink) -> None:
        """Keep an asker's link instead of any they had. Raises ``StoreError``."""
        record = self._records.put(key, link)
        before = self._links.get(key)
        self._keep(key, link)
        try:
            await self._commit([record])
        except BaseException:
            self._take_back(key, before)
            raise

    async def drop(self, keys: Iterable[str]) -> None:
        """Forget links."""
        gone = list(keys)
        for key in gone:
            self._remove(key)
        await self._commit([self._records.delete(key) for key in gone])

    async def drop_of(self, key: str) -> None:
        """Forget the links in which somebody is either side."""
        await self.drop([record_key(link.asker.identity) for link in self.of(key)])

    async def drop_expired(self, now: float) -> None:
        """Forget the oldest links whose time is over."""
        await self.drop(
            [key for key, _ in itertools.takewhile(lambda pair: pair[1].expires_at <= now, self._links.items())]
        )

    @asynccontextmanager
    async def using_up(self, key: str) -> AsyncGenerator[Sequence[Write]]:
        """Take a link away while its writes are committed with others; an exception brings it back."""
        before = self._links.get(key)
        self._remove(key)
        try:
            yield [self._records.delete(key)] if self._store.durable else []
        except BaseException:
            self._take_back(key, before)
            raise

    def _take_back(self, key: str, before: PendingLink | None) -> None:
        self._remove(key)
        if before is not None:
            self._keep(key, before)

    def _keep(self, key: str, link: PendingLink) -> None:
        self._remove(key)
        self._links[key] = link
        self._by_code[link.code_hash] = key

    def _remove(self, key: str) -> None:
        link = self._links.pop(key, None)
        if link is not None:
            self._by_code.pop(link.code_hash, None)

    async def _commit(self, writes: Sequence[Write]) -> None:
        if writes and self._store.durable:
            await self._store.commit(writes)
