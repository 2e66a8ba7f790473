"""Pending links as text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import cast

from ..errors import StoreError, UnreadableRecord
from ..model.identity import ChannelIdentity
from ..model.verdict import LinkParty
from .pending import PendingLink

TABLE = "pending_links"
VERSION = 1


def record_key(identity: ChannelIdentity) -> str:
    """Return the store key of what an identity offered."""
    return json.dumps([identity.channel, identity.native_id])


def dump(link: PendingLink) -> str:
    """Return a pending link as text. Raises ``StoreError`` when an identity's attributes are not JSON."""
    record = {
        "v": VERSION,
        "asker": _party(link.asker),
        "code": link.code_hash,
        "expires": link.expires_at,
        "claimant": None if link.claimant is None else _party(link.claimant),
        "number": link.number,
        "wrong": link.wrong_answers,
    }
    try:
        return json.dumps(record, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise StoreError("A link cannot be kept: the attributes of an identity are not JSON.") from error


def load(text: str) -> PendingLink:
    """Return a pending link from its record. Raises ``UnreadableRecord``."""
    try:
        record = _fields(json.loads(text), v=int, asker=dict, code=str, expires=float, wrong=int)
        claimant, number = record["claimant"], record["number"]
        return PendingLink(
            _from_party(record["asker"]),
            str(record["code"]),
            cast("float", record["expires"]),
            None if claimant is None else _from_party(claimant),
            None if number is None else str(number),
            cast("int", record["wrong"]),
        )
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise UnreadableRecord("The record of a pending link is damaged, or of a newer host-core.") from error


def _party(party: LinkParty) -> Mapping[str, object]:
    identity = party.identity
    return {
        "channel": identity.channel,
        "id": identity.native_id,
        "attributes": dict(identity.attributes),
        "conversation": party.conversation_id,
    }


def _from_party(record: object) -> LinkParty:
    fields = _fields(record, channel=str, id=str, attributes=dict)
    identity = ChannelIdentity(
        str(fields["channel"]), str(fields["id"]), cast("Mapping[str, object]", fields["attributes"])
    )
    conversation = fields["conversation"]
    return LinkParty(identity, None if conversation is None else str(conversation))


def _fields(record: object, **types: type) -> Mapping[str, object]:
    """Return a record's fields once those named have their types. Raises ``TypeError`` or ``KeyError``."""
    if not isinstance(record, dict):
        raise TypeError("not an object")
    fields = cast("dict[str, object]", record)
    if fields.get("v", VERSION) != VERSION or not all(isinstance(fields[name], kind) for name, kind in types.items()):
        raise TypeError("not such a record")
    return fields
