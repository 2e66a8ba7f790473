"""Who is who, and who was seen where: read from memory, at the same cost for any number of people.

What a message adds is prepared by ``sighting``, committed by whoever admits the message, and shown by ``apply``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace

from ..model.identity import ChannelIdentity
from ..model.verdict import ClaimValue, LinkParty
from ..ports import IdentityResolver, Store, Write
from ..records import Catalog, Records
from .addresses import (
    IDENTITIES,
    LINKS,
    AddressRecord,
    Alias,
    Claims,
    IdentityKey,
    KnownAddress,
    Sighting,
    address_record,
    address_record_key,
    addresses_prefix,
    alias_record_key,
    find,
    identity_key,
    seen,
)
from .directory import Directory
from .scope import own_key

_STORED_EVERY_SECONDS = 300.0
_REPEAT_SECONDS = 1.0


class People:
    """Know people by their isolation keys, and their addresses on every channel; join and part them.

    At most ``limit`` people are kept; who was seen longest ago goes first, with all records that end with a person,
    and linked people stay. ``active`` looks back ``active_window_seconds``. ``resolver`` is the developer's own naming
    of users. An identity never seen before joins the person who showed the same verified claim of ``join_claims``.
    ``shared`` says that other hosts write to the store as well, ``remembers`` whether anything is written there.
    """

    def __init__(
        self,
        store: Store,
        catalog: Catalog,
        *,
        limit: int = 100_000,
        active_window_seconds: float = 86_400.0,
        resolver: IdentityResolver | None = None,
        join_claims: Sequence[str] = (),
        shared: bool = False,
        remembers: bool = True,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._catalog = catalog
        self._addresses = Records(store, IDENTITIES)
        self._links = Records(store, LINKS)
        self._keeps = remembers and (store.durable or shared)
        self._limit = limit
        self._window = active_window_seconds
        self._resolver = resolver
        self._joins = bool(join_claims)
        self._clock = clock
        self._directory = Directory(join_claims)
        self._changing: set[IdentityKey] = set()

    def __len__(self) -> int:
        """Return how many people are known."""
        return len(self._directory)

    async def load(self) -> None:
        """Read what the store holds."""
        if not self._keeps:
            return
        self._directory.clear()
        async for _, alias in self._links.all():
            self._directory.decide(alias)
        stored = [(record.key, record.address()) async for _, record in self._addresses.all()]
        for isolation_key, address in sorted(stored, key=lambda pair: pair[1].last_seen):
            self._directory.add(self._owner_of(isolation_key, address), address)

    async def refresh(self, identity: ChannelIdentity) -> None:
        """Learn what other hosts have written about a speaker, and about whom they share an isolation key with."""
        asked, directory = identity_key(identity), self._directory
        rows = await self._learn(asked)
        keys = {each.key for each in rows.values()}
        keys.update(filter(None, (self.person_of(identity), directory.key_of(asked))))
        others: set[IdentityKey] = set()
        for isolation_key in keys:
            others.update(directory.members(isolation_key))
            others.update([alias.identity async for _, alias in self._links.find("key", isolation_key)])
            others.update([each.identity async for _, each in self._addresses.find("key", isolation_key)])
        for other in others - {asked}:
            rows |= await self._learn(other)
        for isolation_key in keys:
            directory.drop(isolation_key)
        for record in sorted(rows.values(), key=lambda each: each.seen):
            address = record.address()
            directory.add(self._owner_of(record.key, address), address)

    async def _learn(self, key: IdentityKey) -> dict[str, AddressRecord]:
        """Learn what is decided about an identity; return the records of its addresses."""
        alias = await self._links.get(alias_record_key(key))
        self._directory.undecide(key)
        if alias is not None:
            self._directory.decide(alias)
        return {name: record async for name, record in self._addresses.all(prefix=addresses_prefix(key))}

    def drop(self, isolation_keys: Collection[str], accounts: Collection[IdentityKey] = ()) -> None:
        """Forget people whose records are gone: by isolation key, and what is decided about accounts."""
        for isolation_key in isolation_keys:
            self._directory.drop(isolation_key)
        for account in accounts:
            self._directory.undecide(account)

    # Who is who

    def key_of(self, identity: ChannelIdentity) -> str | None:
        """Return the isolation key an identity was last seen under, None when it is not known."""
        return self._directory.key_of(identity_key(identity))

    def person_of(self, identity: ChannelIdentity) -> str | None:
        """Return the isolation key an identity shares with others, None when it is linked to nobody."""
        alias = self._directory.aliases.get(identity_key(identity))
        return None if alias is None else alias.person

    def joined_by(self, identity: ChannelIdentity, claims: Claims) -> str | None:
        """Return the person an identity belongs to: by its link, or, never seen before, by its verified claims."""
        key = identity_key(identity)
        alias = self._directory.aliases.get(key)
        if alias is not None:
            return alias.person
        if not self._joins or self._directory.key_of(key) is not None:
            return None
        holder = self._directory.claimed_by(claims)
        return None if holder is None else self._directory.key_of(holder)

    async def key_for(self, identity: ChannelIdentity, claims: Claims) -> str:
        """Return an identity's isolation key: the linked person's, the resolver's, or the identity's own."""
        if self._directory.aliases or (claims and self._joins):
            person = self.joined_by(identity, claims)
            if person is not None:
                return person
        if self._resolver is None:
            return own_key(identity.channel, identity.native_id)
        return await self.own_key_of(identity)

    async def own_key_of(self, identity: ChannelIdentity) -> str:
        """Return the isolation key of an identity that is linked to nobody: the resolver's, or its own."""
        return (self._resolver and await self._resolver(identity)) or own_key(identity.channel, identity.native_id)

    # Where a person is

    def known(self, isolation_key: str) -> tuple[KnownAddress, ...]:
        """Return where a person was seen, most recent first."""
        return self._directory.known(isolation_key)[::-1]

    def everyone(self) -> Iterator[tuple[str, tuple[KnownAddress, ...]]]:
        """Go through everybody known, as (isolation key, addresses), most recently seen first."""
        for isolation_key in reversed(tuple(self._directory)):
            yield isolation_key, self.known(isolation_key)

    def addresses(self, isolation_key: str) -> Mapping[str, Sequence[ChannelIdentity]]:
        """Return a person's addresses by channel, most recent first; direct chats come before groups."""
        known = self.known(isolation_key)
        found: dict[str, list[ChannelIdentity]] = {address.identity.channel: [] for address in known}
        for address in sorted(known, key=lambda address: address.is_group):
            found[address.identity.channel].append(address.identity)
        return found

    def active(self, isolation_key: str, *, excluding: ChannelIdentity | None = None) -> ChannelIdentity | None:
        """Return the person's most recent address within the window, on another channel than ``excluding``.

        Groups do not count: an answer meant for one person is not posted there.
        """
        earliest = self._clock() - self._window
        for address in reversed(self._directory.by_person.get(isolation_key, ())):
            if address.last_seen < earliest:
                return None
            if not address.is_group and (excluding is None or address.identity.channel != excluding.channel):
                return address.identity
        return None

    # What a message adds

    async def sighting(
        self,
        isolation_key: str,
        identity: ChannelIdentity,
        conversation_id: str | None = None,
        *,
        is_group: bool = False,
        claims: Claims | None = None,
    ) -> Sighting | None:
        """Prepare to record that an allowed speaker was seen; None when it only repeats what is known.

        Raises ``StoreError`` when the identity's attributes are not JSON.
        """
        directory, now = self._directory, self._clock()
        known = directory.by_person.get(isolation_key, ())
        last = known[-1] if known and now - known[-1].stored_at < _STORED_EVERY_SECONDS else None
        if (
            last is not None
            and last.identity == identity
            and (last.conversation_id, last.is_group) == (conversation_id, is_group)
            and (last.claims or None) == (claims or None)
        ):
            if now - last.last_seen < _REPEAT_SECONDS and len(directory) < self._limit:
                directory.by_person.move_to_end(isolation_key)
                return None
            return Sighting(isolation_key, replace(last, last_seen=now), instead_of=last)
        before = find(known, identity, conversation_id)
        since = now if before is None else before.since
        address = KnownAddress(identity, conversation_id, is_group, since, now, dict(claims) if claims else None, now)
        record = address_record(address, isolation_key)
        evicted = () if known else directory.longest_unseen(len(directory) + 1 - self._limit)
        writes = await self._catalog.with_person([key for key, _ in evicted])
        aliases = self._silent_join(isolation_key, identity, claims, now)
        if not self._keeps:
            return Sighting(isolation_key, address, tuple(writes), aliases, evicted)
        gone = [other for other in known if other not in seen(known, address) and other is not before]
        gone += [other for _, addresses in evicted for other in addresses]
        writes += [self._links.put(alias_record_key(alias.identity), alias) for alias in aliases]
        writes += [self._addresses.delete(address_record_key(other)) for other in gone]
        writes.append(self._addresses.put(address_record_key(address), record))
        return Sighting(isolation_key, address, tuple(writes), aliases, evicted)

    def apply(self, sighting: Sighting) -> None:
        """Show a sighting whose writes are committed."""
        directory, isolation_key = self._directory, sighting.isolation_key
        known = directory.by_person.get(isolation_key)
        if sighting.instead_of is not None and known and known[-1] is sighting.instead_of:
            directory.by_person[isolation_key] = (*known[:-1], sighting.address)
            directory.by_person.move_to_end(isolation_key)
            return
        for alias in sighting.aliases:
            directory.decide(alias)
        directory.add(self.person_of(sighting.address.identity) or isolation_key, sighting.address)
        for isolation_key, addresses in sighting.evicted:
            known = directory.known(isolation_key)
            if known is addresses:
                directory.drop(isolation_key)
            else:  # seen again meanwhile: its records are gone, so the next use must store it anew
                for address in known:
                    directory.add(isolation_key, replace(address, stored_at=0.0))
        if len(directory) >= self._limit:
            directory.spare_linked()

    # Links; a person's key is that of the identity the others joined

    def links(self) -> Iterator[Alias]:
        """Go through the identities that are linked to somebody."""
        return (alias for alias in tuple(self._directory.aliases.values()) if alias.person is not None)

    def members(self, isolation_key: str) -> tuple[ChannelIdentity, ...]:
        """Return the identities linked to a person, each as last seen in a direct chat, or without attributes."""
        direct = [address.identity for address in self._directory.known(isolation_key) if not address.is_group]
        latest = {identity_key(identity): identity for identity in direct}
        return tuple(latest.get(key, ChannelIdentity(*key)) for key in self._directory.members(isolation_key))

    def claims_of(self, isolation_key: str) -> tuple[dict[str, ClaimValue], float] | None:
        """Return the claims a channel verified for a person last, and when (seconds since 1970)."""
        told = (each for each in self.known(isolation_key) if each.claims is not None)
        return next(((dict(each.claims or {}), each.last_seen) for each in told), None)

    async def link(self, keep: LinkParty, join: LinkParty, *, also: Sequence[Write] = ()) -> str | None:
        """Let ``join`` share ``keep``'s isolation key; ``also`` is committed with it. Return the shared key.

        None, and nothing is changed, when both are the same or ``join`` is linked to somebody already.
        """
        keys = {identity_key(keep.identity), identity_key(join.identity)}
        if len(keys) < 2 or self.person_of(join.identity) is not None or keys & self._changing:
            return None
        self._changing |= keys
        try:
            person = self.person_of(keep.identity) or await self.own_key_of(keep.identity)
            now = self._clock()
            parties = [each for each in (keep, join) if self.person_of(each.identity) is None]
            aliases = [Alias(*identity_key(each.identity), person, now, "link") for each in parties]
            uses = [self._use(party, now) for party in (keep, join)]
            writes = [self._addresses.put(address_record_key(use), address_record(use, person)) for use in uses]
            await self._commit(aliases, [*writes, *also] if self._keeps else also)
        finally:
            self._changing -= keys
        for alias in aliases:
            self._directory.decide(alias)
            self._directory.move(alias.identity, person)
        for use in uses:
            self._directory.add(person, use)
        return person

    async def unlink(self, identity: ChannelIdentity) -> tuple[ChannelIdentity, ...]:
        """Give an identity its own isolation key back and return everybody who is on their own now.

        A link ends for all of its identities when one of the last two leaves, or the one whose key they share.
        Empty when the identity was linked to nobody.
        """
        person = self.person_of(identity)
        if person is None:
            return ()
        leaving = self.members(person)
        if len(leaving) > 2 and await self.own_key_of(identity) != person:
            leaving = (identity,)
        now = self._clock()
        aliases = [Alias(*identity_key(each), await self.own_key_of(each), now, "unlink") for each in leaving]
        await self._commit(aliases)
        for alias in aliases:
            self._directory.decide(alias)
            self._directory.move(alias.identity, alias.key)
        return leaving

    async def _commit(self, aliases: Sequence[Alias], writes: Sequence[Write] = ()) -> None:
        kept = [self._links.put(alias_record_key(each.identity), each) for each in aliases if self._keeps]
        if kept or writes:
            await self._store.commit([*kept, *writes])

    def _use(self, party: LinkParty, now: float) -> KnownAddress:
        key = self.key_of(party.identity)
        before = find(self._directory.known(key or ""), party.identity, party.conversation_id)
        since, claims = (now, None) if before is None else (before.since, before.claims)
        return KnownAddress(party.identity, party.conversation_id, False, since, now, claims, now)

    def _owner_of(self, isolation_key: str, address: KnownAddress) -> str:
        alias = self._directory.aliases.get(identity_key(address.identity))
        return isolation_key if alias is None else alias.key_at(isolation_key, address.last_seen)

    def _silent_join(
        self, isolation_key: str, identity: ChannelIdentity, claims: Claims | None, now: float
    ) -> tuple[Alias, ...]:
        key = identity_key(identity)
        if not claims or self._directory.aliases.get(key) or self.joined_by(identity, claims) != isolation_key:
            return ()
        holder = self._directory.claimed_by(claims)
        both = [key] if holder is None or self._directory.aliases.get(holder) else [holder, key]
        return tuple(Alias(*each, isolation_key, now, "claim") for each in both)
