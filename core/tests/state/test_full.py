"""A disk that takes nothing more: told at every caller, nothing half-written, over when there is room."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from agent_framework_hosting.errors import StoreError
from agent_framework_hosting.ports import Put
from agent_framework_hosting.state.disk import DiskStore

CHILD = Path(__file__).with_name("full_child.py")
SMALL_FILE_SYSTEM = 'mount -t tmpfs -o size=2m tmpfs "$1" && exec "$2" "$3" "$1/state" disk'


def may_mount() -> bool:
    if shutil.which("unshare") is None:
        return False
    trial = ["unshare", "--user", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    return subprocess.run(trial, capture_output=True, check=False).returncode == 0


def check(output: str, sentence: str) -> str | None:
    told, fault, checked, readable, recovered, after, found = json.loads(output)
    assert fault is not None
    assert sentence in fault
    assert checked in {fault, None}  # a full disk may have room for a small commit
    assert told == [f"{fault} Nothing of this commit was kept."] * 2
    assert readable == ""
    assert recovered is None
    assert after == ["kept", None]
    assert found == {"before": ["c", "first"], "big": ["c"], "after": ["c"]}
    return checked


def test_files_that_take_nothing(tmp_path: Path) -> None:
    command = [sys.executable, str(CHILD), str(tmp_path / "state"), "files"]
    child = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert check(child.stdout, "cannot be used") is not None


@pytest.mark.skipif(not may_mount(), reason="This system lets no user mount a file system of their own.")
def test_a_full_disk(tmp_path: Path) -> None:
    command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", SMALL_FILE_SYSTEM, "sh", str(tmp_path)]
    child = subprocess.run(
        [*command, sys.executable, str(CHILD)], capture_output=True, text=True, timeout=60, check=True
    )
    check(child.stdout, "is full; free some space")


@pytest.mark.anyio
async def test_a_directory_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match=r"state directory .*file/state cannot be used"):
        await DiskStore(tmp_path / "file" / "state").open()


@pytest.mark.anyio
@pytest.mark.skipif(os.geteuid() == 0, reason="Nothing is read-only for root.")
async def test_a_directory_that_cannot_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(StoreError, match="give this user write access"):
        await DiskStore(tmp_path / "state").open()


@pytest.mark.anyio
async def test_a_database_that_was_moved_away_is_missed_and_found_again(tmp_path: Path) -> None:
    store = DiskStore(tmp_path / "state")
    await store.open()
    await store.commit([Put("t", "k", "v")])
    (tmp_path / "state").rename(tmp_path / "elsewhere")
    with pytest.raises(StoreError, match="put it back"):
        await store.commit([Put("t", "lost", "?")])
    assert store.fault is not None
    (tmp_path / "elsewhere").rename(tmp_path / "state")
    assert await store.check() is None
    assert await store.scan("t") == [("k", "v")]
    await store.close()
