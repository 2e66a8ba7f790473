"""Where state lives: one root, or a directory per kind of state."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import cast, get_args
from weakref import WeakKeyDictionary

from ..model.durable import HostStatePaths, RuntimeMode
from ..operations.place import SOCKET, has_state, store_home
from ..ports import DurableTaskRunner, Store, TransactionalTaskRunner
from ..state.disk import DiskStore
from ..state.memory import MemoryStore

COMPONENTS = tuple(HostStatePaths.__annotations__)
_hosts_on: WeakKeyDictionary[Store, int] = WeakKeyDictionary()  # stores that are open, by how many hosts use them
_EPHEMERAL_HINTS = ("FOUNDRY_HOSTING_ENVIRONMENT", "AZURE_FUNCTIONS_ENVIRONMENT", "AWS_LAMBDA_FUNCTION_NAME")


def resolve_state_paths(state_dir: str | os.PathLike[str] | Mapping[str, object] | None) -> HostStatePaths:
    """Return the directory of each kind of state; what is missing stays in memory.

    One path means ``<root>/{runner,sessions,checkpoints,links}``. Raises ``ValueError`` for an unknown component
    and ``TypeError`` for what is no path.
    """
    if state_dir is None:
        return {}
    if isinstance(state_dir, Mapping):
        unknown = sorted(set(state_dir) - set(COMPONENTS))
        if unknown:
            raise ValueError(
                f"state_dir has unknown component {unknown[0]!r}; the components are {', '.join(COMPONENTS)}."
            )
        given = {name: cast("str | os.PathLike[str]", path) for name, path in state_dir.items() if path is not None}
        return cast("HostStatePaths", {name: os.fspath(path) for name, path in given.items()})
    root = Path(state_dir)
    return cast("HostStatePaths", {name: str(root / name) for name in COMPONENTS})


def choose_store(given: Store | None, runner: DurableTaskRunner, paths: HostStatePaths) -> tuple[Store, bool]:
    """Return the host's one store, and whether other hosts may use it as well: only one that was given may be.

    A runner with a store of its own brings it; else it is in the directory of the runner, or of the sessions, or in
    memory.
    """
    if given is not None:
        if has_state(paths):
            home = paths.get("runner") or paths.get("sessions")
            warnings.warn(
                f"store is given, so what an earlier host kept in {home} is not used: no conversation, no delivery. "
                "Leave store out to go on with it, or runner and sessions out of state_dir.",
                UserWarning,
                stacklevel=2,
            )
        return given, True
    if isinstance(runner, TransactionalTaskRunner) and runner.store.durable:
        return runner.store, False
    home = store_home(paths)
    if home is None:
        return runner.store if isinstance(runner, TransactionalTaskRunner) else MemoryStore(), False
    return DiskStore(home), False


async def open_store(store: Store) -> None:
    """Open a store for one more host of this process."""
    if not _hosts_on.get(store):
        await store.open()
    _hosts_on[store] = _hosts_on.get(store, 0) + 1


async def close_store(store: Store) -> None:
    """Close a store when no other host of this process is on it any more."""
    left = _hosts_on.get(store, 1) - 1
    _hosts_on[store] = left
    if not left:
        await store.close()


def control_socket(state_dir: str | os.PathLike[str] | Mapping[str, object] | None) -> Path | None:
    """Return where an operator reaches a live host: in the root, or in the runner's own directory; None in memory."""
    if isinstance(state_dir, Mapping):
        runner = state_dir.get("runner")
        return None if runner is None else Path(str(runner)) / SOCKET
    return None if state_dir is None else Path(state_dir) / SOCKET


def detect_runtime_mode(given: RuntimeMode | None, environ: Mapping[str, str]) -> tuple[RuntimeMode, str]:
    """Return the runtime mode and why. Raises ``ValueError`` for an unknown one."""
    if given is not None:
        if given not in get_args(RuntimeMode):
            raise ValueError(f"runtime_mode must be one of {', '.join(get_args(RuntimeMode))}, not {given!r}.")
        return given, "configured"
    for name in _EPHEMERAL_HINTS:
        if environ.get(name):
            return "ephemeral", f"{name} is set"
    return "long_running", "no hosting environment that stops idle processes was found"
