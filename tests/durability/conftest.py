"""The other side: a platform on a real port that misbehaves on request, and hosts that push to it."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from agent_framework_hosting import (
    AgentFrameworkHost,
    Channel,
    ChannelIdentity,
    ChannelRequest,
    InProcessTaskRunner,
    ResponseTarget,
    RetryPolicy,
)
from agent_framework_hosting.testing import EchoAgent, call
from host_channel_echo import EchoChannel

PATIENCE_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Fault:
    """How the platform treats one request: ``status`` with ``headers``; or it hangs; or it drops the connection.

    ``applies`` says whether the message shows up all the same.
    """

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    hangs: bool = False
    drops: bool = False
    applies: bool = False


@dataclass(slots=True)
class Post:
    """One message that reached a destination."""

    path: str
    body: dict[str, object]
    receipt: str

    @property
    def text(self) -> str:
        return str(self.body.get("text"))


@dataclass
class FakePlatform:
    """Take POSTs on any path; each path is a destination. ``faults`` are used up first, ``always`` stays."""

    url: str = ""
    posts: list[Post] = field(default_factory=list)
    requests: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    faults: dict[str, list[Fault]] = field(default_factory=lambda: defaultdict(list))
    always: dict[str, Fault] = field(default_factory=dict)
    released: asyncio.Event = field(default_factory=asyncio.Event)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    most_at_once: int = 0
    _at_once: int = 0
    _served: int = 0

    def at(self, path: str) -> str:
        """Return the URL of a destination."""
        return f"{self.url}/{path}"

    def texts(self, path: str) -> list[str]:
        """Return what arrived at a destination, in order."""
        return [post.text for post in self.posts if post.path == path]

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds about what arrived."""
        async with asyncio.timeout(PATIENCE_SECONDS), self.changed:
            await self.changed.wait_for(holds)

    async def wait_for(self, path: str, count: int) -> list[str]:
        """Wait for a number of messages at a destination and return them."""
        await self.until(lambda: len(self.texts(path)) >= count)
        return self.texts(path)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Speak enough HTTP/1.1 for a client that sends Content-Length."""
        try:
            while head := (await reader.readuntil(b"\r\n\r\n")).decode():
                lines = head.split("\r\n")
                lengths = [line.split(":")[1] for line in lines if line.lower().startswith("content-length:")]
                body = await reader.readexactly(int(lengths[0]) if lengths else 0)
                if not await self._answer(lines[0].split(" ")[1].lstrip("/"), body, writer):
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()

    async def _answer(self, path: str, body: bytes, writer: asyncio.StreamWriter) -> bool:
        waiting = self.faults[path]
        fault = waiting.pop(0) if waiting else self.always.get(path, Fault(applies=True))
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            async with self.changed:
                self._served += 1
                receipt = str(self._served)
                self.requests[path] += 1
                if fault.applies:
                    self.posts.append(Post(path, json.loads(body), receipt))
                self.changed.notify_all()
            if fault.hangs:
                await self.released.wait()
            if fault.drops:
                return False
            content = json.dumps({"id": receipt}).encode() if fault.status < 300 else b""
            headers = "".join(f"{name}: {value}\r\n" for name, value in fault.headers)
            head = f"HTTP/1.1 {fault.status} Fake\r\n{headers}content-length: {len(content)}\r\n\r\n"
            writer.write(head.encode() + content)
            await writer.drain()
            return True
        finally:
            self._at_once -= 1


@pytest.fixture
async def platform() -> AsyncIterator[FakePlatform]:
    """A platform on a free port."""
    fake = FakePlatform()
    server = await asyncio.start_server(fake.serve, "127.0.0.1", 0)
    fake.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield fake
    fake.released.set()
    server.close()


@dataclass(frozen=True, slots=True)
class World:
    """A host with two echo channels, and the platform behind them."""

    host: AgentFrameworkHost
    platform: FakePlatform
    runner: InProcessTaskRunner
    root: Path

    def as_a_crash_would_leave_it(self) -> Path:
        """Copy the state as it is now: what a process that dies at this moment leaves behind."""
        left = self.root.with_name(f"{self.root.name}-left")
        shutil.copytree(self.root, left)
        return left

    async def say(self, text: str, user: str = "alice", channel: str = "echo", **fields: object) -> dict[str, object]:
        """Send one message over the wire and return the body of the answer."""
        callback = self.platform.at(f"{channel}/{user}")
        sent = {"text": text, "user": user, "callback": callback, **fields}
        answer = await call(self.host.app, "POST", f"/{channel}", json_body=sent)
        return {"status": answer.status, **json.loads(answer.body)}

    def address(self, user: str, channel: str = "echo") -> ChannelIdentity:
        """Return where a user is reached."""
        return ChannelIdentity(channel, user, {"callback": self.platform.at(f"{channel}/{user}")})

    def request(self, text: str, user: str = "alice", **fields: object) -> ChannelRequest:
        """Return a message as the echo channel would make it."""
        fields.setdefault("response_target", ResponseTarget.originating)
        return ChannelRequest("echo", "message.create", text, identity=self.address(user), **fields)

    async def readiness(self) -> dict[str, dict[str, int]]:
        """Return what ``/readiness`` says."""
        return json.loads((await call(self.host.app, "GET", "/readiness")).body)

    async def settled(self) -> dict[str, int]:
        """Wait until no turn is open and no delivery pending; return the counts of turns and deliveries."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                state = await self.readiness()
                if state["turns"]["open"] == 0 and state["deliveries"]["pending"] == 0:
                    return {**state["turns"], **state["deliveries"]}
                await asyncio.sleep(0.005)  # readiness is asked as an operator would: now and then


AT_ONCE = RetryPolicy(max_attempts=4, initial_backoff_seconds=0.0)


@pytest.fixture
def make_world(platform: FakePlatform, tmp_path: Path) -> Callable[..., object]:
    """Return what opens a host on this test's state directory; leaving it closes the host."""

    @asynccontextmanager
    async def open_world(
        agent: object | None = None,
        *,
        channels: Sequence[Channel] = (),
        policy: RetryPolicy = AT_ONCE,
        durable: bool = True,
        timeout_seconds: float = 10.0,
        settings: dict[str, object] | None = None,
        root: Path | None = None,
        **options: object,
    ) -> AsyncIterator[World]:
        echo, second = (EchoChannel(timeout_seconds=timeout_seconds) for _ in range(2))
        second.name, second.path = "second", "/second"
        for channel in (echo, second):
            channel.wire_targets = ("active", "all_linked", "none", "echo", "second", "inbox", "mute", "nowhere")
        root = root or tmp_path / "state"
        runner = InProcessTaskRunner(
            default_retry_policy=policy, state_dir=root / "runner" if durable else None, shutdown_grace_seconds=0.1
        )
        host = AgentFrameworkHost(
            agent or EchoAgent(),
            channels=[echo, second, *channels],
            config=settings or {},
            durable_task_runner=runner,
            state_dir={"sessions": str(root / "sessions")} if durable else None,
            **options,
        )
        async with host:
            yield World(host, platform, runner, root)

    return open_world


@pytest.fixture
def fault() -> type[Fault]:
    """How the platform may misbehave."""
    return Fault
