"""``host.serve`` in a process of its own: what a signal does to it, and what it refuses."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from agent_framework_hosting import AgentFrameworkHost
from agent_framework_hosting.errors import HostConfigurationError
from agent_framework_hosting.testing import EchoAgent, InboxChannel

QUICKLY = 8.0

APP = """
import asyncio, sys
from dataclasses import replace
from agent_framework_hosting import AgentFrameworkHost, hookimpl
from agent_framework_hosting.testing import EchoAgent
from host_channel_echo import EchoChannel

async def slow(text):
    if text.startswith("slow"):
        print("running", text, flush=True)
        await asyncio.sleep(float(text.split()[1]))

class Loud(EchoChannel):
    @hookimpl
    def contribute_routes(self, context):
        return replace(super().contribute_routes(context), on_shutdown=[lambda: print("closed", flush=True)])

host = AgentFrameworkHost(EchoAgent(slow), channels=[Loud()], config={}, state_dir=sys.argv[2])
host.serve(port=int(sys.argv[1]))
print("returned", flush=True)
"""


class Process:
    def __init__(self, process: subprocess.Popen[str], url: str) -> None:
        self.process = process
        self.url = url

    def until(self, line: str) -> None:
        """Read what it prints until it prints this."""
        assert self.process.stdout is not None
        while (shown := self.process.stdout.readline()) and line not in shown:
            pass
        assert shown, "the process ended"

    def end(self, *, within: float = QUICKLY) -> list[str]:
        """Wait for the end and return what the host printed of it."""
        rest, _ = self.process.communicate(timeout=within)
        return [line for line in rest.splitlines() if line in ("closed", "returned")]


@pytest.fixture
def serving(tmp_path: Path) -> Callable[[], contextmanager]:
    @contextmanager
    def start() -> Iterator[Process]:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        script = tmp_path / "app.py"
        script.write_text(APP)
        process = subprocess.Popen(
            [sys.executable, str(script), str(port), str(tmp_path / "state")],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            server = Process(process, f"http://127.0.0.1:{port}")
            server.until("Running on")
            yield server
        finally:
            process.kill()
            process.wait()

    return start


def post(url: str, text: str, **fields: object) -> httpx2.Response:
    return httpx2.post(f"{url}/echo", json={"text": text, "user": "ada", **fields}, timeout=30)


class InBackground(threading.Thread):
    def __init__(self, url: str, text: str) -> None:
        super().__init__(daemon=True)
        self.url, self.text = url, text
        self.outcome: object = None
        self.start()

    def run(self) -> None:
        try:
            answer = post(self.url, self.text)
            self.outcome = (answer.status_code, answer.text)
        except httpx2.TransportError as error:
            self.outcome = type(error).__name__


@pytest.mark.requirement("app.drain")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_a_signal_lets_the_turn_under_way_finish_and_ends_quickly_with_code_0(serving, number: signal.Signals) -> None:
    with serving() as server:
        asked = InBackground(server.url, "slow 1.0")
        server.until("running slow")
        server.process.send_signal(number)
        shown = server.end()
        asked.join(5)
    assert asked.outcome == (200, '{"outcome":"reply","text":"1: slow 1.0"}')
    assert shown == ["closed", "returned"]
    assert server.process.returncode == 0


@pytest.mark.requirement("app.drain")
def test_an_idle_server_ends_at_once_although_a_client_keeps_its_connection(serving) -> None:
    with serving() as server, httpx2.Client() as kept:
        assert kept.get(f"{server.url}/healthz").status_code == 200
        server.process.send_signal(signal.SIGINT)
        shown = server.end(within=3)
    assert shown == ["closed", "returned"]
    assert server.process.returncode == 0


@pytest.mark.requirement("app.drain")
def test_a_turn_that_never_ends_does_not_keep_the_process(serving) -> None:
    with serving() as server:
        asked = InBackground(server.url, "slow 600")
        server.until("running slow")
        server.process.send_signal(signal.SIGTERM)
        shown = server.end(within=15)
        asked.join(5)
    assert asked.outcome == (500, "")
    assert shown == ["closed", "returned"]
    assert server.process.returncode == 0


@pytest.mark.requirement("app.drain", "app.restart")
def test_the_state_is_free_for_the_next_process(serving) -> None:
    for _ in range(2):
        with serving() as server:
            assert post(server.url, "hello", event_id=None).json()["outcome"] == "reply"
            server.process.send_signal(signal.SIGTERM)
            server.end()
        assert server.process.returncode == 0


# What serve refuses


@pytest.fixture
def host() -> AgentFrameworkHost:
    return AgentFrameworkHost(EchoAgent(), channels=[InboxChannel()], config={})


@pytest.mark.requirement("app.serve-options")
@pytest.mark.parametrize("workers", [0, 2, 8])
def test_more_than_one_worker_is_refused_with_the_reason(host: AgentFrameworkHost, workers: int) -> None:
    with pytest.raises(HostConfigurationError, match="single owner"):
        host.serve(workers=workers)


@pytest.mark.requirement("app.serve-options")
@pytest.mark.parametrize(
    ("option", "hint"),
    [
        ("keepalive_timeout", "keep_alive_timeout"),
        ("graceful_timout", "graceful_timeout"),
        ("from_toml", "no setting"),
        ("create_sockets", "no setting"),
        ("ssl_enabled", "no setting"),
        ("_bind", "no setting"),
        ("log", "no setting"),
        ("reload", "no setting"),
    ],
)
def test_an_option_hypercorn_does_not_have_is_refused(host: AgentFrameworkHost, option: str, hint: str) -> None:
    with pytest.raises(HostConfigurationError, match=option) as refused:
        host.serve(**{option: 1})
    assert hint in str(refused.value)
