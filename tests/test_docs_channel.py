"""The channel of docs/writing-a-channel.md, from its page to a wheel that is installed and works."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parent.parent / "docs" / "writing-a-channel.md"
FILE = re.compile(
    r"^```(?:python|toml)\n(?P<code># (?P<name>[\w/.-]+\.(?:py|toml))\n.*?)^```$", re.MULTILINE | re.DOTALL
)


def run(*command: str, cwd: Path, **variables: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=cwd,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the page, laid out as the page says."""
    root = tmp_path_factory.mktemp("host-channel-webhook")
    for found in FILE.finditer(PAGE.read_text(encoding="utf-8")):
        name = found["name"]
        file = root / "src" / name if name.startswith("host_channel_webhook/") else root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(found["code"], encoding="utf-8")
    (root / "src" / "host_channel_webhook" / "py.typed").touch()
    return root


@pytest.fixture(scope="module")
def site(project: Path) -> Path:
    """A folder with the built wheel installed in it."""
    run("pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "--wheel-dir", "dist", ".", cwd=project)
    wheel = "dist/host_channel_webhook-0.1.0-py3-none-any.whl"
    run("pip", "install", "-q", "--no-deps", "--no-index", "--target", "site", wheel, cwd=project)
    return project / "site"


@pytest.mark.requirement("discovery.outside")
def test_the_wheel_passes_the_contract(project: Path, site: Path) -> None:
    shown = run("pytest", "-p", "no:cacheprovider", "--rootdir", ".", "tests", cwd=project, PYTHONPATH=str(site))
    assert re.search(r"\d+ passed", shown)


@pytest.mark.requirement("discovery.outside")
def test_the_wheel_is_listed_with_its_distribution(site: Path, tmp_path: Path) -> None:
    listed = run("agent_host", "channels", cwd=tmp_path, PYTHONPATH=str(site))
    row = next(line for line in listed.splitlines() if "webhook" in line)
    assert "host-channel-webhook" in row
    assert "0.1.0" in row
