"""Hosts behind real servers, and those who talk to them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

import httpx2
import pytest
from openai import AsyncOpenAI

from agent_framework_hosting import AgentFrameworkHost
from agent_framework_hosting.testing import HttpInbox, listening
from host_channel_echo import EchoChannel
from host_channel_responses import ResponsesChannel

KEYS = {"ada": "ada-secret", "grace": "grace-secret"}


class Wires:
    """A host seen from outside: strict OpenAI clients by person, and the echo channel as plain HTTP."""

    def __init__(self, host: AgentFrameworkHost, url: str, http: httpx2.AsyncClient, stack: AsyncExitStack) -> None:
        self.host = host
        self.url = url
        self.http = http
        self._stack = stack
        self._clients: dict[str, AsyncOpenAI] = {}

    async def client(self, who: str = "ada") -> AsyncOpenAI:
        if who not in self._clients:
            made = AsyncOpenAI(
                base_url=f"{self.url}/v1", api_key=KEYS[who], max_retries=0, _strict_response_validation=True
            )
            self._clients[who] = await self._stack.enter_async_context(made)
        return self._clients[who]

    async def respond(self, given: object, *, stream: bool = False, who: str = "ada", **body: object):
        """Create a response, whole or streamed, and return the object."""
        responses = (await self.client(who)).responses
        if not stream:
            return await responses.create(model="m", input=given, **body)
        async with responses.stream(model="m", input=given, **body) as events:
            return await events.get_final_response()

    async def post(self, text: str, *, user: str = "ada", **fields: object) -> httpx2.Response:
        return await self.http.post(f"{self.url}/echo", json={"text": text, "user": user, **fields})

    async def say(self, text: str, *, user: str = "ada", stream: bool = False) -> str:
        """Send a message over the echo channel and return the answer's text."""
        answer = await self.post(text, user=user, stream=stream)
        assert answer.status_code == 200, answer.text
        last = answer.text.strip().splitlines()[-1]
        return json.loads(last)["text"]


@pytest.fixture
def hosted() -> Callable[..., AbstractAsyncContextManager[Wires]]:
    """Serve a target on the Responses and the echo channel; the people with API keys are ada and grace."""

    @asynccontextmanager
    async def host(target, *, responses=None, commands=(), **options: object) -> AsyncIterator[Wires]:
        channels = [ResponsesChannel(api_keys=KEYS, **(responses or {})), EchoChannel(commands=commands)]
        made = AgentFrameworkHost(target, channels=channels, **{"config": {}, **options})
        async with listening(made.app) as url, httpx2.AsyncClient(timeout=30) as http, AsyncExitStack() as stack:
            yield Wires(made, url, http, stack)

    return host


Asking = Callable[[Wires, str, bool], Awaitable[str]]


async def _over_responses(wires: Wires, text: str, stream: bool) -> str:
    return (await wires.respond(text, stream=stream)).output_text


async def _over_echo(wires: Wires, text: str, stream: bool) -> str:
    return await wires.say(text, stream=stream)


@pytest.fixture(params=[_over_responses, _over_echo], ids=["responses", "echo"])
def ask(request: pytest.FixtureRequest) -> Asking:
    """Ask over one wire and return the text of the answer; a test runs once per wire."""
    return request.param


@pytest.fixture
async def inbox() -> AsyncIterator[Inbox]:
    """Yield a platform that takes pushes on a real port."""
    received = HttpInbox()
    async with listening(received.app) as url:
        yield Inbox(received, url)


class Inbox:
    """What the echo channel pushed, finals only."""

    def __init__(self, received: HttpInbox, url: str) -> None:
        self.url = url
        self._received = received
        self._seen = 0

    async def final(self) -> dict[str, object]:
        """Wait for the next final answer."""
        while True:
            self._seen += 1
            body = (await self._received.wait_for(self._seen))[self._seen - 1]
            if body["state"] == "final":
                return body
