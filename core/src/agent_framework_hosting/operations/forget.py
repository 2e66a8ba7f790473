"""Forget a person: everything that was kept of them, in memory and in the store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from ..delivery.continuations import TOKENS, Continuations
from ..delivery.delivery import PUSH_TASK, account_of
from ..delivery.journal import EVENTS, FINISHED, TurnRecord, event_key
from ..errors import OperationRefused
from ..model.identity import ChannelIdentity
from ..ports import Delete, ErasesRemoved, StoredTask, TaskTable, Write
from ..records import Names
from ..sessions.addresses import IDENTITIES, LINKS, identity_key
from ..sessions.scope import shared_key
from .answers import Forgotten
from .opened import OpenedState
from .people import PeopleView, accounts, identity_in

_LOOK_EVERY_SECONDS = 0.25
_PAGE = 200
_KNOWN_AS = (IDENTITIES.name, LINKS.name)


@dataclass(frozen=True, slots=True)
class _Person:
    key: str
    identities: tuple[ChannelIdentity, ...]
    keys: frozenset[str]
    rooms: frozenset[str]

    @property
    def names(self) -> Names:
        return Names(self.keys | self.rooms, frozenset(map(identity_key, self.identities)))


class Forgetting:
    """Remove every trace of one person at a time; what is under way gets ``patience`` seconds to end."""

    def __init__(self, state: OpenedState, people: PeopleView, *, patience: float = 10.0) -> None:
        self._state = state
        self._patience = patience
        self._people = people

    async def forget(self, given: str) -> Forgotten:
        """Forget who is meant; who they are known as goes last, so that a forgetting that broke off can be repeated.

        Raises ``OperationRefused`` when something of theirs stays under way, and has removed nothing then.
        """
        state, person = self._state, await self._person(given)
        names = person.names
        turns = await self._idle(person)
        deliveries = await self._drop_deliveries(names, turns)
        runs = await self._drop_of_turns(turns)
        await self._remove([each async for each in state.catalog.about(names, leaving=_KNOWN_AS)])
        for key in sorted(names.keys):
            state.sessions(key)
            await state.checkpoints(key)
        await state.linker(person.identities)
        left = [*await state.channels(person.identities), *await self._kept_by(names)]
        await self._remove([each async for each in state.catalog.about(names)])
        state.people.drop(person.keys, names.accounts)
        if isinstance(state.store, ErasesRemoved):
            await state.store.erase_removed()
        return Forgotten(
            isolation_key=person.key,
            accounts=accounts(person.identities),
            shared_conversations=sorted(person.rooms),
            messages=len(turns),
            deliveries=deliveries,
            background_runs=runs,
            left=left,
        )

    async def _person(self, given: str) -> _Person:
        people = self._state.people
        key = self._people.key_of(given)
        known = people.known(key)
        identities = {identity_key(each.identity): each.identity for each in known}
        for member in people.members(key):
            identities.setdefault(identity_key(member), member)
        named = identity_in(given)
        if not identities and named is not None:
            identities[identity_key(named)] = named
        own = [await people.own_key_of(each) for each in identities.values()]
        rooms = {
            shared_key(each.identity.channel, each.conversation_id)
            for each in known
            if each.is_group and each.conversation_id
        }
        return _Person(key, tuple(identities.values()), frozenset([key, *own]), frozenset(rooms))

    async def _idle(self, person: _Person) -> list[TurnRecord]:
        """Wait until nothing of the person's is under way, for a while; return their turns."""
        names, busy = Names(person.keys, person.names.accounts), self._state.busy
        give_up = asyncio.get_running_loop().time() + self._patience
        while True:
            turns = [
                turn
                async for turn in self._state.journal.all()
                if names.among(turn.isolation_key, None) or names.among(turn.request.get("identity"), None)
            ]
            if busy is None:
                return turns
            if not busy(person.keys | person.rooms) and all(turn.status in FINISHED for turn in turns):
                return turns
            if asyncio.get_running_loop().time() > give_up:
                raise OperationRefused(
                    "Messages of this person, or in a conversation they share, are being worked on. Nothing was "
                    "removed; wait until they are answered and run the command again."
                )
            await asyncio.sleep(_LOOK_EVERY_SECONDS)

    async def _drop_deliveries(self, names: Names, turns: Sequence[TurnRecord]) -> int:
        if self._state.tasks is None:
            return 0
        give_up = asyncio.get_running_loop().time() + self._patience
        turn_ids, task_ids = {turn.turn_id for turn in turns}, {task for turn in turns for task in turn.tasks}
        dropped = 0
        while True:
            left = 0
            async for task in _all_deliveries(self._state.tasks()):
                if task.id not in task_ids and not _concerns(task, names, turn_ids):
                    continue
                try:
                    await self._state.tasks().drop(task.id)
                except ValueError:  # it is being tried at this moment, or another host's
                    left += 1
                except KeyError:
                    continue
                else:
                    dropped += 1
            if not left:
                return dropped
            if asyncio.get_running_loop().time() > give_up:
                raise OperationRefused(
                    f"{left} deliveries to or from this person are being tried at this moment, or are held by another "
                    "host of this store, and only others were removed yet. Run the command again when the attempts are "
                    "over, or on that host."
                )
            await asyncio.sleep(_LOOK_EVERY_SECONDS)

    async def _drop_of_turns(self, turns: Sequence[TurnRecord]) -> int:
        """Remove what belongs to turns and names nobody: their events, and their background runs."""
        tokens = await Continuations(self._state.store).of_turns({turn.turn_id for turn in turns})
        events = [event_key(turn.channel, turn.event_id) for turn in turns if turn.event_id is not None]
        await self._remove([Delete(EVENTS.name, key) for key in events] + [Delete(TOKENS.name, key) for key in tokens])
        return len(tokens)

    async def _kept_by(self, names: Names) -> list[str]:
        tables = await self._state.catalog.still_naming(names)
        return [
            f"Table {table} still names this person: the channel it belongs to does not declare it, so the host does "
            "not know which of its records to remove. Ask the channel's author."
            for table in tables
        ]

    async def _remove(self, writes: Sequence[Write]) -> None:
        for start in range(0, len(writes), _PAGE):
            await self._state.store.commit(writes[start : start + _PAGE])


async def _all_deliveries(table: TaskTable) -> AsyncIterator[StoredTask]:
    after = ""
    while page := await table.list(name=PUSH_TASK, after=after, limit=_PAGE):
        after = page[-1].id
        for record in page:
            yield record


def _concerns(task: StoredTask, names: Names, turn_ids: Collection[str]) -> bool:
    if account_of(task.lane) in names.accounts or task.payload.get("turn_id") in turn_ids:
        return True
    request = task.payload.get("request")
    return isinstance(request, dict) and names.among(cast("Mapping[str, object]", request).get("identity"), None)
