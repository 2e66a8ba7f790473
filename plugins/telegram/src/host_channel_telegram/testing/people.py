"""The humans of the fake: what they write, send and press arrives as updates."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping

from ..reading import Json
from ..utf16 import units
from .world import Shown, World


class People:
    """Let people act. A chat is the user's own unless ``chat`` names a group, which has a negative id."""

    def __init__(self, world: World, push: Callable[[Json], Awaitable[int]]) -> None:
        self._world = world
        self._push = push

    async def say(
        self,
        said: str,
        *,
        user: int = 42,
        chat: int | None = None,
        topic: int | None = None,
        update_id: int | None = None,
        **fields: object,
    ) -> int:
        """Write a message; commands and mentions of the bot get their entities. Returns the update id."""
        message = self.message(said, user=user, chat=chat, topic=topic, **fields)
        return await self._push(
            {"update_id": self._world.next_update_id() if update_id is None else update_id, "message": message}
        )

    async def send(
        self, kind: str, data: bytes, *, caption: str = "", user: int = 42, chat: int | None = None, **fields: object
    ) -> int:
        """Send a file: ``photo``, ``voice``, ``document``, ``audio`` or ``video``."""
        file_id = self._world.next_name(kind)
        self._world.files[file_id] = data
        size = {"width": 640, "height": 480} if kind in ("photo", "video") else {}
        file = {"file_id": file_id, "file_unique_id": file_id, "file_size": len(data), **size}
        named = {} if kind == "photo" else {"file_name": f"{kind}.bin"}
        content: object = (
            [{**file, "width": 90, "height": 60, "file_id": "thumbnail"}, file]
            if kind == "photo"
            else {**file, **named}
        )
        message = self.message("", user=user, chat=chat) | {kind: content} | fields
        if caption:
            message |= {"caption": caption, "caption_entities": self._entities(caption)}
        return await self._push({"update_id": self._world.next_update_id(), "message": message})

    async def press(self, message: Shown, label: str, *, user: int = 42) -> str:
        """Press a button of a message by what stands on it; return the query's id. Raises ``LookupError``."""
        rows = (message.keyboard or {}).get("inline_keyboard")
        for row in rows if isinstance(rows, list) else []:  # type: ignore[reportUnknownVariableType]
            for button in row:  # type: ignore[reportUnknownVariableType]
                if button["text"] == label:
                    return await self.press_data(message, str(button["callback_data"]), user=user)  # type: ignore[reportUnknownArgumentType]
        raise LookupError(f"No button {label!r} on message {message.message_id}.")

    async def press_data(self, message: Shown, data: str, *, user: int = 42) -> str:
        """Send a press with any data."""
        query = self._world.next_name("query")
        self._world.queries[query] = None
        told: dict[str, object] = {
            "id": query,
            "from": _person(user),
            "message": message.to_json(),
            "data": data,
            "chat_instance": "1",
        }
        await self._push({"update_id": self._world.next_update_id(), "callback_query": told})
        return query

    async def update(self, **fields: object) -> int:
        """Push any update."""
        return await self._push({"update_id": self._world.next_update_id(), **fields})

    def message(
        self, said: str, *, user: int = 42, chat: int | None = None, topic: int | None = None, **fields: object
    ) -> dict[str, object]:
        """Return a message as the server would send it."""
        chat_id = user if chat is None else chat
        place: Mapping[str, object] = {"id": chat_id, "type": "private" if chat_id > 0 else "supergroup"}
        in_topic = {} if topic is None else {"message_thread_id": topic, "is_topic_message": True}
        content = {"text": said, "entities": self._entities(said)} if said else {}
        return {
            "message_id": self._world.next_message_id(),
            "date": int(time.time()),
            "chat": place,
            "from": _person(user),
            **in_topic,
            **content,
            **fields,
        }

    def _entities(self, said: str) -> list[Json]:
        found: list[Json] = []
        name = f"@{self._world.username}"
        at = said.find(name)
        if said.startswith("/") and len(said) > 1:
            found.append({"type": "bot_command", "offset": 0, "length": units(said.split(maxsplit=1)[0])})
        elif at >= 0:
            found.append({"type": "mention", "offset": units(said[:at]), "length": units(name)})
        return found


def _person(user: int) -> dict[str, object]:
    return {"id": user, "is_bot": False, "first_name": f"User{user}", "language_code": "en"}
