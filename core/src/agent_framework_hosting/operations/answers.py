"""What an operator is told. Times are seconds since the epoch; only ``DeliveryDetail`` holds contents of messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from ..delivery.journal import TurnStatus
from ..model.durable import TaskRecordStatus
from ..records import TableReport


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """One delivery without its payload."""

    id: str
    status: TaskRecordStatus
    channel: str
    native_id: str
    attempts: int
    max_attempts: int
    created: float
    next_attempt: float | None
    finished: float | None
    last_error: str | None
    maybe_duplicate: bool
    receipt: object = None


@dataclass(frozen=True, slots=True)
class DeliveryPage:
    """Some deliveries; ``more`` says that the list goes on after the last one."""

    deliveries: Sequence[DeliveryRow]
    more: bool


@dataclass(frozen=True, slots=True)
class AttemptRow:
    """One attempt: when it began and how it failed; None is success, or not over yet."""

    at: float
    error: str | None


@dataclass(frozen=True, slots=True)
class DeliveryDetail:
    """One delivery with everything that is known of it."""

    delivery: DeliveryRow
    tries: Sequence[AttemptRow]
    payload: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Changed:
    """What was done, by id, and why the rest was not."""

    done: Sequence[str]
    refused: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class Counted:
    """How many were removed."""

    removed: int


@dataclass(frozen=True, slots=True)
class Moment:
    """One thing that happened. ``delivery`` is the id of the delivery it happened to."""

    at: float
    what: str
    delivery: str | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Trace:
    """One accepted message from its admission to its last receipt."""

    turn_id: str
    channel: str
    isolation_key: str
    event_id: str | None
    status: TurnStatus
    note: str | None
    runs: int
    token: str | None
    joined: str | None
    timeline: Sequence[Moment]
    deliveries: Sequence[DeliveryRow]


@dataclass(frozen=True, slots=True)
class Traces:
    """The messages an id stands for: one, or several when channels use the same event id."""

    messages: Sequence[Trace]


@dataclass(frozen=True, slots=True)
class Account:
    """One identity: a user as one channel knows them."""

    channel: str
    native_id: str


@dataclass(frozen=True, slots=True)
class PersonRow:
    """One person: where they are known and since when."""

    isolation_key: str
    accounts: Sequence[Account]
    since: float
    last_seen: float
    linked: bool


@dataclass(frozen=True, slots=True)
class PeoplePage:
    """Some people, of ``known`` in all."""

    people: Sequence[PersonRow]
    known: int


@dataclass(frozen=True, slots=True)
class AddressRow:
    """One place where a person was seen. ``claims`` are the names of those the channel verified there."""

    account: Account
    conversation_id: str | None
    is_group: bool
    since: float
    last_seen: float
    claims: Sequence[str]


@dataclass(frozen=True, slots=True)
class PersonDetail:
    """One person: every place they were seen at, most recent first, and the accounts linked with each other."""

    isolation_key: str
    addresses: Sequence[AddressRow]
    linked: Sequence[Account]


@dataclass(frozen=True, slots=True)
class Forgotten:
    """Who was forgotten and how much of them was kept; ``left`` are sentences about what could not be removed."""

    isolation_key: str
    accounts: Sequence[Account]
    shared_conversations: Sequence[str]
    messages: int
    deliveries: int
    background_runs: int
    left: Sequence[str]


@dataclass(frozen=True, slots=True)
class LinkRow:
    """The accounts that share an isolation key, and since when."""

    isolation_key: str
    accounts: Sequence[Account]
    since: float


@dataclass(frozen=True, slots=True)
class LinksPage:
    """Some links, of ``known`` in all."""

    links: Sequence[LinkRow]
    known: int


@dataclass(frozen=True, slots=True)
class Revoked:
    """The accounts that are on their own now."""

    accounts: Sequence[Account]


@dataclass(frozen=True, slots=True)
class Tables:
    """Every table of the state, by name."""

    tables: Sequence[TableReport]


Answer: TypeAlias = (
    DeliveryPage
    | DeliveryDetail
    | Changed
    | Counted
    | Traces
    | PeoplePage
    | PersonDetail
    | Forgotten
    | LinksPage
    | Revoked
    | Tables
)
