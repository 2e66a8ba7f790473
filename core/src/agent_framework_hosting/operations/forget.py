"""Forget a person: everything that was kept of them, in memory and in the files."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from ..delivery.continuations import TOKENS, UNREADABLE_TOKENS, Continuations
from ..delivery.events import EVENTS, event_key
from ..delivery.journal import FINISHED, TURNS, UNREADABLE_TURNS, TurnRecord
from ..delivery.outbox import PUSH_TASK, account_of
from ..errors import OperationRefused
from ..model.identity import ChannelIdentity
from ..ports import Delete, ErasesRemoved, Store, Write
from ..sessions.addresses import IDENTITIES, IdentityKey, identity_key
from ..sessions.aliases import LINKS
from ..sessions.scope import shared_key
from ..tasks.record import UNREADABLE, TaskRecord
from ..tasks.table import TaskTable
from .answers import Forgotten
from .opened import OpenedState
from .people import PeopleView, accounts, identity_in
from .trace import Tracer

_LOOK_EVERY_SECONDS = 0.25
_PAGE = 200


@dataclass(frozen=True, slots=True)
class _Person:
    key: str
    identities: tuple[ChannelIdentity, ...]
    keys: frozenset[str]
    rooms: frozenset[str]

    @property
    def accounts(self) -> frozenset[IdentityKey]:
        return frozenset(map(identity_key, self.identities))


class Forgetting:
    """Remove every trace of one person at a time; what is under way gets ``patience`` seconds to end."""

    def __init__(self, state: OpenedState, people: PeopleView, tracer: Tracer, *, patience: float = 10.0) -> None:
        self._state = state
        self._patience = patience
        self._people = people
        self._tracer = tracer

    async def forget(self, given: str) -> Forgotten:
        """Forget who is meant; who they are known as goes last, so that a forgetting that broke off can be repeated.

        Raises ``OperationRefused`` when something of theirs stays under way, and has removed nothing then.
        """
        person = await self._person(given)
        turns = await self._idle(person)
        deliveries = await self._drop_deliveries(person, turns)
        runs = await self._drop_records(person, turns)
        for key in sorted(person.keys | person.rooms):
            await self._state.sessions(key)
            await self._state.checkpoints(key)
        await self._state.linker(person.identities)
        left = await self._state.channels(person.identities)
        await self._drop_identities(person)
        for store in {id(each): each for each in (self._state.store, self._state.runner_store)}.values():
            if isinstance(store, ErasesRemoved):
                await store.erase_removed()
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
        registry = self._state.registry
        key = self._people.key_of(given)
        known = registry.known(key)
        identities = {identity_key(each.identity): each.identity for each in known}
        for member in registry.links.members(key):
            identities.setdefault(identity_key(member), member)
        named = identity_in(given)
        if not identities and named is not None:
            identities[identity_key(named)] = named
        own = [await registry.own_key_of(each) for each in identities.values()]
        rooms = {
            shared_key(each.identity.channel, each.conversation_id)
            for each in known
            if each.is_group and each.conversation_id
        }
        return _Person(key, tuple(identities.values()), frozenset([key, *own]), frozenset(rooms))

    async def _idle(self, person: _Person) -> list[TurnRecord]:
        """Wait until nothing of the person's is under way, for a while; return their turns."""
        give_up = asyncio.get_running_loop().time() + self._patience
        while True:
            turns = [turn async for turn in self._tracer.turns() if _is_of(turn, person)]
            busy = self._state.busy
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

    async def _drop_deliveries(self, person: _Person, turns: Sequence[TurnRecord]) -> int:
        if self._state.table is None:
            return 0
        give_up = asyncio.get_running_loop().time() + self._patience
        turn_ids, task_ids = {turn.turn_id for turn in turns}, {task for turn in turns for task in turn.tasks}
        dropped = 0
        while True:
            left = 0
            async for record in _all_deliveries(self._state.table()):
                if record.id not in task_ids and not _concerns(record, person, turn_ids):
                    continue
                try:
                    await self._state.table().drop(record.id)
                except ValueError:  # it is being tried at this moment
                    left += 1
                except KeyError:
                    continue
                else:
                    dropped += 1
            if not left:
                return dropped
            if asyncio.get_running_loop().time() > give_up:
                raise OperationRefused(
                    f"{left} deliveries to or from this person are being tried at this moment, and only others were "
                    "removed yet. Run the command again when the attempts are over."
                )
            await asyncio.sleep(_LOOK_EVERY_SECONDS)

    async def _drop_records(self, person: _Person, turns: Sequence[TurnRecord]) -> int:
        """Remove turns, their events and background runs, and what could not be read and names the person."""
        store, turn_ids = self._state.runner_store, {turn.turn_id for turn in turns}
        writes: list[Write] = [Delete(TURNS, turn.turn_id) for turn in turns]
        writes += [
            Delete(EVENTS, event_key(turn.channel, turn.event_id)) for turn in turns if turn.event_id is not None
        ]
        tokens = await Continuations(store).of_turns(turn_ids)
        writes += [Delete(TOKENS, token) for token in tokens]
        names = person.keys | {native_id for _, native_id in person.accounts}
        for table in (UNREADABLE_TURNS, UNREADABLE_TOKENS, UNREADABLE):
            writes += [Delete(table, key) async for key, text in _rows(store, table) if _names(text, names | turn_ids)]
        await _commit(store, writes)
        return len(tokens)

    async def _drop_identities(self, person: _Person) -> None:
        state = self._state
        strays: list[Write] = []
        for table in (IDENTITIES, LINKS):
            strays += [Delete(table, key) async for key, _ in _rows(state.store, table) if _is_account(key, person)]
        await _commit(state.store, strays)
        for key in sorted(person.keys):
            await state.registry.forget(key)


async def _all_deliveries(table: TaskTable) -> AsyncIterator[TaskRecord]:
    after = ""
    while page := await table.list(name=PUSH_TASK, after=after, limit=_PAGE):
        after = page[-1].id
        for record in page:
            yield record


async def _rows(store: Store, table: str) -> AsyncIterator[tuple[str, str]]:
    after = ""
    while rows := await store.scan(table, after=after):
        after = rows[-1][0]
        for row in rows:
            yield row


async def _commit(store: Store, writes: Sequence[Write]) -> None:
    for start in range(0, len(writes), _PAGE):
        await store.commit(writes[start : start + _PAGE])


def _is_of(turn: TurnRecord, person: _Person) -> bool:
    return turn.isolation_key in person.keys or _account_in(turn.request.get("identity")) in person.accounts


def _concerns(record: TaskRecord, person: _Person, turn_ids: Collection[str]) -> bool:
    if account_of(record.lane) in person.accounts or record.payload.get("turn_id") in turn_ids:
        return True
    request = record.payload.get("request")
    if not isinstance(request, dict):
        return False
    return _account_in(cast("Mapping[str, object]", request).get("identity")) in person.accounts


def _account_in(stored: object) -> IdentityKey | None:
    if not isinstance(stored, dict):
        return None
    fields = cast("dict[str, object]", stored)
    return str(fields.get("channel")), str(fields.get("native_id"))


def _is_account(record_key: str, person: _Person) -> bool:
    """Tell from a record's key alone, whatever its text is like."""
    try:
        channel, native_id, *_ = json.loads(record_key)
    except (TypeError, ValueError, RecursionError):
        return False
    return (channel, native_id) in person.accounts


def _names(text: str, names: Iterable[str]) -> bool:
    """Whether one of these names stands in a record as a whole string."""
    return any(json.dumps(name) in text or json.dumps(name, ensure_ascii=False) in text for name in names)
