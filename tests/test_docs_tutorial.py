"""The tutorial, followed word for word: its files, its servers, its printed answers."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parent.parent / "docs" / "tutorial.md"
BLOCK = re.compile(r"^```(?P<language>python|text)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
FIRST_HOST = "agent = Agent("


@pytest.fixture
def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@contextmanager
def server(folder: Path) -> Iterator[None]:
    process = subprocess.Popen(
        [sys.executable, "-u", "app.py"], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    with process:
        assert process.stdout is not None
        try:
            shown = list(takewhile(lambda line: "Running on" not in line, process.stdout))
            assert process.poll() is None, "".join(shown)
            yield
        finally:
            process.terminate()


def run(folder: Path, script: str) -> str:
    done = subprocess.run([sys.executable, script], cwd=folder, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.requirement("docs.tutorial")
def test_the_tutorial_does_what_it_says(tmp_path: Path, port: int) -> None:
    text = PAGE.read_text(encoding="utf-8").replace("127.0.0.1:8000", f"127.0.0.1:{port}")
    blocks = [found["code"] for found in BLOCK.finditer(text.replace("port=8000", f"port={port}"))]
    first_app, ask, ask_prints, new_end, both, both_prints = blocks
    app = tmp_path / "app.py"

    app.write_text(first_app)
    (tmp_path / "ask.py").write_text(ask)
    with server(tmp_path):
        assert run(tmp_path, "ask.py") == ask_prints

    app.write_text(first_app[: first_app.index(FIRST_HOST)] + new_end)
    (tmp_path / "both.py").write_text(both)
    with server(tmp_path):
        assert run(tmp_path, "both.py") == both_prints
