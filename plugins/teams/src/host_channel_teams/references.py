"""Conversation references: how to reach a conversation again, and which ones are closed to the bot."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Literal, TypeAlias, cast

from agent_framework_hosting import BY_KEY, ChannelIdentity, Expiry, RecordCodec, Records, Store, Table, Write

Kind: TypeAlias = Literal["personal", "groupChat", "channel"]

MOST_REMEMBERED = 10_000
MOST_KEPT = 100_000


@dataclass(frozen=True, slots=True)
class Reference:
    """Where one conversation is. ``conversation_id`` holds a channel's thread too; ``aad_id`` may be unknown."""

    service_url: str
    conversation_id: str
    kind: Kind
    tenant_id: str
    bot_id: str
    user_id: str
    aad_id: str | None = None

    @property
    def room(self) -> str:
        """The conversation without its thread."""
        return self.conversation_id.split(";", 1)[0]

    @property
    def speaker(self) -> str:
        """Who speaks there, by the id that the host knows them by: in a directory or not."""
        return f"{self.tenant_id}/{self.aad_id or f'account:{self.user_id}'}"

    @property
    def owner(self) -> str | None:
        """Whose conversation it is, when it is a personal one."""
        return self.speaker if self.kind == "personal" else None


@dataclass(frozen=True, slots=True)
class Place:
    """A conversation, and who was the last to speak there."""

    reference: Reference
    person: str

    @classmethod
    def of(cls, reference: Reference) -> Place:
        """Return what is kept of a reference."""
        return cls(reference, reference.speaker)


@dataclass(frozen=True, slots=True)
class Tenant:
    """Where a tenant's messages last came from."""

    service_url: str


@dataclass(frozen=True, slots=True)
class Closed:
    """Why a conversation is closed to the bot; ``person`` is whose it is, when it is a personal one."""

    why: str
    person: str | None = None


def _place_of_then(fields: dict[str, object]) -> dict[str, object]:
    name = fields.get("aad_id") or f"account:{fields['user_id']}"
    return {"reference": fields, "person": f"{fields['tenant_id']}/{name}"}


_places = RecordCodec("place", 1, Place, {0: _place_of_then})
REFERENCES = Table(
    "references", _places, person="person", expiry=Expiry(most=MOST_KEPT), holds="conversations the bot is in"
)
PEOPLE = Table(
    "people",
    _places,
    person=(BY_KEY, "person"),
    expiry=Expiry(most=MOST_KEPT),
    holds="where people can be written to in private",
)
TENANTS = Table(
    "tenants",
    RecordCodec("tenant", 1, Tenant, {0: lambda fields: {"service_url": fields["text"]}}),
    holds="where the messages of each tenant come from",
)
DEAD = Table(
    "dead",
    RecordCodec("closed", 1, Closed, {0: lambda fields: {"why": fields["text"]}}),
    person="person",
    expiry=Expiry(most=MOST_KEPT),
    holds="conversations that are closed to the bot",
)


def to_attributes(reference: Reference) -> dict[str, object]:
    """Return a reference as an identity carries it."""
    return {name: value for name, value in asdict(reference).items() if value is not None}


def from_attributes(attributes: Mapping[str, object]) -> Reference | None:
    """Restore a reference; None when the identity carries none."""
    values = {field.name: attributes.get(field.name) for field in fields(Reference)}
    needed = [values[name] for name in ("service_url", "conversation_id", "kind", "tenant_id", "bot_id", "user_id")]
    if not all(isinstance(value, str) and value for value in needed):
        return None
    if values["kind"] not in ("personal", "groupChat", "channel"):
        return None
    return Reference(**cast("dict[str, str]", values))  # type: ignore[arg-type] - kind was checked above


def person_of(identity: ChannelIdentity, home_tenant: str) -> tuple[str, str]:
    """Return tenant and directory id of an identity; without a tenant it is one of the home tenant."""
    tenant, _, name = identity.native_id.rpartition("/")
    return tenant or home_tenant, name


class ReferenceBook:
    """Keep references on disk. One that is known and has not changed costs no write."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._rooms, self._people = Records(store, REFERENCES), Records(store, PEOPLE)
        self._tenants, self._dead = Records(store, TENANTS), Records(store, DEAD)
        self._known: OrderedDict[str, Reference] = OrderedDict()

    async def remember(self, reference: Reference) -> None:
        """Keep where a conversation is, and open it again if it was closed. Raises ``StoreError``."""
        room = replace(reference, conversation_id=reference.room)
        if self._known.get(room.conversation_id) == room:
            self._known.move_to_end(room.conversation_id)
            return
        writes: list[Write] = [
            self._rooms.put(room.conversation_id, Place.of(room)),
            self._tenants.put(room.tenant_id, Tenant(room.service_url)),
            self._dead.delete(room.conversation_id),
        ]
        if room.kind == "personal" and room.aad_id:
            writes.append(self._people.put(room.speaker, Place.of(room)))
        await self._store.commit(writes)
        self._known[room.conversation_id] = room
        if len(self._known) > MOST_REMEMBERED:
            self._known.popitem(last=False)

    def clear(self) -> None:
        """Remember nothing that is not in the store."""
        self._known.clear()

    async def retire(self, reference: Reference, why: str) -> None:
        """Close a conversation until somebody writes there, or installs the bot, again."""
        self._known.pop(reference.room, None)
        await self._store.commit([self._dead.put(reference.room, Closed(why, reference.owner))])

    async def is_dead(self, reference: Reference) -> bool:
        """Say whether a conversation is closed to the bot."""
        return reference.room not in self._known and await self._dead.get(reference.room) is not None

    async def of_person(self, tenant: str, aad_id: str) -> Reference | None:
        """Return a person's personal conversation, when there was one."""
        place = await self._people.get(f"{tenant}/{aad_id}")
        return None if place is None else place.reference

    async def service_url_of(self, tenant: str) -> str | None:
        """Return the connector a tenant's messages last came from."""
        found = await self._tenants.get(tenant)
        return None if found is None else found.service_url
