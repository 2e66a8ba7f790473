"""What is known of chats beyond their ids: where a group moved, and who cannot be reached any more."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from agent_framework_hosting.ports import Delete, Put, Store

from .places import Place

MOVED = "moved"
DEAD = "dead"


class Chats:
    """Follow groups that became supergroups, and remember addresses that refuse the bot; both survive restarts.

    A moved group keeps its first id in conversations and addresses, so that its sessions move with it; only
    what is sent carries the new one.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._new: dict[int, int] = {}
        self._first: dict[int, int] = {}
        self._dead: set[int] = set()

    async def load(self) -> None:
        """Read what earlier processes found out."""
        after = ""
        while rows := await self._store.scan(MOVED, after=after):
            for old, new in rows:
                self._note_move(int(old), int(new))
            after = rows[-1][0]
        after = ""
        while rows := await self._store.scan(DEAD, after=after):
            self._dead.update(int(chat_id) for chat_id, _ in rows)
            after = rows[-1][0]

    def known_as(self, place: Place) -> Place:
        """Return the place under the chat's first id."""
        return replace(place, chat_id=self._first.get(place.chat_id, place.chat_id))

    def now_at(self, place: Place) -> Place:
        """Return the place under the id that Telegram takes today."""
        return replace(place, chat_id=self._new.get(place.chat_id, place.chat_id))

    async def move(self, old: int, new: int) -> None:
        """Note that a group became a supergroup; told twice, it is noted once."""
        if old == new or self._new.get(old) == new:
            return
        self._note_move(old, new)
        await self._store.commit([Put(MOVED, str(old), str(new))])

    def is_dead(self, chat_id: int) -> bool:
        """Whether nobody can be reached there, as far as is known."""
        return chat_id in self._dead

    async def bury(self, chat_id: int, why: str) -> None:
        """Note that a chat refuses the bot for good."""
        if chat_id not in self._dead:
            self._dead.add(chat_id)
            await self._store.commit([Put(DEAD, str(chat_id), why)])

    async def revive(self, chat_id: int) -> None:
        """Note that a chat was heard of again."""
        if chat_id in self._dead:
            self._dead.discard(chat_id)
            await self._store.commit([Delete(DEAD, str(chat_id))])

    def forget(self, people: Collection[str]) -> None:
        """Drop from memory what is known of these chats."""
        chats = {int(each) for each in people if each.removeprefix("-").isdecimal()}
        self._dead -= chats
        for known in (self._new, self._first):
            for one in [each for each, other in known.items() if chats & {each, other}]:
                del known[one]

    def _note_move(self, old: int, new: int) -> None:
        first = self._first.get(old, old)
        self._first[new] = first
        for moved in {first, old}:
            self._new[moved] = new
