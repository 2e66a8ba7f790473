"""What is left of a store whose process is killed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agent_framework_hosting.errors import StateDirectoryInUse
from agent_framework_hosting.state.disk import DiskStore

CHILD = Path(__file__).with_name("writer_child.py")


@contextmanager
def writer(directory: Path, writers: int) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, str(CHILD), str(directory), str(writers)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        yield process
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


@pytest.mark.anyio
async def test_the_lock_names_its_holder_and_dies_with_it(tmp_path: Path) -> None:
    store = DiskStore(tmp_path)
    with writer(tmp_path, 0) as process:
        with pytest.raises(StateDirectoryInUse, match=rf"in use by the process with pid {process.pid}\. Stop"):
            await store.open()
        process.kill()
        process.wait()
        await store.open()
    await store.close()


@pytest.mark.anyio
@pytest.mark.parametrize("killed_after", [1, 40, 300, 1000])
async def test_every_commit_that_returned_is_there_and_none_is_there_by_half(tmp_path: Path, killed_after: int) -> None:
    with writer(tmp_path, 16) as process:
        assert process.stdout is not None
        told = [process.stdout.readline() for _ in range(killed_after)]
        process.kill()
        told += process.stdout.readlines()
    acknowledged = {line.strip() for line in told if line.endswith("\n")}
    store = DiskStore(tmp_path)
    await store.open()
    left = {key for key, _ in await store.scan("left", limit=10**6)}
    right = await store.scan("right", limit=10**6)
    await store.close()
    assert len(acknowledged) >= killed_after
    assert acknowledged <= left
    assert left == {key for key, _ in right}
    assert all(key == text for key, text in right)
