"""People, rooms, and the activities they make."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

_ids = itertools.count(1_732_300_000_000)


@dataclass(frozen=True, slots=True)
class People:
    """One person of a directory; a guest has no directory id."""

    name: str
    tenant: str
    aad_id: str | None = field(default_factory=lambda: str(uuid.uuid4()))

    @property
    def account(self) -> str:
        """The id Teams shows the bot."""
        return f"29:{self.name}"


@dataclass(frozen=True, slots=True)
class Room:
    """One conversation."""

    id: str
    kind: Literal["personal", "groupChat", "channel"]
    tenant: str

    def of(self) -> dict[str, object]:
        """Return it as an activity names it."""
        found: dict[str, object] = {"id": self.id, "conversationType": self.kind, "tenantId": self.tenant}
        return found if self.kind == "personal" else {**found, "isGroup": True}


@dataclass(frozen=True, slots=True)
class Writer:
    """Make activities as Teams would send them to one bot."""

    app_id: str
    service_url: str

    @property
    def bot(self) -> dict[str, object]:
        """The bot's account."""
        return {"id": f"28:{self.app_id}", "name": "Bot"}

    def activity(self, kind: str, who: People, room: Room, **more: object) -> dict[str, object]:
        """Return an activity of any type."""
        sender: dict[str, object] = {"id": who.account, "name": who.name}
        return {
            "type": kind,
            "id": str(next(_ids)),
            "timestamp": "2026-11-23T05:00:00.000Z",
            "channelId": "msteams",
            "serviceUrl": self.service_url,
            "from": sender if who.aad_id is None else {**sender, "aadObjectId": who.aad_id},
            "recipient": self.bot,
            "conversation": room.of(),
            "channelData": {"tenant": {"id": room.tenant}},
            **more,
        }

    def message(
        self, text: str, who: People, room: Room, *, mention: bool | None = None, **more: object
    ) -> dict[str, object]:
        """Return a message; in rooms of several people it mentions the bot unless told otherwise."""
        mentions = room.kind != "personal" if mention is None else mention
        if not mentions:
            return self.activity("message", who, room, text=text, textFormat="plain", **more)
        entity = {"type": "mention", "mentioned": self.bot, "text": "<at>Bot</at>"}
        extra: Sequence[object] = [entity]
        return self.activity("message", who, room, text=f"<at>Bot</at> {text}", **{"entities": extra, **more})

    def invoke(self, name: str, value: object, who: People, room: Room, **more: object) -> dict[str, object]:
        """Return an invoke."""
        return self.activity("invoke", who, room, name=name, value=value, **more)
