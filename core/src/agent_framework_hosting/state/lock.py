"""One owner per state directory."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from filelock import FileLock, Timeout

from ..errors import StateDirectoryInUse, StoreError


class DirectoryLock:
    """Own a directory until ``release`` or the death of the process, however it dies.

    The operating system holds the lock, so ``kill -9`` frees it. The holder's pid stands in ``owner.pid`` beside it
    for the message of whoever is refused.
    """

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        self._directory = Path(directory)
        self._pid_file = self._directory / "owner.pid"
        self._lock: FileLock | None = None

    def acquire(self) -> None:
        """Take the directory at once. Raises ``StateDirectoryInUse`` when another holds it, else ``StoreError``."""
        lock = FileLock(self._directory / "lock", timeout=0, thread_local=False, fallback_to_soft=False)
        try:
            lock.acquire()
        except Timeout:
            raise StateDirectoryInUse(self._refusal()) from None
        except (OSError, NotImplementedError) as error:
            raise StoreError(
                f"The state directory {self._directory} cannot be locked ({type(error).__name__}: {error}). "
                "Use a directory of your own on a local file system."
            ) from error
        self._lock = lock
        self._write_pid()

    def release(self) -> None:
        """Give the directory back; harmless when it is not held."""
        if self._lock is None:
            return
        with contextlib.suppress(OSError):
            self._pid_file.unlink()
        self._lock.release()
        self._lock = None

    def _write_pid(self) -> None:
        fresh = self._pid_file.with_suffix(".new")
        with contextlib.suppress(OSError):  # only a refusal's wording depends on it; the lock itself is held
            fresh.unlink(missing_ok=True)
            fresh.write_text(str(os.getpid()), encoding="ascii")
            fresh.replace(self._pid_file)

    def _refusal(self) -> str:
        try:
            holder = self._pid_file.read_text(encoding="ascii").strip() if self._pid_file.is_file() else ""
        except (OSError, ValueError):
            holder = ""
        if holder == str(os.getpid()):
            who = f"this very process (pid {holder})"
        else:
            who = f"the process with pid {holder}" if holder.isdigit() else "another process"
        return (
            f"The state directory {self._directory} is in use by {who}. "
            "Stop that host, or give this one a state_dir of its own."
        )
