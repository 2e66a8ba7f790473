"""The command line as a process of its own, and as a call."""

from __future__ import annotations

import logging
import os
import re
import signal
import subprocess
import sys
import warnings
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
def invoke(folder: Path, own_logging: None, own_modules: None) -> Callable[..., Result]:
    """Call a command in this process, in ``folder``."""
    return lambda *arguments, **environ: CliRunner().invoke(main, arguments, env=environ, prog_name="agent-host")


@pytest.fixture
def own_logging() -> Iterator[None]:
    """Undo what a command does to the logging and the warnings of its process."""
    root, own, form = logging.getLogger(), logging.getLogger("agent_framework_hosting"), warnings.formatwarning
    handlers, levels = root.handlers[:], (root.level, own.level)
    yield
    root.handlers[:] = handlers
    root.setLevel(levels[0])
    own.setLevel(levels[1])
    logging.captureWarnings(capture=False)
    warnings.formatwarning = form


@pytest.fixture
def own_modules(folder: Path) -> Iterator[None]:
    """Forget what a command imported from ``folder``, and that it looked there."""
    path = sys.path[:]
    yield
    sys.path[:] = path
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None) or "").startswith(str(folder)):
            del sys.modules[name]


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
