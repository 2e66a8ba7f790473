"""What is known of chats beyond their ids: where a group moved, and who cannot be reached any more."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from agent_framework_hosting import BY_KEY, RecordCodec, Records, Store, Table

from .places import Place


@dataclass(frozen=True, slots=True)
class NewId:
    """The id of the supergroup that a group became; the record's key is the id it had."""

    new: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why nobody is reached in the chat whose id is the record's key."""

    why: str


MOVED = Table(
    "moved",
    RecordCodec("telegram.moved", 1, NewId, {0: lambda fields: {"new": fields["text"]}}),
    person=(BY_KEY, "new"),
    holds="groups that became supergroups, with both ids",
)
DEAD = Table(
    "dead",
    RecordCodec("telegram.dead", 1, Refusal, {0: lambda fields: {"why": fields["text"]}}),
    person=BY_KEY,
    holds="chats that refuse the bot",
)


class Chats:
    """Follow groups that became supergroups, and remember addresses that refuse the bot; both survive restarts.

    A moved group keeps its first id in conversations and addresses, so that its sessions move with it; only
    what is sent carries the new one.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._moved = Records(store, MOVED)
        self._dead = Records(store, DEAD)
        self._new: dict[int, int] = {}
        self._first: dict[int, int] = {}

    async def load(self) -> None:
        """Read what earlier processes, and other hosts, found out about groups."""
        async for old, to in self._moved.all():
            self._note_move(int(old), int(to.new))

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
        await self._store.commit([self._moved.put(str(old), NewId(str(new)))])

    async def is_dead(self, chat_id: int) -> bool:
        """Whether nobody can be reached there, as far as any host knows."""
        return await self._dead.get(str(chat_id)) is not None

    async def bury(self, chat_id: int, why: str) -> None:
        """Note that a chat refuses the bot for good."""
        if not await self.is_dead(chat_id):
            await self._store.commit([self._dead.put(str(chat_id), Refusal(why))])

    async def revive(self, chat_id: int) -> None:
        """Note that a chat was heard of again."""
        if await self.is_dead(chat_id):
            await self._store.commit([self._dead.delete(str(chat_id))])

    def forget(self, people: Collection[str]) -> None:
        """Drop from memory what is known of these chats."""
        chats = {int(each) for each in people if each.removeprefix("-").isdecimal()}
        for known in (self._new, self._first):
            for one in [each for each, other in known.items() if chats & {each, other}]:
                del known[one]

    def _note_move(self, old: int, new: int) -> None:
        first = self._first.get(old, old)
        self._first[new] = first
        for moved in {first, old}:
            self._new[moved] = new
