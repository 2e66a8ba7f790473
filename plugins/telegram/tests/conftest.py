"""What the tests of the Telegram channel share: an agent that plays a script, and a host on a real port."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field

import httpx2
import pytest
from agent_framework import AgentResponse, AgentResponseUpdate, AgentSession, Content, Message, ResponseStream
from hypercorn.asyncio import serve as hypercorn_serve
from hypercorn.config import Config

from agent_framework_hosting import AgentFrameworkHost
from host_channel_telegram import TelegramChannel
from host_channel_telegram.testing import FakeBotApi

SECRET = "a-webhook-secret"


@dataclass
class Talker:
    """Answers with what the script returns for a message: pieces of text, contents, errors, and what to wait for:
    an event, or what a function returns."""

    script: Callable[[str, int], Sequence[object]] = lambda text, turn: [f"{turn}: {text}"]
    id: str = "talker"
    name: str = "talker"
    description: str = ""
    heard: list[Message] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)

    @property
    def texts(self) -> list[str]:
        return [message.text for message in self.heard]

    def run(self, messages=None, *, stream=False, session=None, **_):
        updates = self._updates(messages, session)
        return ResponseStream(updates, finalizer=AgentResponse.from_updates) if stream else self._whole(updates)

    async def _whole(self, updates):
        return AgentResponse.from_updates([update async for update in updates])

    async def _updates(self, messages, session) -> AsyncIterator[AgentResponseUpdate]:
        said = messages[-1]
        self.heard.append(said)
        self.keys.append(session.session_id)
        turn = session.state["turns"] = session.state.get("turns", 0) + 1
        for step in self.script(said.text, turn):
            if isinstance(step, Exception):
                raise step
            if isinstance(step, asyncio.Event):
                await step.wait()
            elif callable(step):
                await step()
            else:
                content = Content.from_text(step) if isinstance(step, str) else step
                yield AgentResponseUpdate(contents=[content], role="assistant", message_id=f"m{turn}")

    def create_session(self, *, session_id=None):
        return AgentSession(session_id=session_id)

    def get_session(self, service_session_id, *, session_id=None):
        return AgentSession(service_session_id=service_session_id, session_id=session_id)


@dataclass
class Hosted:
    """A host that serves on a real port."""

    host: AgentFrameworkHost
    channel: TelegramChannel
    url: str

    async def get(self, path: str) -> httpx2.Response:
        async with httpx2.AsyncClient() as http:
            return await http.get(self.url + path)

    async def post(self, path: str, **arguments) -> httpx2.Response:
        async with httpx2.AsyncClient() as http:
            return await http.post(self.url + path, **arguments)


Serving = Callable[..., AbstractAsyncContextManager[Hosted]]


@asynccontextmanager
async def _serving(api, agent, *, transport="polling", host_options=None, **options) -> AsyncIterator[Hosted]:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(128)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    if transport == "webhook":
        options |= {"webhook_url": f"{url}/telegram", "webhook_secret": SECRET}
    attributes = {
        name: options.pop(name) for name in ("accept_in_group", "conversation_scope", "name") if name in options
    }
    channel = TelegramChannel(bot_token=api.token, api_base_url=api.url, transport=transport, **options)
    for name, value in attributes.items():
        setattr(channel, name, value)
    host = AgentFrameworkHost(agent, channels=[channel], **{"config": {}, **(host_options or {})})
    config = Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.graceful_timeout = 0.2
    config.errorlog = None
    stop = asyncio.Event()
    task = asyncio.create_task(hypercorn_serve(host.app, config, shutdown_trigger=stop.wait))
    try:
        await _connected(api, transport, task)
        yield Hosted(host, channel, url)
    finally:
        stop.set()
        await task


async def _connected(api: FakeBotApi, transport: str, task: asyncio.Task[None]) -> None:
    connected = asyncio.create_task(
        api.until(lambda: bool(api.calls("getUpdates" if transport == "polling" else "setWebhook")))
    )
    await asyncio.wait({connected, task}, return_when=asyncio.FIRST_COMPLETED, timeout=60)
    connected.cancel()


@pytest.fixture
def serving() -> Serving:
    return _serving


@pytest.fixture
async def api(anyio_backend: str) -> AsyncIterator[FakeBotApi]:
    """A strict Bot API; what the real one would have refused fails the test."""
    async with FakeBotApi() as fake:
        yield fake
    assert fake.problems == []
    assert fake.limiter is not None


@pytest.fixture
def idle() -> Callable[[Hosted], Awaitable[None]]:
    """Wait until a host has nothing to deliver."""

    async def wait(hosted: Hosted) -> None:
        counts = hosted.host.durable_task_runner.counts
        async with asyncio.timeout(60):
            while any(counts().get(status) for status in ("scheduled", "running", "pending")):
                await hosted.get("/readiness")

    return wait


@pytest.fixture
def talker() -> type[Talker]:
    return Talker


@pytest.fixture
def soon() -> Callable[[Awaitable[object]], Awaitable[object]]:
    """Wait for something that must come, however busy the machine is."""

    async def wait(work: Awaitable[object]) -> object:
        async with asyncio.timeout(60):
            return await work

    return wait
