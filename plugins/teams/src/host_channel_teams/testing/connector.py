"""The connector: conversations and what was posted into them, with every fault that can be wished for."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, cast

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from .authority import TokenDesk
from .rules import Refusal, Rules

Target: TypeAlias = Literal["message", "frame", "final", "typing", "update", "create", "any"]


@dataclass(frozen=True, slots=True)
class Post:
    """One request the connector took, in order. ``at`` is the stream clock's time."""

    kind: Target
    room: str
    body: Mapping[str, object]
    at: float
    id: str
    authorization: str = field(repr=False, default="")

    @property
    def text(self) -> str:
        """The text of the activity."""
        return str(self.body.get("text") or "")


@dataclass(slots=True)
class Fault:
    """Answer the next ``times`` requests of a kind otherwise: ``applied`` before, held until ``release`` is set."""

    on: Target
    status: int
    code: str = "ServiceError"
    text: str = "Injected."
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    applied: bool = False
    times: int = 1
    release: asyncio.Event | None = None


class Connector:
    """Take activities for rooms it knows, from whoever has a good token."""

    def __init__(self, desk: TokenDesk, rules: Rules, now: Callable[[], float]) -> None:
        self.rooms: set[str] = set()
        self.posts: list[Post] = []
        self.asked = 0
        self.faults: list[Fault] = []
        self._desk = desk
        self._rules = rules
        self._now = now
        self._ids = itertools.count(1)
        self._changed = asyncio.Condition()

    @property
    def messages(self) -> list[Post]:
        """What people read: messages and finals."""
        return [post for post in self.posts if post.kind in ("message", "final")]

    async def wait_for(self, until: Callable[[list[Post]], bool]) -> list[Post]:
        """Wait until what was posted is as wanted."""
        async with self._changed:
            await self._changed.wait_for(lambda: until(self.posts))
            return list(self.posts)

    async def wait_for_messages(self, count: int) -> list[Post]:
        """Wait until people can read so many messages."""
        await self.wait_for(lambda _: len(self.messages) >= count)
        return self.messages

    async def wait_for_asked(self, count: int) -> None:
        """Wait until so many requests have arrived, refused ones included."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.asked >= count)

    async def activities(self, http: Request) -> Response:
        """Serve ``/v3/conversations/{room}/activities`` and one activity below it."""
        room, activity_id = http.path_params["room"], http.path_params.get("activity")
        body = cast("dict[str, object]", await http.json())
        new_id = f"m{next(self._ids)}"
        kind = "update" if http.method == "PUT" else _kind_of(body)

        def apply() -> Response:
            if room.split(";", 1)[0] not in self.rooms:
                raise Refusal(404, "ConversationNotFound", "Conversation not found.")
            if http.method == "PUT":
                self._keep(http, kind, room, body, str(activity_id))
                return JSONResponse({"id": activity_id})
            is_empty = self._rules.judge(room, body, new_id)
            self._keep(http, kind, room, body, new_id)
            return Response(status_code=202) if is_empty else JSONResponse({"id": new_id}, 201)

        return await self._answer(http, kind, apply)

    async def conversations(self, http: Request) -> Response:
        """Serve ``/v3/conversations``: the same person always gets the same room."""
        body = cast("dict[str, object]", await http.json())

        def apply() -> Response:
            members = cast("list[Mapping[str, object]]", body.get("members") or [])
            if len(members) != 1 or not body.get("tenantId") or body.get("isGroup"):
                raise Refusal(400, "BadArgument", "A personal conversation has one member and a tenant.")
            room = f"a:with-{members[0]['id']}"
            self.rooms.add(room)
            self._keep(http, "create", room, body, room)
            return JSONResponse({"id": room}, 201)

        return await self._answer(http, "create", apply)

    def _keep(self, http: Request, kind: Target, room: str, body: Mapping[str, object], new_id: str) -> None:
        self.posts.append(Post(kind, room, body, self._now(), new_id, http.headers.get("authorization", "")))

    async def _answer(self, http: Request, kind: Target, apply: Callable[[], Response]) -> Response:
        self.asked += 1
        try:
            return await self._judged(http, self._fault_for(kind), apply)
        except Refusal as refused:
            return _error(refused.status, refused.code, refused.text, {})
        finally:
            await self._tell()

    async def _judged(self, http: Request, fault: Fault | None, apply: Callable[[], Response]) -> Response:
        if not self._desk.knows(http.headers.get("authorization", "")):
            raise Refusal(401, "Unauthorized", "Authorization has been denied for this request.")
        if fault is None:
            return apply()
        answer = apply() if fault.applied else None
        await self._tell()
        if fault.release is not None:
            await fault.release.wait()
        if fault.status >= 300:
            return _error(fault.status, fault.code, fault.text, fault.headers)
        return answer or apply()

    def _fault_for(self, kind: Target) -> Fault | None:
        fault = next((each for each in self.faults if each.on in (kind, "any")), None)
        if fault is not None:
            fault.times -= 1
            if fault.times <= 0:
                self.faults.remove(fault)
        return fault

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()


def _kind_of(body: Mapping[str, object]) -> Target:
    entities = cast("list[Mapping[str, object]]", body.get("entities") or [])
    stages = [entity.get("streamType") for entity in entities if entity.get("type") == "streaminfo"]
    if stages:
        return "final" if stages[0] == "final" else "frame"
    return "typing" if body.get("type") == "typing" else "message"


def _error(status: int, code: str, text: str, headers: Mapping[str, str]) -> Response:
    return JSONResponse({"error": {"code": code, "message": text}}, status, headers=dict(headers))
