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
from ..ports import Store
from ..state.database import DATABASE
from ..state.moving import move_in

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


def store_home(paths: HostStatePaths) -> str | None:
    """Return the directory of the host's one store: the runner's, else that of the sessions; None in memory."""
    return paths.get("runner") or paths.get("sessions")


def has_state(paths: HostStatePaths) -> bool:
    """Say whether a host was started with these directories, of whichever edition."""
    places = (paths.get("runner"), paths.get("sessions"))
    return any((Path(place) / DATABASE).exists() for place in places if place)


async def move_in_earlier(paths: HostStatePaths, store: Store) -> None:
    """Take into the store what an earlier edition kept in a second database, in the directory of the sessions."""
    earlier = paths.get("sessions")
    if earlier is not None and earlier != store_home(paths):
        await move_in(Path(earlier), store)


def unreachable(path: Path) -> str | None:
    """Return why no socket can be at a path, or None."""
    if not hasattr(socket, "AF_UNIX") or not hasattr(asyncio, "start_unix_server"):
        return "this system has no sockets in the file system"
    if len(os.fsencode(path)) > MOST_PATH_BYTES:
        return f"the path {path} is longer than {MOST_PATH_BYTES} bytes; a shorter state_dir helps"
    return None
