"""Every code block a reader may copy works.

The blocks of one page run from top to bottom in one process, as a reader would run them. A block whose first line is
a comment with a file name (``# app.py``, ``# host.toml``) is also written to that file first, so that later blocks and
tools find it. ``<!-- skip: reason -->`` on the line before a fence lets a Python block be compiled only.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "core" / "README.md",
    *sorted(ROOT.glob("plugins/*/README.md")),
    *sorted(ROOT.glob("examples/**/README.md")),
    *sorted(page for page in (ROOT / "docs").rglob("*.md") if "_build" not in page.parts),
]
FENCE = re.compile(
    r"(?:^<!-- skip: (?P<skip>[^\n]+) -->\n)?^```(?P<language>python|toml|json)\n(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
FILE_NAME = re.compile(r"# (?P<name>[\w.-]+(?:/[\w.-]+)*\.(?:py|toml))\b")

RUN_BLOCKS = """
import asyncio, json, sys
sys.path.insert(0, ".")
page = {"__name__": "__docs__"}
for line, code in json.load(sys.stdin):
    exec(compile("\\n" * line + code, "PAGE", "exec"), page)
"""

SECRETS = {"OPENAI_API_KEY": "unused", "OPENAI_MODEL": "unused", "RESPONSES_KEY": "unused"}


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block: what it holds and the line of the page it starts on."""

    language: str
    code: str
    line: int
    skipped: bool


def blocks_of(text: str) -> list[Block]:
    return [
        Block(
            found["language"],
            found["code"],
            text.count("\n", 0, found.start("code")),
            found["skip"] is not None,
        )
        for found in FENCE.finditer(text)
    ]


def page_id(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.requirement("workspace.docs-run")
@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_the_python_blocks_of_a_page_run(page: Path, tmp_path: Path) -> None:
    blocks = [block for block in blocks_of(page.read_text(encoding="utf-8")) if block.language != "json"]
    for block in blocks:
        if named := FILE_NAME.match(block.code):
            file = tmp_path / named["name"]
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(block.code, encoding="utf-8")
    python = [block for block in blocks if block.language == "python"]
    for block in python:
        compile(block.code, f"{page_id(page)}:{block.line}", "exec")
    run = [(block.line, block.code) for block in python if not block.skipped]
    if not run:
        return
    done = subprocess.run(
        [sys.executable, "-c", RUN_BLOCKS.replace("PAGE", page_id(page))],
        input=json.dumps(run),
        cwd=tmp_path,
        env=os.environ | SECRETS,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_the_data_blocks_of_a_page_can_be_read(page: Path) -> None:
    readers = {"toml": tomllib.loads, "json": json.loads}
    for block in blocks_of(page.read_text(encoding="utf-8")):
        if block.language in readers:
            assert readers[block.language](block.code) is not None


def test_blocks_are_found_with_their_language_line_and_mark() -> None:
    text = "# T\n\n```python\nx = 1\n```\n\n<!-- skip: needs a key -->\n```python\ny\n```\n\n```bash\nls\n```\n"
    assert blocks_of(text) == [Block("python", "x = 1\n", 3, False), Block("python", "y\n", 8, True)]
