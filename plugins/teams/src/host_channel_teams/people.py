"""From an identity to a conversation; a personal one is opened for whom there is none."""

from __future__ import annotations

import asyncio
from collections import OrderedDict

from agent_framework_hosting import ChannelIdentity, PermanentPushError

from .client import Connector, RefusedByTeams
from .config import TeamsOptions
from .references import Reference, ReferenceBook, from_attributes, person_of

MOST_LOCKS = 1000


class People:
    """Find where a person can be written to."""

    def __init__(self, connector: Connector, book: ReferenceBook, options: TeamsOptions) -> None:
        self._connector = connector
        self._book = book
        self._options = options
        self._locks: OrderedDict[str, asyncio.Lock] = OrderedDict()

    async def reference_of(self, identity: ChannelIdentity) -> Reference:
        """Return an identity's conversation. Raises ``PermanentPushError`` for a person who cannot be reached."""
        known = from_attributes(identity.attributes)
        if known is not None:
            return known
        tenant, aad_id = person_of(identity, self._options.tenant_id)
        if not aad_id or aad_id.startswith("account:"):
            raise PermanentPushError("This identity holds no directory id, so no conversation can be opened with it.")
        if tenant.lower() not in self._options.allowed_tenants:
            raise PermanentPushError("This identity is of a tenant the bot does not serve; add it to tenants.")
        async with self._lock(f"{tenant}/{aad_id}"):
            return await self._book.of_person(tenant, aad_id) or await self._open(tenant, aad_id)

    def clear(self) -> None:
        """Remember nobody who is not being looked up right now."""
        for person in [person for person, lock in self._locks.items() if not lock.locked()]:
            del self._locks[person]

    async def _open(self, tenant: str, aad_id: str) -> Reference:
        service_url = await self._book.service_url_of(tenant) or self._options.first_service_url
        bot_id = f"28:{self._options.app_id}"
        body = {
            "bot": {"id": bot_id},
            "members": [{"id": aad_id}],
            "tenantId": tenant,
            "channelData": {"tenant": {"id": tenant}},
            "isGroup": False,
        }
        try:
            created = await self._connector.create_conversation(service_url, body)
        except RefusedByTeams as refused:
            raise PermanentPushError(
                f"Teams opens no conversation with this person (HTTP {refused.status}); is the app installed for them?"
            ) from None
        reference = Reference(service_url, created, "personal", tenant, bot_id, aad_id, aad_id)
        await self._book.remember(reference)
        return reference

    def _lock(self, person: str) -> asyncio.Lock:
        lock = self._locks.setdefault(person, asyncio.Lock())
        self._locks.move_to_end(person)
        if len(self._locks) > MOST_LOCKS and not next(iter(self._locks.values())).locked():
            self._locks.popitem(last=False)
        return lock
