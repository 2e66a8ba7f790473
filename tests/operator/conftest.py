"""A host in a process of its own, the platform it pushes to, and an operator at the command line."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from agent_framework_hosting.testing import listening

APP = """
from agent_framework_hosting import AgentFrameworkHost, OneTimeCodeLinker
from agent_framework_hosting.testing import EchoAgent
from host_channel_echo import EchoChannel

async def before(text):
    if "boom" in text:
        raise RuntimeError("the agent broke")

agent = EchoAgent(before)

def linked():
    desk = EchoChannel()
    desk.name, desk.path = "desk", "/desk"
    return AgentFrameworkHost(
        agent, channels=[EchoChannel(), desk], config={"snapshot_sessions": True}, state_dir=".agent-host",
        identity_linker=OneTimeCodeLinker(),
    )

host = linked()
"""
CONFIG = """
target = "app:agent"
state_dir = ".agent-host"
snapshot_sessions = true
[channels.echo]
accept_in_group = "all"
[channels.rooms]
use = "echo"
path = "/rooms"
accept_in_group = "all"
conversation_scope = "per_conversation"
[channels.responses]
api_keys = { "ada-lovelace-1815" = "env:RESPONSES_KEY" }
"""
ENVIRON = {**{k: v for k, v in os.environ.items() if not k.startswith("AGENT_HOST_")}, "RESPONSES_KEY": "key-of-ada"}


class Platform:
    """Where the echo channel pushes to: refuses everything while ``refuses``."""

    def __init__(self) -> None:
        self.refuses = False
        self.finals: list[dict[str, object]] = []
        self.app = Starlette(routes=[Route("/{who}", self._receive, methods=["POST"])])
        self.url = ""
        self._arrived = asyncio.Condition()

    def callback(self, who: str) -> str:
        return f"{self.url}/{who}"

    async def wait_for(self, count: int) -> list[dict[str, object]]:
        async with asyncio.timeout(30), self._arrived:
            await self._arrived.wait_for(lambda: len(self.finals) >= count)
            return list(self.finals)

    async def _receive(self, request: Request) -> Response:
        body = await request.json()
        if self.refuses:
            return Response(status_code=403)
        if body["state"] != "partial":
            async with self._arrived:
                self.finals.append({"who": request.path_params["who"], **body})
                self._arrived.notify_all()
        return JSONResponse({"id": f"receipt-{len(self.finals)}"})


class Done:
    """What a command printed and how it ended."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def json(self) -> dict:
        return json.loads(self.out)


class Site:
    """A directory with an app and a host.toml; the host in it, when it runs; and its operator."""

    def __init__(self, folder: Path, http: httpx2.AsyncClient) -> None:
        self.folder = folder
        self.state = folder / ".agent-host"
        self.http = http
        self.url = ""
        self.process: asyncio.subprocess.Process | None = None

    async def start(self, *arguments: str) -> None:
        self.process = await self._spawn("serve", *arguments, "--port", "0")
        assert self.process.stdout is not None
        banner = b""
        async with asyncio.timeout(60):
            while b"Ctrl-C" not in banner:
                line = await self.process.stdout.readline()
                assert line, (await self.process.communicate())[1].decode()
                banner += line
        found = re.search(r"http://[\d.:]+", banner.decode())
        assert found, banner
        self.url = found[0]
        async with asyncio.timeout(30):
            while (await self.http.get(f"{self.url}/readiness")).status_code != 200:
                pass

    async def stop(self, how: signal.Signals = signal.SIGINT) -> str:
        process, self.process = self.process, None
        assert process is not None
        process.send_signal(how)
        async with asyncio.timeout(60):
            return (await process.communicate())[1].decode()

    async def operate(self, *arguments: str, **environ: str) -> Done:
        process = await self._spawn(*arguments, **environ)
        async with asyncio.timeout(60):
            out, err = await process.communicate()
        assert process.returncode is not None
        return Done(process.returncode, out.decode(), err.decode())

    async def asked(self, *arguments: str) -> dict:
        """Run a command that succeeds, with ``--json``."""
        done = await self.operate(*arguments, "--json")
        assert done.code == 0, done.err
        return done.json

    async def say(self, text: str, path: str = "/echo", *, user: str = "ada-lovelace-1815", **fields: object) -> dict:
        answer = await self.http.post(f"{self.url}{path}", json={"text": text, "user": user, **fields})
        assert answer.status_code < 300, answer.text
        return answer.json()

    async def until(self, count: int, *arguments: str) -> list[dict]:
        """List deliveries until there are so many, and return them."""
        async with asyncio.timeout(60):
            while True:
                found = (await self.asked("deliveries", "list", *arguments))["deliveries"]
                if len(found) >= count:
                    return found

    def files_naming(self, text: str) -> list[str]:
        return [str(file) for file in self.state.rglob("*") if file.is_file() and text.encode() in file.read_bytes()]

    async def _spawn(self, *arguments: str, **environ: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "agent_host", *arguments),
            cwd=self.folder,
            env={**ENVIRON, **environ},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )


@pytest.fixture
async def platform() -> AsyncIterator[Platform]:
    made = Platform()
    async with listening(made.app) as made.url:
        yield made


@pytest.fixture
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    folder = tmp_path_factory.mktemp("o")  # a short path: that of a socket may have about 100 bytes
    (folder / "app.py").write_text(APP)
    (folder / "host.toml").write_text(CONFIG)
    async with AsyncExitStack() as stack:
        made = Site(folder, await stack.enter_async_context(httpx2.AsyncClient(timeout=30)))
        yield made
        if made.process is not None:
            made.process.kill()
            await made.process.communicate()
