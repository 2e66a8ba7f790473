"""Where the state of a host is: its directories, and the socket a live one listens on."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..hookspecs import Channel
from ..model.durable import HostStatePaths

SOCKET = "control.sock"
MOST_PATH_BYTES = 100  # systems end between 104 and 108


@dataclass(frozen=True, slots=True)
class StatePlace:
    """A host's state on disk.

    ``socket`` is where it listens while it runs. ``checkpoints`` is the directory of a workflow's checkpoints.
    ``channel`` builds one of its channels by name and raises ``HostingError``; only a stopped host needs it.
    """

    paths: HostStatePaths
    socket: Path
    checkpoints: str | None
    channel: Callable[[str], Channel]


def unreachable(path: Path) -> str | None:
    """Return why no socket can be at a path, or None."""
    if not hasattr(socket, "AF_UNIX") or not hasattr(asyncio, "start_unix_server"):
        return "this system has no sockets in the file system"
    if len(os.fsencode(path)) > MOST_PATH_BYTES:
        return f"the path {path} is longer than {MOST_PATH_BYTES} bytes; a shorter state_dir helps"
    return None
