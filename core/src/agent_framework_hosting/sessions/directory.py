"""Who is known where and linked with whom, in memory: indexed both ways, least recently seen first to go. No I/O."""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Iterator, Sequence

from .addresses import Alias, Claims, IdentityKey, KnownAddress, find, identity_key, seen

Known = tuple[KnownAddress, ...]
_LOOK_AHEAD = 64


class Directory:
    """Addresses by isolation key (oldest use first), isolation keys by identity, and what is decided about identities.

    ``by_person`` holds who is known where, ``aliases`` what is decided about identities. ``join_claims`` names the
    claims by whose value a person can be found.
    """

    def __init__(self, join_claims: Sequence[str] = ()) -> None:
        self._join_claims = tuple(join_claims)
        self.by_person: OrderedDict[str, Known] = OrderedDict()
        self._keys: dict[str, dict[str, str]] = {}
        self._claimed: dict[tuple[str, str], IdentityKey] = {}
        self.aliases: dict[IdentityKey, Alias] = {}
        self._members: dict[str, dict[IdentityKey, None]] = {}

    def __len__(self) -> int:
        """Return how many people are known."""
        return len(self.by_person)

    def __iter__(self) -> Iterator[str]:
        """Go through the isolation keys, least recently seen first."""
        return iter(self.by_person)

    def known(self, isolation_key: str) -> Known:
        """Return where a person was seen, oldest use first."""
        return self.by_person.get(isolation_key, ())

    def key_of(self, key: IdentityKey) -> str | None:
        """Return the isolation key an identity was last seen under."""
        channel = self._keys.get(key[0])
        return None if channel is None else channel.get(key[1])

    def claimed_by(self, claims: Claims) -> IdentityKey | None:
        """Return the identity that showed the same claims, unless several people did."""
        found: IdentityKey | None = None
        for name, value in self._values(claims):
            holder = self._claimed.get((name, value))
            if holder is None:
                continue
            if found is not None and self.key_of(found) != self.key_of(holder):
                return None
            found = holder
        return found

    def add(self, isolation_key: str, address: KnownAddress) -> None:
        """Record one use; an identity known under another key moves with all its addresses."""
        key = identity_key(address.identity)
        self.move(key, isolation_key)
        known = self.by_person.get(isolation_key, ())
        earlier = find(known, address.identity, address.conversation_id)
        now = seen(known, address)
        if earlier is None:
            self._set(isolation_key, now)
        else:
            self.by_person[isolation_key] = now
        self.by_person.move_to_end(isolation_key)
        if address.claims and (earlier is None or earlier.claims != address.claims):
            self._claim(key, known, address.claims)

    def move(self, key: IdentityKey, isolation_key: str) -> None:
        """Put all addresses of an identity under another isolation key."""
        before = self.key_of(key)
        if before is None or before == isolation_key:
            return
        known = self.by_person[before]
        moved = tuple(address for address in known if identity_key(address.identity) == key)
        self._set(before, tuple(address for address in known if address not in moved), forget_claims=False)
        merged = sorted((*self.by_person.get(isolation_key, ()), *moved), key=lambda address: address.last_seen)
        self._set(isolation_key, tuple(merged))

    def drop(self, isolation_key: str) -> Known:
        """Forget a person and return what was known."""
        known = self.by_person.get(isolation_key, ())
        self._set(isolation_key, ())
        return known

    def defer(self, isolation_key: str) -> None:
        """Treat a person as just seen."""
        self.by_person.move_to_end(isolation_key)

    def longest_unseen(self, count: int) -> tuple[tuple[str, Known], ...]:
        """Return up to ``count`` people who are linked with nobody, longest unseen first, with their addresses."""
        if count <= 0:
            return ()
        ahead = itertools.islice(self.by_person.items(), _LOOK_AHEAD)
        strangers = ((key, known) for key, known in ahead if key not in self._members)
        return tuple(itertools.islice(strangers, count))

    def spare_linked(self) -> None:
        """Treat the linked people among the longest unseen as just seen: it is not their turn to go."""
        for isolation_key in list(itertools.islice(self.by_person, _LOOK_AHEAD)):
            if isolation_key not in self._members:
                return
            self.defer(isolation_key)

    def clear(self) -> None:
        """Forget everybody."""
        for each in (self.by_person, self._keys, self._claimed, self.aliases, self._members):
            each.clear()

    # What is decided about identities

    def members(self, person: str) -> tuple[IdentityKey, ...]:
        """Return the identities linked to a person."""
        return tuple(self._members.get(person, ()))

    def decide(self, alias: Alias) -> None:
        """Decide about an identity, whatever was decided before."""
        self.undecide(alias.identity)
        self.aliases[alias.identity] = alias
        if alias.person is not None:
            self._members.setdefault(alias.person, {})[alias.identity] = None

    def undecide(self, key: IdentityKey) -> None:
        """Forget what was decided about an identity."""
        alias = self.aliases.pop(key, None)
        if alias is None or alias.person is None:
            return
        members = self._members[alias.person]
        members.pop(key, None)
        if not members:
            del self._members[alias.person]

    def _set(self, isolation_key: str, now: Known, *, forget_claims: bool = True) -> None:
        before = self.by_person.get(isolation_key, ())
        if now:
            self.by_person[isolation_key] = now
        else:
            self.by_person.pop(isolation_key, None)
        present = {identity_key(address.identity) for address in now}
        for address in before:
            key = identity_key(address.identity)
            if key not in present and self.key_of(key) == isolation_key:
                del self._keys[key[0]][key[1]]
                if forget_claims:
                    self._forget_claims(key, address)
        for channel, native_id in present:
            self._keys.setdefault(channel, {})[native_id] = isolation_key

    def _claim(self, key: IdentityKey, known: Known, claims: Claims) -> None:
        for address in known:
            if identity_key(address.identity) == key:
                self._forget_claims(key, address)
        for pair in self._values(claims):
            self._claimed.setdefault(pair, key)

    def _forget_claims(self, key: IdentityKey, address: KnownAddress) -> None:
        for pair in self._values(address.claims or {}):
            if self._claimed.get(pair) == key:
                del self._claimed[pair]

    def _values(self, claims: Claims) -> Iterator[tuple[str, str]]:
        for name in self._join_claims:
            value = claims.get(name)
            if isinstance(value, str) and value:
                yield name, value
