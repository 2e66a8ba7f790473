"""Where state lives: one root, or a directory per kind of state."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import cast, get_args

from ..model.durable import HostStatePaths, RuntimeMode

COMPONENTS = tuple(HostStatePaths.__annotations__)
_EPHEMERAL_HINTS = ("FOUNDRY_HOSTING_ENVIRONMENT", "AZURE_FUNCTIONS_ENVIRONMENT", "AWS_LAMBDA_FUNCTION_NAME")


def resolve_state_paths(state_dir: str | os.PathLike[str] | Mapping[str, object] | None) -> HostStatePaths:
    """Return the directory of each kind of state; what is missing stays in memory.

    One path means ``<root>/{runner,sessions,checkpoints,links}``. Raises ``ValueError`` for an unknown component.
    """
    if state_dir is None:
        return {}
    if isinstance(state_dir, Mapping):
        unknown = sorted(set(state_dir) - set(COMPONENTS))
        if unknown:
            raise ValueError(
                f"state_dir has unknown component {unknown[0]!r}; the components are {', '.join(COMPONENTS)}."
            )
        return cast("HostStatePaths", {name: str(path) for name, path in state_dir.items() if path is not None})
    root = Path(state_dir)
    return cast("HostStatePaths", {name: str(root / name) for name in COMPONENTS})


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
