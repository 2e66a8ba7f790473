"""The channel project: built, installed, tested and served where nobody knows this repository."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

SECRET = {"PAGER_SECRET": "shared-with-the-platform"}


def run(folder: Path, *command: str, **variables: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=folder,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def project(example):
    return example("host-channel-pager")


@pytest.fixture
def site(project) -> Path:
    """A folder with the built wheel installed in it."""
    run(project.folder, "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "--wheel-dir", "dist", ".")
    wheel = "dist/host_channel_pager-0.1.0-py3-none-any.whl"
    run(project.folder, "pip", "install", "-q", "--no-deps", "--no-index", "--target", "site", wheel)
    return project.folder / "site"


@pytest.mark.requirement("examples.run", "discovery.outside")
def test_its_own_tests_pass_against_the_wheel(project, site: Path) -> None:
    shown = run(project.folder, "pytest", "-q", "-p", "no:cacheprovider", "tests", "--rootdir=.", PYTHONPATH=str(site))
    assert re.search(r"\d+ passed", shown)


@pytest.mark.requirement("examples.run", "discovery.outside")
def test_it_is_served_by_name_and_talks_to_its_platform(project, site: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    variables = {**SECRET, "PYTHONPATH": str(site), "AGENT_HOST_PAGER_API_URL": f"http://127.0.0.1:{port}"}
    with project.serving(**variables) as url:
        shown = project.run(
            "platform_stand_in.py", "Hello.", "Anybody there?", HOST_URL=url, PAGER_PORT=str(port), **SECRET
        )
    assert shown == project.promised()["platform_stand_in.py"]
