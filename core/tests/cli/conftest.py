"""The command line as a process of its own, and as a call."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from agent_framework_hosting.cli.main import main

APP = """
from agent_framework_hosting import AgentFrameworkHost
from agent_framework_hosting.cli.demo_agent import demo_agent

agent = demo_agent()
host = AgentFrameworkHost(agent, channels=["echo"], config={})

def make():
    return agent
"""


@dataclass
class Server:
    """A running ``agent-host serve`` or ``demo``."""

    process: subprocess.Popen[str]
    url: str
    banner: list[str]

    def stop(self, how: signal.Signals = signal.SIGINT) -> tuple[int, str]:
        """Send a signal; return the exit code and what stood on stderr."""
        self.process.send_signal(how)
        _, errors = self.process.communicate(timeout=30)
        return self.process.returncode, errors


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "agent_host", *arguments]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current directory, with an app.py in it and no variable of the host's in the environment."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith("AGENT_HOST_"):
            monkeypatch.delenv(name)
    (tmp_path / "app.py").write_text(APP)
    return tmp_path


@pytest.fixture
def run(folder: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a command to its end, in ``folder``."""

    def call(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command(*arguments), capture_output=True, text=True, check=False, timeout=100, env={**os.environ, **environ}
        )

    return call


@pytest.fixture
def invoke(folder: Path) -> Callable[..., Result]:
    """Call a command in this process, in ``folder``."""
    return lambda *arguments, **environ: CliRunner().invoke(main, arguments, env=environ, prog_name="agent-host")


@pytest.fixture
def start(folder: Path) -> Iterator[Callable[..., Server]]:
    """Start a server and wait for the line that says it can be stopped."""
    running: list[subprocess.Popen[str]] = []

    def call(*arguments: str, **environ: str) -> Server:
        process = subprocess.Popen(
            command(*arguments),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **environ},
        )
        running.append(process)
        assert process.stdout is not None
        banner: list[str] = []
        for line in process.stdout:
            banner.append(line.rstrip("\n"))
            if "Ctrl-C" in line:
                break
        found = re.search(r"http://\S+", "\n".join(banner))
        assert found is not None, process.communicate()[1]
        return Server(process, found[0], banner)

    yield call
    for process in running:
        process.kill()
        process.communicate()
