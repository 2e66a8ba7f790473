"""Forgetting people: what the first edition kept under the name of their chat goes, which its tables do not tell."""

from __future__ import annotations

from collections.abc import Sequence

from agent_framework_hosting import ChannelIdentity, Delete, Store

from .marks import SENDING
from .once import WELCOMED
from .references import DEAD, from_attributes


async def forget_chats(identities: Sequence[ChannelIdentity], store: Store) -> None:
    """Delete what is kept about the personal chats of people. Raises ``StoreError``."""
    known = [from_attributes(identity.attributes) for identity in identities]
    chats = {each.room for each in known if each is not None and each.kind == "personal"}
    await store.commit([Delete(table.name, chat) for table in (DEAD, WELCOMED, SENDING) for chat in chats])
