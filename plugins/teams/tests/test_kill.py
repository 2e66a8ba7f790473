"""A process that dies between the 200 and the answer loses nothing."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest

from host_channel_teams.testing import Fault

MORTAL = Path(__file__).with_name("mortal.py")


class Life:
    """One life of a host in a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process, port: int, microsoft) -> None:
        self._process = process
        self._port = port
        self._microsoft = microsoft

    async def line(self) -> str:
        """Wait for what it says next."""
        assert self._process.stdout is not None
        return (await self._process.stdout.readline()).decode().strip()

    async def send(self, activity: dict[str, object]) -> int:
        """Deliver an activity; retried until the port is open, as Teams would."""
        async with httpx2.AsyncClient(trust_env=False) as http:
            while True:
                try:
                    answer = await http.post(
                        f"http://127.0.0.1:{self._port}/api/messages", json=activity, headers=self._microsoft.headers()
                    )
                except httpx2.ConnectError:
                    await asyncio.sleep(0.05)  # the listener of another process has no event to wait for
                else:
                    return answer.status_code

    async def kill(self) -> None:
        """End it at once."""
        self._process.kill()
        await self._process.wait()


@pytest.fixture
def living(microsoft, tmp_path):
    @asynccontextmanager
    async def life(does: str, **options: object) -> AsyncIterator[Life]:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        process = await asyncio.create_subprocess_exec(
            sys.executable, str(MORTAL), json.dumps({**microsoft.options, **options}), str(tmp_path), does, str(port),
            stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        found = Life(process, port, microsoft)
        try:
            assert await found.line() == "ready"
            yield found
        finally:
            if process.returncode is None:
                await found.kill()

    return life


@pytest.mark.requirement("teams.kill")
@pytest.mark.anyio
async def test_killed_inside_a_turn_it_apologises_and_answers_what_waited(living, ada, chat, microsoft) -> None:
    async with living("hold", streaming=False) as host, asyncio.timeout(40):
        assert await host.send(microsoft.write.message("one", ada, chat)) == 200
        assert await host.line() == "holding one"
        waiting = microsoft.write.message("two", ada, chat)
        assert await host.send(waiting) == 200
        await host.kill()
    async with living("answer") as host, asyncio.timeout(40):
        await microsoft.connector.wait_for_messages(2)
        assert await host.send(waiting) == 200
        assert await host.send(microsoft.write.message("three", ada, chat)) == 200
        await microsoft.connector.wait_for(lambda posts: any(post.text.endswith("three") for post in posts))
    texts = [post.text for post in microsoft.connector.messages]
    assert len([text for text in texts if "interrupted" in text]) == 1
    assert sorted(text[3:] for text in texts if "interrupted" not in text) == ["three", "two"]


@pytest.mark.anyio
async def test_killed_before_the_answer_could_leave_it_is_sent_once(living, ada, chat, microsoft) -> None:
    microsoft.token_failures, microsoft.token_gate = (
        1,
        asyncio.Event(),
    )  # typing gives up after one, a delivery does not
    async with living("answer", streaming=False) as host, asyncio.timeout(40):
        assert await host.send(microsoft.write.message("one", ada, chat)) == 200
        await microsoft.until(lambda: microsoft.token_hits == 2)
        await host.kill()
    microsoft.token_gate.set()
    async with living("answer", streaming=False) as host, asyncio.timeout(40):
        (reply,) = await microsoft.connector.wait_for_messages(1)
        assert await host.send(microsoft.write.message("two", ada, chat)) == 200
        await microsoft.connector.wait_for_messages(2)
    assert reply.text == "1: one"
    assert len(microsoft.connector.messages) == 2


@pytest.mark.anyio
async def test_killed_while_the_answer_was_leaving_it_is_not_sent_twice(living, ada, chat, microsoft) -> None:
    microsoft.connector.faults.append(Fault("message", 200, applied=True, release=asyncio.Event()))
    async with living("answer", streaming=False) as host, asyncio.timeout(40):
        assert await host.send(microsoft.write.message("one", ada, chat)) == 200
        await microsoft.connector.wait_for_messages(1)
        await host.kill()
    async with living("answer", streaming=False) as host, asyncio.timeout(40):
        assert await host.send(microsoft.write.message("two", ada, chat)) == 200
        await microsoft.connector.wait_for(lambda posts: any(post.text.endswith("two") for post in posts))
    assert [post.text[3:] for post in microsoft.connector.messages] == ["one", "two"]
