"""Run an example as its page says, in a folder of its own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+")
BLOCK = re.compile(r"^```(?P<language>\w+)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
SCRIPT = re.compile(r"^python (?P<script>\w+\.py)(?P<arguments>.*)$")


class Example:
    """One example: its page, its programs, its server."""

    def __init__(self, name: str, folder: Path) -> None:
        self.folder = folder
        shutil.copytree(EXAMPLES / name, folder, ignore=shutil.ignore_patterns(".*", "__pycache__"))
        page = (folder / "README.md").read_text(encoding="utf-8")
        self.blocks = [(found["language"], found["code"]) for found in BLOCK.finditer(page)]

    def serve_command(self) -> list[str]:
        """Return the arguments of the page's ``agent-host serve``."""
        lines = [line for language, code in self.blocks if language == "bash" for line in code.splitlines()]
        [command] = [line for line in lines if line.startswith("agent-host serve")]
        return command.split()[1:]

    def promised(self) -> dict[str, str]:
        """Return what the page says each of its scripts prints, by script."""
        shown: dict[str, str] = {}
        script = None
        for language, code in self.blocks:
            if language == "bash" and (found := SCRIPT.match(code.strip())):
                script = found["script"]
            elif language == "text" and script is not None:
                shown[script] = code
        return shown

    @contextmanager
    def serving(self, *options: str, **variables: str) -> Iterator[str]:
        """Serve as the page says, on a free port; yields the address it prints."""
        command = [sys.executable, "-u", "-m", "agent_host", *self.serve_command(), "--port", "0", *options]
        child = subprocess.Popen(
            command,
            cwd=self.folder,
            env=os.environ | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        with child:
            assert child.stdout is not None
            shown: list[str] = []
            try:
                for line in child.stdout:
                    shown.append(line)
                    if found := ADDRESS.search(line):
                        break
                else:
                    pytest.fail("".join(shown))
                yield found[0]
            finally:
                child.kill()

    def run(self, script: str, *arguments: str, **variables: str) -> str:
        """Run a script of the example and return what it prints."""
        done = subprocess.run(
            [sys.executable, script, *arguments],
            cwd=self.folder,
            env=os.environ | variables,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture
def example(tmp_path: Path) -> Callable[[str], Example]:
    """Copy an example into a folder of its own."""
    return lambda name: Example(name, tmp_path / name)
