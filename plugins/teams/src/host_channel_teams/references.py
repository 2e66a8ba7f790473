"""Conversation references: how to reach a conversation again, and which ones are closed to the bot."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Literal, TypeAlias, cast

from agent_framework_hosting import ChannelIdentity
from agent_framework_hosting.ports import Delete, Put, Store, Write

Kind: TypeAlias = Literal["personal", "groupChat", "channel"]

REFERENCES, PEOPLE, TENANTS, DEAD = "references", "people", "tenants", "dead"
MOST_REMEMBERED = 10_000


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
    def person(self) -> str | None:
        """Whom a personal conversation belongs to."""
        return f"{self.tenant_id}/{self.aad_id}" if self.aad_id else None


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
        self._known: OrderedDict[str, Reference] = OrderedDict()

    async def remember(self, reference: Reference) -> None:
        """Keep where a conversation is, and open it again if it was closed. Raises ``StoreError``."""
        room = replace(reference, conversation_id=reference.room)
        if self._known.get(room.conversation_id) == room:
            self._known.move_to_end(room.conversation_id)
            return
        text = json.dumps(asdict(room))
        writes: list[Write] = [
            Put(REFERENCES, room.conversation_id, text),
            Put(TENANTS, room.tenant_id, room.service_url),
            Delete(DEAD, room.conversation_id),
        ]
        if room.kind == "personal" and room.person is not None:
            writes.append(Put(PEOPLE, room.person, text))
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
        await self._store.commit([Put(DEAD, reference.room, why)])

    async def is_dead(self, reference: Reference) -> bool:
        """Say whether a conversation is closed to the bot."""
        return reference.room not in self._known and await self._store.get(DEAD, reference.room) is not None

    async def of_person(self, tenant: str, aad_id: str) -> Reference | None:
        """Return a person's personal conversation, when there was one."""
        text = await self._store.get(PEOPLE, f"{tenant}/{aad_id}")
        return None if text is None else from_attributes(cast("dict[str, object]", json.loads(text)))

    async def service_url_of(self, tenant: str) -> str | None:
        """Return the connector a tenant's messages last came from."""
        return await self._store.get(TENANTS, tenant)
