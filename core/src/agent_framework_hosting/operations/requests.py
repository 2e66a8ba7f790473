"""What an operator can ask. One request is one JSON object; ``operation`` names it."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import msgspec

from ..model.durable import TaskRecordStatus

Text: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=4096)]
Ids: TypeAlias = Annotated[tuple[Text, ...], msgspec.Meta(max_length=1000)]
Limit: TypeAlias = Annotated[int, msgspec.Meta(ge=1, le=1000)]
Statuses: TypeAlias = tuple[TaskRecordStatus, ...]


class _Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="operation"):
    """The form of every request."""


class ListDeliveries(_Request, frozen=True, tag="deliveries.list"):
    """List deliveries, oldest first; what is not given filters nothing. ``since`` is in seconds since the epoch."""

    status: Statuses = ()
    channel: Text | None = None
    native_id: Text | None = None
    since: float | None = None
    after: str = ""
    limit: Limit = 100


class ShowDelivery(_Request, frozen=True, tag="deliveries.show"):
    """Show one delivery with its payload."""

    id: Text


class ReplayDeliveries(_Request, frozen=True, tag="deliveries.replay"):
    """Try dead and unknown deliveries again: the ones named, or every dead one (of a channel)."""

    ids: Ids = ()
    all_dead: bool = False
    channel: Text | None = None


class DropDeliveries(_Request, frozen=True, tag="deliveries.drop"):
    """Remove deliveries for good, whatever their status."""

    ids: Ids


class PurgeDeliveries(_Request, frozen=True, tag="deliveries.purge"):
    """Remove the deliveries of these statuses that ended before a time, in seconds since the epoch."""

    status: Statuses
    finished_before: float


class TraceMessage(_Request, frozen=True, tag="trace"):
    """Tell what became of a message, by the id of its turn, its event, one of its deliveries, or its token."""

    id: Text


class ListIdentities(_Request, frozen=True, tag="identities.list"):
    """List who is known, most recently seen first."""

    channel: Text | None = None
    limit: Limit = 100


class ShowIdentity(_Request, frozen=True, tag="identities.show"):
    """Show where a person is known; ``key`` is their isolation key, or ``CHANNEL:NATIVE_ID`` of one identity."""

    key: Text


class ForgetIdentity(_Request, frozen=True, tag="identities.forget"):
    """Remove every trace of a person; ``key`` as in ``ShowIdentity``."""

    key: Text


class ListLinks(_Request, frozen=True, tag="links.list"):
    """List who is linked with whom."""

    limit: Limit = 100


class RevokeLink(_Request, frozen=True, tag="links.revoke"):
    """End the link of all identities of a person; ``key`` as in ``ShowIdentity``."""

    key: Text


class ListTables(_Request, frozen=True, tag="state.tables"):
    """List every table of the state: how many records it has, and how many could not be read."""


PeopleRequest: TypeAlias = ListIdentities | ShowIdentity | ListLinks | RevokeLink
DeliveryRequest: TypeAlias = ListDeliveries | ShowDelivery | ReplayDeliveries | DropDeliveries | PurgeDeliveries
Request: TypeAlias = DeliveryRequest | PeopleRequest | TraceMessage | ForgetIdentity | ListTables
