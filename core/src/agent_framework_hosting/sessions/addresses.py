"""Where a person was seen, and who was proven to be whom: frozen values and how they are stored."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from ..errors import StoreError
from ..model.identity import ChannelIdentity
from ..model.verdict import ClaimValue
from ..ports import Write
from ..records import BY_KEY, RecordCodec, Table

Claims: TypeAlias = Mapping[str, ClaimValue]
IdentityKey: TypeAlias = tuple[str, str]
AliasOrigin: TypeAlias = Literal["link", "claim", "unlink"]
ADDRESSES_PER_PERSON = 32


@dataclass(frozen=True, slots=True)
class KnownAddress:
    """One place where a person was seen: an identity in one of its conversations. Times are seconds since 1970.

    ``claims`` are those the channel verified when the person was last seen there.
    """

    identity: ChannelIdentity
    conversation_id: str | None
    is_group: bool
    since: float
    last_seen: float
    claims: Claims | None = field(default=None, hash=False)
    stored_at: float = field(default=0.0, compare=False, repr=False)

    def is_at(self, identity: ChannelIdentity, conversation_id: str | None) -> bool:
        """Say whether this is where an identity is in a conversation, whatever its attributes are by now."""
        mine = self.identity
        return (
            self.conversation_id == conversation_id
            and mine.native_id == identity.native_id
            and mine.channel == identity.channel
        )


@dataclass(frozen=True, slots=True)
class AddressRecord:
    """An address as it is stored, with the isolation key it was seen under."""

    key: str
    channel: str
    id: str
    attributes: dict[str, object]
    conversation: str | None
    group: bool
    since: float
    seen: float
    claims: dict[str, object] | None = None

    @property
    def identity(self) -> IdentityKey:
        """Whom it is about."""
        return (self.channel, self.id)

    def address(self) -> KnownAddress:
        """Return the address."""
        identity = ChannelIdentity(self.channel, self.id, self.attributes)
        claims: Claims | None = self.claims  # type: ignore[assignment] - they were claims when they were stored
        return KnownAddress(identity, self.conversation, self.group, self.since, self.seen, claims, self.seen)


@dataclass(frozen=True, slots=True)
class Alias:
    """What is decided about one identity: linked to the person ``key``, or on its own there after an unlink.

    ``origin`` says how this came about, ``at`` when, in seconds since 1970.
    """

    channel: str
    id: str
    key: str
    at: float
    origin: AliasOrigin

    @property
    def identity(self) -> IdentityKey:
        """Whom it is about."""
        return (self.channel, self.id)

    @property
    def person(self) -> str | None:
        """The isolation key this identity shares, None when it is on its own."""
        return None if self.origin == "unlink" else self.key

    def key_at(self, isolation_key: str, last_seen: float) -> str:
        """Return whose an address is that was stored under ``isolation_key``: the link, or its end, may be younger."""
        return isolation_key if self.origin == "unlink" and last_seen > self.at else self.key


@dataclass(frozen=True, slots=True)
class Sighting:
    """One use by an allowed speaker: commit ``writes``, then ``People.apply``.

    ``instead_of`` is the address that it renews, when nothing but the time of its use is new.
    """

    isolation_key: str
    address: KnownAddress
    writes: tuple[Write, ...] = ()
    aliases: tuple[Alias, ...] = ()
    evicted: tuple[tuple[str, tuple[KnownAddress, ...]], ...] = ()
    instead_of: KnownAddress | None = None


def _first_edition(record: dict[str, object]) -> dict[str, object]:
    if record.get("v") != 1 or not record.get("key"):
        raise ValueError("it is no record of the first edition")
    return record


IDENTITIES = Table(
    "identities",
    RecordCodec("address", 1, AddressRecord, {0: _first_edition}),
    person=("key", BY_KEY),
    indexed=("key",),
    holds="where people were seen",
)
LINKS = Table(
    "links",
    RecordCodec("alias", 1, Alias, {0: _first_edition}),
    person=("key", BY_KEY),
    indexed=("key",),
    holds="who is linked with whom, and who is not any more",
)


def identity_key(identity: ChannelIdentity) -> IdentityKey:
    """Return what makes an identity the same one: its attributes do not count."""
    return (identity.channel, identity.native_id)


def address_record_key(address: KnownAddress) -> str:
    """Return the store key of an address."""
    return json.dumps([address.identity.channel, address.identity.native_id, address.conversation_id])


def addresses_prefix(key: IdentityKey) -> str:
    """Return what the store keys of all addresses of an identity begin with."""
    return json.dumps(key)[:-1] + ","


def alias_record_key(key: IdentityKey) -> str:
    """Return the store key of what is decided about an identity's person."""
    return json.dumps(key)


def address_record(address: KnownAddress, isolation_key: str) -> AddressRecord:
    """Return an address as it is stored. Raises ``StoreError`` when its attributes or claims are no JSON."""
    identity, claims = address.identity, address.claims
    attributes, stored_claims = dict(identity.attributes), None if claims is None else dict[str, object](claims)
    try:
        json.dumps([attributes, stored_claims], allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise StoreError(
            f"Channel {identity.channel!r} reports an address that cannot be kept: its ChannelIdentity.attributes or "
            "verified claims are not JSON. Put only strings, finite numbers, booleans, None, lists and dicts there."
        ) from error
    return AddressRecord(
        isolation_key,
        identity.channel,
        identity.native_id,
        attributes,
        address.conversation_id,
        address.is_group,
        address.since,
        address.last_seen,
        stored_claims,
    )


def seen(known: tuple[KnownAddress, ...], address: KnownAddress) -> tuple[KnownAddress, ...]:
    """Return a person's addresses, oldest use first, with this use added; the oldest beyond the limit are dropped."""
    before = find(known, address.identity, address.conversation_id)
    if before is None:
        return (*known, address)[-ADDRESSES_PER_PERSON:]
    latest = replace(address, since=before.since)
    if before is known[-1]:
        return (*known[:-1], latest)
    return (*(other for other in known if other is not before), latest)


def find(known: Iterable[KnownAddress], identity: ChannelIdentity, conversation_id: str | None) -> KnownAddress | None:
    """Return the address where an identity is in a conversation, when it is known."""
    return next((address for address in known if address.is_at(identity, conversation_id)), None)
