"""Forgetting people: every record of the channel that names one of them goes."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import cast

from agent_framework_hosting import ChannelIdentity
from agent_framework_hosting.ports import Delete, Store

from .references import REFERENCES, from_attributes

TABLES = (
    *(REFERENCES, "people", "dead", "pending", "progress", "sending", "feedback"),
    *("commands", "exchanges", "welcomed"),
)


async def forget_people(identities: Sequence[ChannelIdentity], store: Store) -> None:
    """Delete what names these people, their accounts or their personal chats. Raises ``StoreError``."""
    people = {name for identity in identities for name in _names_of(identity)}
    if not people:
        return
    chats = {room async for room in _chats_of(people, store)}
    named = _naming(people | chats)
    for table in TABLES:
        async for key, text in _rows(table, store):
            if named.search(key) or named.search(text):
                await store.commit([Delete(table, key)])


def _names_of(identity: ChannelIdentity) -> Iterable[str]:
    yield identity.native_id.rpartition("/")[2].removeprefix("account:")
    known = from_attributes(identity.attributes)
    if known is not None:
        yield known.user_id
        if known.kind == "personal":
            yield known.conversation_id


async def _chats_of(people: Iterable[str], store: Store) -> AsyncIterator[str]:
    named = _naming(people)
    async for room, text in _rows(REFERENCES, store):
        found = from_attributes(cast("dict[str, object]", json.loads(text)))
        if found is not None and found.kind == "personal" and named.search(text):
            yield room
            yield found.user_id


def _naming(names: Iterable[str]) -> re.Pattern[str]:
    """Return what finds any of these names as a whole, whatever stands around it."""
    return re.compile(rf"(?<![\w-])(?:{'|'.join(map(re.escape, sorted(names)))})(?![\w-])")


async def _rows(table: str, store: Store) -> AsyncIterator[tuple[str, str]]:
    after = ""
    while found := await store.scan(table, after=after, limit=500):
        after = found[-1][0]
        for row in found:
            yield row
