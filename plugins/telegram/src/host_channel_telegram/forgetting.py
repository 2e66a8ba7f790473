"""Remove what this channel's tables hold of people; needs nothing but a store, so that a stopped host can do it."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection

import msgspec

from agent_framework_hosting.ports import Delete, Put, Store, Write

from .approvals import APPROVALS, Approval
from .chats import DEAD, MOVED
from .controls import CONTROLS, Control
from .parsing import actor_of
from .progress import LIVE, SENDING, native_id_in_address, native_id_in_notice

Judge = Callable[[str, str], Write | None]


async def forget(people: Collection[str], store: Store) -> None:
    """Remove every record that names one of these user or chat ids.

    The steps of a delivery stay under a key of chance: they hold numbers of messages and name nobody.
    """
    judges: dict[str, Judge] = {
        APPROVALS: lambda key, stored: Delete(APPROVALS, key) if _asked(stored) & set(people) else None,
        CONTROLS: lambda key, stored: _without_update(key, stored, people),
        DEAD: lambda key, _: Delete(DEAD, key) if key in people else None,
        LIVE: lambda key, _: Delete(LIVE, key) if native_id_in_address(key) in people else None,
        MOVED: lambda key, new: Delete(MOVED, key) if {key, new} & set(people) else None,
        SENDING: lambda key, _: Delete(SENDING, key) if native_id_in_notice(key) in people else None,
    }
    for table, judge in judges.items():
        after = ""
        while rows := await store.scan(table, after=after):
            writes = [write for key, stored in rows if (write := judge(key, stored)) is not None]
            if writes:
                await store.commit(writes)
            after = rows[-1][0]


def _asked(stored: str | bytes) -> set[str]:
    question = msgspec.json.decode(stored, type=Approval)
    return {question.user, str(question.chat_id)}


def _without_update(key: str, stored: str | bytes, people: Collection[str]) -> Write | None:
    """Keep that a command was taken, under its number, but not what it said: it is not acted on again."""
    control = msgspec.json.decode(stored, type=Control)
    if control.update is None or actor_of(json.loads(control.update)) not in people:
        return None
    return Put(CONTROLS, key, msgspec.json.encode(Control(control.at)).decode())
