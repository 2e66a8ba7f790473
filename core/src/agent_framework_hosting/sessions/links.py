"""Make two identities one person, and two again. Each change is one transaction: it happened or it did not."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence

from ..model.identity import ChannelIdentity
from ..model.verdict import ClaimValue, LinkParty
from ..ports import Put, Store, Write
from .addresses import (
    IDENTITIES,
    IdentityKey,
    KnownAddress,
    address_record_key,
    dump_address,
    find,
    identity_key,
)
from .aliases import Alias, Aliases
from .people import People


class Links:
    """The links between identities; a person's key is that of the identity the others joined."""

    def __init__(
        self,
        store: Store,
        people: People,
        aliases: Aliases,
        own_key: Callable[[ChannelIdentity], Awaitable[str]],
        clock: Callable[[], float],
    ) -> None:
        self._store = store
        self._people = people
        self._aliases = aliases
        self._own_key = own_key
        self._clock = clock
        self._changing: set[IdentityKey] = set()

    def __iter__(self) -> Iterator[Alias]:
        """Go through the identities that are linked to somebody."""
        return (alias for alias in self._aliases if alias.person is not None)

    def person_of(self, identity: ChannelIdentity) -> str | None:
        """Return the isolation key an identity shares with others, None when it is linked to nobody."""
        return self._aliases.person(identity_key(identity))

    def members(self, isolation_key: str) -> tuple[ChannelIdentity, ...]:
        """Return the identities linked to a person, each as last seen in a direct chat, or without attributes."""
        direct = [address.identity for address in self._people.known(isolation_key) if not address.is_group]
        latest = {identity_key(identity): identity for identity in direct}
        return tuple(latest.get(key, ChannelIdentity(*key)) for key in self._aliases.members(isolation_key))

    def claims_of(self, isolation_key: str) -> tuple[dict[str, ClaimValue], float] | None:
        """Return the claims a channel verified for a person last, and when (seconds since 1970)."""
        for address in reversed(self._people.known(isolation_key)):
            if address.claims is not None:
                return dict(address.claims), address.last_seen
        return None

    async def link(self, keep: LinkParty, join: LinkParty, *, also: Sequence[Write] = ()) -> str | None:
        """Let ``join`` share ``keep``'s isolation key; ``also`` is committed with it. Return the shared key.

        None, and nothing is changed, when both are the same or ``join`` is linked to somebody already.
        """
        keys = {identity_key(keep.identity), identity_key(join.identity)}
        if len(keys) < 2 or self.person_of(join.identity) is not None or keys & self._changing:
            return None
        self._changing |= keys
        try:
            person = self.person_of(keep.identity) or await self._own_key(keep.identity)
            now = self._clock()
            aliases = [
                Alias(*identity_key(party.identity), person, now, "link")
                for party in (keep, join)
                if self.person_of(party.identity) is None
            ]
            uses = [self._use(party, now) for party in (keep, join)]
            records = [Put(IDENTITIES, address_record_key(use), dump_address(use, person)) for use in uses]
            await self._commit([*(alias.write() for alias in aliases), *records], also)
        finally:
            self._changing -= keys
        for alias in aliases:
            self._aliases.put(alias)
            self._people.move(alias.key, person)
        for use in uses:
            self._people.add(person, use)
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
        if len(leaving) > 2 and await self._own_key(identity) != person:
            leaving = (identity,)
        own = [(identity_key(each), await self._own_key(each)) for each in leaving]
        now = self._clock()
        aliases = [Alias(*key, isolation_key, now, "unlink") for key, isolation_key in own]
        await self._commit([alias.write() for alias in aliases])
        for alias in aliases:
            self._aliases.put(alias)
            self._people.move(alias.key, alias.isolation_key)
        return leaving

    async def _commit(self, writes: Sequence[Write], also: Sequence[Write] = ()) -> None:
        if self._store.durable:
            await self._store.commit([*writes, *also])
        elif also:
            await self._store.commit(also)

    def _use(self, party: LinkParty, now: float) -> KnownAddress:
        before = self._before(party)
        since, claims = (now, None) if before is None else (before.since, before.claims)
        return KnownAddress(party.identity, party.conversation_id, False, since, now, claims, now)

    def _before(self, party: LinkParty) -> KnownAddress | None:
        key = self._people.key_of(identity_key(party.identity))
        return None if key is None else find(self._people.known(key), party.identity, party.conversation_id)
