"""Agents that can be held, providers that keep count, and people who speak over the echo channel."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest
import uvicorn
from agent_framework import (
    Agent,
    BaseChatClient,
    ChatResponse,
    ChatResponseUpdate,
    Content,
    ContextProvider,
    HistoryProvider,
    Message,
)

from agent_framework_hosting import AgentFrameworkHost, get_current_isolation_keys
from agent_framework_hosting.testing import call, listening


class Model(BaseChatClient):
    """Answer ``<how many user messages it sees>: <the last one>``, word by word when streamed.

    A text in ``holds`` stops its turn before each word until ``let_go``; ``running`` are the texts being answered,
    ``most_running`` the most there ever were at once.
    """

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[list[Message]] = []
        self.options: list[Mapping[str, Any]] = []
        self.keys: list[object] = []
        self.running: list[str] = []
        self.most_running = 0
        self.finished: list[str] = []
        self.held = asyncio.Condition()
        self.holds: set[str] = set()

    def _inner_get_response(self, *, messages: Sequence[Message], stream: bool, options: Mapping[str, Any], **_: Any):
        self.seen.append(list(messages))
        self.options.append(options)
        users = [message.text for message in messages if message.role == "user"]
        text = f"{len(users)}: {users[-1]}"
        return self._build_response_stream(self._words(users[-1], text)) if stream else self._whole(users[-1], text)

    async def _whole(self, said: str, text: str) -> ChatResponse:
        return ChatResponse(messages=[Message("assistant", [await self._answer(said, text)])], response_id="r1")

    async def _answer(self, said: str, text: str) -> str:
        with self._counted(said):
            await self._hold(said)
            self.keys.append(get_current_isolation_keys())
        return text

    async def _words(self, said: str, text: str) -> AsyncIterator[ChatResponseUpdate]:
        with self._counted(said):
            for index, word in enumerate(text.split(" ")):
                self.keys.append(get_current_isolation_keys())
                piece = word if index == 0 else f" {word}"
                yield ChatResponseUpdate(contents=[Content.from_text(piece)], role="assistant", message_id="m1")
                await self._hold(said)

    @contextmanager
    def _counted(self, said: str):
        self.running.append(said)
        self.most_running = max(self.most_running, len(self.running))
        try:
            yield
            self.finished.append(said)
        finally:
            self.running.remove(said)

    async def _hold(self, said: str) -> None:
        async with self.held:
            self.held.notify_all()
            await self.held.wait_for(lambda: said not in self.holds)

    async def let_go(self, *texts: str) -> None:
        async with self.held:
            self.holds -= set(texts)
            self.held.notify_all()

    async def reached(self, *texts: str) -> None:
        """Wait until turns with these texts are running."""
        async with self.held:
            await self.held.wait_for(lambda: set(texts) <= set(self.running))


class Binder(ContextProvider):
    """Count what is bound."""

    def __init__(self) -> None:
        super().__init__("binder")
        self.bound: list[tuple[object, object]] = []
        self.held = 0
        self.most_held = 0
        self.free = asyncio.Event()

    @contextmanager
    def bind_request_context(self, *, response_id: str, previous_response_id: str | None):
        self.bound.append((response_id, previous_response_id))
        self.held += 1
        self.most_held = max(self.most_held, self.held)
        self.free.clear()
        try:
            yield
        finally:
            self.held -= 1
            if self.held == 0:
                self.free.set()


class Diary(HistoryProvider):
    """Keep histories outside of the session, by its id."""

    def __init__(self) -> None:
        super().__init__("diary")
        self.pages: dict[str | None, list[Message]] = {}

    async def get_messages(self, session_id, *, state=None, **_):
        return list(self.pages.get(session_id, []))

    async def save_messages(self, session_id, messages, *, state=None, **_):
        self.pages.setdefault(session_id, []).extend(messages)


@dataclass
class Served:
    """An agent with everything about it that a test looks at."""

    model: Model = field(default_factory=Model)
    binder: Binder = field(default_factory=Binder)
    diary: Diary = field(default_factory=Diary)

    @property
    def agent(self) -> Agent:
        return Agent(client=self.model, name="parrot", context_providers=[self.binder])

    @property
    def agent_with_diary(self) -> Agent:
        return Agent(client=self.model, name="parrot", context_providers=[self.binder, self.diary])


@pytest.fixture
def served() -> Served:
    return Served()


async def ask_in_process(
    host: AgentFrameworkHost, text: str, user: str = "ada", *, path: str = "/echo", **fields: Any
) -> tuple[int, Any]:
    headers = fields.pop("headers", None)
    body = {"text": text, "user": user, **fields}
    answer = await call(host.app, "POST", path, json_body=body, headers=headers)
    lines = [json.loads(line) for line in answer.body.decode().splitlines()]
    return answer.status, lines if fields.get("stream") else lines[0]


@pytest.fixture
def ask() -> Callable[..., Any]:
    """Say something over the echo channel of a host in this process; returns status and body (a stream's lines)."""
    return ask_in_process


@asynccontextmanager
async def under_uvicorn(app: Any) -> AsyncIterator[str]:
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", timeout_graceful_shutdown=5))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving


@pytest.fixture(params=[listening, under_uvicorn], ids=["hypercorn", "uvicorn"])
def server(request: pytest.FixtureRequest) -> Callable[[Any], AbstractAsyncContextManager[str]]:
    """Serve an app on a real port; a test runs once per server."""
    return request.param


@pytest.fixture
async def http() -> AsyncIterator[httpx2.AsyncClient]:
    limits = httpx2.Limits(max_connections=300)
    async with httpx2.AsyncClient(timeout=30, limits=limits) as client:
        yield client
