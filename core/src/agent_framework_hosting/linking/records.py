"""Pending links as they are stored."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import cast

from ..errors import StoreError
from ..model.identity import ChannelIdentity
from ..model.verdict import LinkParty
from ..records import BY_KEY, RecordCodec, Table
from .pending import PendingLink


@dataclass(frozen=True, slots=True)
class PartyRecord:
    """One side of a link: an identity in one of its conversations."""

    channel: str
    native_id: str
    attributes: dict[str, object]
    conversation: str | None = None

    def party(self) -> LinkParty:
        """Return the side."""
        return LinkParty(ChannelIdentity(self.channel, self.native_id, self.attributes), self.conversation)


@dataclass(frozen=True, slots=True)
class PendingRecord:
    """A pending link; see ``PendingLink``."""

    asker: PartyRecord
    code: str
    expires: float
    claimant: PartyRecord | None = None
    number: str | None = None
    wrong: int = 0


def _first_edition(record: dict[str, object]) -> dict[str, object]:
    if record.get("v") != 1:
        raise ValueError("it is no record of the first edition")
    sides = {side: cast("dict[str, object] | None", record[side]) for side in ("asker", "claimant")}
    return record | {side: None if had is None else {**had, "native_id": had["id"]} for side, had in sides.items()}


_records = RecordCodec("pending_link", 1, PendingRecord, {0: _first_edition})


class PendingLinkCodec:
    """Turn pending links into text and back. ``dump`` raises ``StoreError`` for attributes that are no JSON."""

    record_type = PendingRecord

    def dump(self, value: PendingLink, /) -> str:
        """Return the text of a pending link."""
        try:
            sides = [each for each in (value.asker, value.claimant) if each is not None]
            json.dumps([dict(each.identity.attributes) for each in sides], allow_nan=False)
        except (TypeError, ValueError, RecursionError) as error:
            raise StoreError("A link cannot be kept: the attributes of an identity are not JSON.") from error
        claimant = None if value.claimant is None else _side(value.claimant)
        asker, code = _side(value.asker), value.code_hash
        return _records.dump(PendingRecord(asker, code, value.expires_at, claimant, value.number, value.wrong_answers))

    def load(self, text: str, /) -> PendingLink:
        """Return the pending link. Raises ``UnreadableRecord``."""
        stored = _records.load(text)
        claimant = None if stored.claimant is None else stored.claimant.party()
        return PendingLink(stored.asker.party(), stored.code, stored.expires, claimant, stored.number, stored.wrong)


PENDING_LINKS: Table[PendingLink] = Table(
    "pending_links",
    PendingLinkCodec(),
    person=("asker", "claimant", BY_KEY),
    unreadable="drop",
    holds="links that people are about to make",
)


def record_key(identity: ChannelIdentity) -> str:
    """Return the store key of what an identity offered."""
    return json.dumps([identity.channel, identity.native_id])


def _side(party: LinkParty) -> PartyRecord:
    identity = party.identity
    return PartyRecord(identity.channel, identity.native_id, dict(identity.attributes), party.conversation_id)
