"""Who is who, and who was seen where.

Reads are from memory and cost the same at any number of people. What an admitted message adds is prepared by
``sighting``, committed by whoever admits the message, and shown by ``apply``.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from ..model.identity import ChannelIdentity
from ..ports import Delete, Put, Store, Write
from .addresses import (
    IDENTITIES,
    Claims,
    KnownAddress,
    address_record_key,
    alias_record_key,
    dump_address,
    find,
    identity_key,
    load_address,
    seen,
)
from .aliases import LINKS, Alias, Aliases, load_alias
from .links import Links
from .people import Known, People
from .resolve import forget_snapshot
from .scope import own_key
from .stored import read_all

IdentityResolver: TypeAlias = Callable[[ChannelIdentity], Awaitable[str | None]]

_STORED_EVERY_SECONDS = 300.0
_LOOK_AHEAD = 64
_REPEAT_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Sighting:
    """One use by an allowed speaker: commit ``writes``, then ``IdentityRegistry.apply``."""

    isolation_key: str
    address: KnownAddress
    writes: tuple[Write, ...]
    aliases: tuple[Alias, ...] = ()
    evicted: tuple[tuple[str, Known], ...] = ()


class IdentityRegistry:
    """Know people by their isolation keys, and their addresses on every channel.

    At most ``limit`` people are kept; who was seen longest ago goes first, linked people stay. ``active`` looks back
    ``active_window_seconds``. ``resolver`` is the developer's own naming of users. An identity never seen before
    joins the person who showed the same verified claim of ``join_claims``. ``clock`` gives seconds since 1970.
    """

    def __init__(
        self,
        store: Store,
        *,
        limit: int = 100_000,
        active_window_seconds: float = 86_400.0,
        resolver: IdentityResolver | None = None,
        join_claims: Sequence[str] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._limit = limit
        self._window = active_window_seconds
        self._resolver = resolver
        self._joins = bool(join_claims)
        self._clock = clock
        self._people = People(join_claims)
        self._aliases = Aliases()
        self.links = Links(store, self._people, self._aliases, self.own_key_of, clock)

    def __len__(self) -> int:
        """Return how many people are known."""
        return len(self._people)

    async def load(self) -> None:
        """Read what a durable store holds; records that cannot be read are left where they are and logged."""
        if not self._store.durable:
            return
        self._people.clear()
        self._aliases.clear()
        async for alias in read_all(self._store, LINKS, load_alias):
            self._aliases.put(alias)
        stored = [pair async for pair in read_all(self._store, IDENTITIES, load_address)]
        stored.sort(key=lambda pair: pair[1].last_seen)
        for isolation_key, address in stored:
            alias = self._aliases.get(identity_key(address.identity))
            self._people.add(alias.key_at(isolation_key, address.last_seen) if alias else isolation_key, address)

    # Who is who

    def key_of(self, identity: ChannelIdentity) -> str | None:
        """Return the isolation key an identity was last seen under, None when it is not known."""
        return self._people.key_of(identity_key(identity))

    def person_of(self, identity: ChannelIdentity) -> str | None:
        """Return the isolation key an identity was linked to, None when it is linked to nobody."""
        return self._aliases.person(identity_key(identity))

    def joined_by(self, identity: ChannelIdentity, claims: Claims) -> str | None:
        """Return the person an identity belongs to: by its link, or, never seen before, by its verified claims."""
        key = identity_key(identity)
        alias = self._aliases.get(key)
        if alias is not None:
            return alias.person
        if not self._joins or self._people.key_of(key) is not None:
            return None
        holder = self._people.claimed_by(claims)
        return None if holder is None else self._people.key_of(holder)

    async def key_for(self, identity: ChannelIdentity, claims: Claims) -> str:
        """Return an identity's isolation key: the linked person's, the resolver's, or the identity's own."""
        if self._aliases or (claims and self._joins):
            person = self.joined_by(identity, claims)
            if person is not None:
                return person
        return own_key(identity) if self._resolver is None else await self.own_key_of(identity)

    async def own_key_of(self, identity: ChannelIdentity) -> str:
        """Return the isolation key of an identity that is linked to nobody: the resolver's, or its own."""
        return (self._resolver and await self._resolver(identity)) or own_key(identity)

    # Where a person is

    def known(self, isolation_key: str) -> tuple[KnownAddress, ...]:
        """Return where a person was seen, most recent first."""
        return self._people.known(isolation_key)[::-1]

    def addresses(self, isolation_key: str) -> Mapping[str, Sequence[ChannelIdentity]]:
        """Return a person's addresses by channel, most recent first; direct chats come before groups."""
        found: dict[str, list[ChannelIdentity]] = {}
        known = self.known(isolation_key)
        for address in known:
            found.setdefault(address.identity.channel, [])
        for address in sorted(known, key=lambda address: address.is_group):
            found[address.identity.channel].append(address.identity)
        return found

    def active(self, isolation_key: str, *, excluding: ChannelIdentity | None = None) -> ChannelIdentity | None:
        """Return the person's most recent address within the window, on another channel than ``excluding``.

        Groups do not count: an answer meant for one person is not posted there.
        """
        earliest = self._clock() - self._window
        for address in self.known(isolation_key):
            if address.last_seen < earliest:
                return None
            if not address.is_group and (excluding is None or address.identity.channel != excluding.channel):
                return address.identity
        return None

    # What a message adds

    def sighting(
        self,
        isolation_key: str,
        identity: ChannelIdentity,
        conversation_id: str | None = None,
        *,
        is_group: bool = False,
        claims: Claims | None = None,
    ) -> Sighting:
        """Prepare to record that an allowed speaker was seen; changes nothing yet.

        ``writes`` is empty when the store is not durable or nothing worth storing changed. Raises ``StoreError`` when
        the identity's attributes are not JSON.
        """
        now = self._clock()
        known = self._people.known(isolation_key)
        before = find(known, identity, conversation_id)
        since = now if before is None else before.since
        address = KnownAddress(identity, conversation_id, is_group, since, now, dict(claims) if claims else None, now)
        if before is not None and before is known[-1] and _is_stored(before, address):
            return Sighting(isolation_key, replace(address, stored_at=before.stored_at), ())
        record = dump_address(address, isolation_key)
        evicted = () if known else self._oldest()
        aliases = self._silent_join(isolation_key, identity, claims, now)
        if not self._store.durable:
            return Sighting(isolation_key, address, (), aliases, evicted)
        gone = [other for other in known if other not in seen(known, address) and other is not before]
        gone += [other for _, addresses in evicted for other in addresses]
        writes = [
            *(alias.write() for alias in aliases),
            Put(IDENTITIES, address_record_key(address), record),
            *(Delete(IDENTITIES, address_record_key(other)) for other in gone),
            *(forget_snapshot(stranger) for stranger, _ in evicted),
        ]
        return Sighting(isolation_key, address, tuple(writes), aliases, evicted)

    def apply(self, sighting: Sighting) -> None:
        """Show a sighting whose writes are committed."""
        for alias in sighting.aliases:
            self._aliases.put(alias)
        person = self._aliases.person(identity_key(sighting.address.identity))
        self._people.add(person or sighting.isolation_key, sighting.address)
        for isolation_key, addresses in sighting.evicted:
            known = self._people.known(isolation_key)
            if known is addresses:
                self._people.drop(isolation_key)
            else:  # seen again meanwhile: its records are gone, so the next use must store it anew
                for address in known:
                    self._people.add(isolation_key, replace(address, stored_at=0.0))
        self._spare_linked()

    async def record(
        self,
        isolation_key: str,
        identity: ChannelIdentity,
        conversation_id: str | None = None,
        *,
        is_group: bool = False,
        claims: Claims | None = None,
    ) -> None:
        """Record that an allowed speaker was seen, in a transaction of its own."""
        known = self._people.known(isolation_key)
        roomy = len(self._people) < self._limit  # nobody is being pushed out
        last = known[-1] if known and roomy else None
        if last and self._was_just_seen(last, identity, conversation_id, is_group=is_group, claims=claims):
            self._people.defer(isolation_key)
            return
        sighting = self.sighting(isolation_key, identity, conversation_id, is_group=is_group, claims=claims)
        if sighting.writes:
            await self._store.commit(sighting.writes)
        self.apply(sighting)

    def _was_just_seen(
        self,
        last: KnownAddress,
        identity: ChannelIdentity,
        conversation_id: str | None,
        *,
        is_group: bool,
        claims: Claims | None,
    ) -> bool:
        """Say whether a use only repeats the person's last one, so that nothing would be learnt from it."""
        return (
            self._clock() - last.last_seen < _REPEAT_SECONDS
            and last.stored_at > 0.0  # else its record is gone and must be written anew
            and last.identity == identity
            and last.conversation_id == conversation_id
            and last.is_group == is_group
            and (last.claims or None) == (claims or None)
        )

    # The operator's view

    def people(self) -> Iterator[tuple[str, tuple[KnownAddress, ...]]]:
        """Go through everybody known, as (isolation key, addresses), most recently seen first."""
        for isolation_key in reversed(tuple(self._people)):
            yield isolation_key, self.known(isolation_key)

    async def forget(self, isolation_key: str, *, also: Sequence[Write] = ()) -> tuple[ChannelIdentity, ...]:
        """Remove every trace of a person here, in one transaction with ``also``; return who they were."""
        known = self._people.known(isolation_key)
        keys = dict.fromkeys((*self._aliases.members(isolation_key), *(identity_key(each.identity) for each in known)))
        keys |= dict.fromkeys(alias.key for alias in self._aliases if alias.isolation_key == isolation_key)
        writes = [Delete(IDENTITIES, address_record_key(address)) for address in known]
        writes += [Delete(LINKS, alias_record_key(key)) for key in keys]
        await self._store.commit([*writes, *also])
        self._people.drop(isolation_key)
        for key in keys:
            self._aliases.remove(key)
        return tuple(ChannelIdentity(*key) for key in keys)

    def _silent_join(
        self, isolation_key: str, identity: ChannelIdentity, claims: Claims | None, now: float
    ) -> tuple[Alias, ...]:
        key = identity_key(identity)
        if not claims or self._aliases.get(key) or self.joined_by(identity, claims) != isolation_key:
            return ()
        holder = self._people.claimed_by(claims)
        both = [key] if holder is None or self._aliases.get(holder) else [holder, key]
        return tuple(Alias(*each, isolation_key, now, "claim") for each in both)

    def _oldest(self) -> tuple[tuple[str, Known], ...]:
        excess = len(self._people) + 1 - self._limit
        if excess <= 0:
            return ()
        ahead = itertools.islice(self._people, _LOOK_AHEAD)
        strangers = (key for key in ahead if not self._is_linked(key))
        return tuple((key, self._people.known(key)) for key in itertools.islice(strangers, excess))

    def _spare_linked(self) -> None:
        if len(self._people) >= self._limit:
            for isolation_key in list(itertools.islice(self._people, _LOOK_AHEAD)):
                if not self._is_linked(isolation_key):
                    return
                self._people.defer(isolation_key)

    def _is_linked(self, isolation_key: str) -> bool:
        return bool(self._aliases) and bool(self._aliases.members(isolation_key))


def _is_stored(before: KnownAddress, now: KnownAddress) -> bool:
    """Say whether the record of an address is good enough: only the time of its use changed, and not by much."""
    return (
        now.last_seen - before.stored_at < _STORED_EVERY_SECONDS
        and before.identity == now.identity
        and before.is_group == now.is_group
        and before.claims == now.claims
    )
