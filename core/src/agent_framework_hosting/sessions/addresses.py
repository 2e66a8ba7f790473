"""Where a person was seen: frozen values, how they change, and how they are stored."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias, cast

from ..errors import StoreError, UnreadableRecord
from ..model.identity import ChannelIdentity
from ..model.verdict import ClaimValue

Claims: TypeAlias = Mapping[str, ClaimValue]
IdentityKey: TypeAlias = tuple[str, str]

IDENTITIES = "identities"
ADDRESSES_PER_PERSON = 32
RECORD_VERSION = 1


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
        return self.conversation_id == conversation_id and identity_key(self.identity) == identity_key(identity)


def identity_key(identity: ChannelIdentity) -> IdentityKey:
    """Return what makes an identity the same one: its attributes do not count."""
    return (identity.channel, identity.native_id)


def address_record_key(address: KnownAddress) -> str:
    """Return the store key of an address."""
    return json.dumps([address.identity.channel, address.identity.native_id, address.conversation_id])


def alias_record_key(key: IdentityKey) -> str:
    """Return the store key of what is decided about an identity's person."""
    return json.dumps(key)


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


def dump_address(address: KnownAddress, isolation_key: str) -> str:
    """Return an address as text. Raises ``StoreError`` when its attributes or claims are no JSON."""
    record = {
        "v": RECORD_VERSION,
        "key": isolation_key,
        "channel": address.identity.channel,
        "id": address.identity.native_id,
        "attributes": dict(address.identity.attributes),
        "conversation": address.conversation_id,
        "group": address.is_group,
        "since": address.since,
        "seen": address.last_seen,
        "claims": None if address.claims is None else dict(address.claims),
    }
    try:
        return json.dumps(record, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise StoreError(
            f"Channel {address.identity.channel!r} reports an address that cannot be kept: its "
            "ChannelIdentity.attributes or verified claims are not JSON. Put only strings, finite numbers, booleans, "
            "None, lists and dicts there."
        ) from error


def load_address(text: str) -> tuple[str, KnownAddress]:
    """Return (isolation key, address). Raises ``UnreadableRecord``."""
    record = load_record(text)
    try:
        identity = ChannelIdentity(
            _text(record["channel"]),
            _text(record["id"]),
            dict(_mapping(record["attributes"])),
        )
        conversation = record["conversation"]
        claims = record["claims"]
        seen_at = float(cast("float", record["seen"]))
        address = KnownAddress(
            identity,
            None if conversation is None else _text(conversation),
            record["group"] is True,
            float(cast("float", record["since"])),
            seen_at,
            None if claims is None else cast("Claims", _mapping(claims)),
            stored_at=seen_at,
        )
        return _text(record["key"]), address
    except (KeyError, TypeError, ValueError) as error:
        raise UnreadableRecord("The record of an address is damaged.") from error


def load_record(text: str) -> Mapping[str, object]:
    """Return a record's fields. Raises ``UnreadableRecord`` for damage and for a newer version."""
    try:
        record = _mapping(json.loads(text))
    except (TypeError, ValueError, RecursionError) as error:
        raise UnreadableRecord("The record is damaged.") from error
    if record.get("v") != RECORD_VERSION:
        raise UnreadableRecord(f"The record has version {record.get('v')!r}; this host-core reads {RECORD_VERSION}.")
    return record


def _mapping(value: object) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise TypeError("not an object")
    return cast("dict[str, object]", value)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not text")
    return value
