"""Where a workflow's checkpoints go, and what to warn about."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING

from agent_framework import SupportsAgentRun

from ..model.durable import HostStatePaths
from .options import HostOptions

if TYPE_CHECKING:
    from agent_framework import CheckpointStorage


def checkpoints_of(options: HostOptions, paths: HostStatePaths) -> str | os.PathLike[str] | CheckpointStorage | None:
    """Return the location to use: the explicit one, else ``state_dir``'s; None for agents, which have no checkpoints.

    Warns when an explicit location overrides ``state_dir``'s, and when an agent was given one on purpose.
    """
    explicit = options.checkpoint_location
    if explicit is None:
        explicit = options.config.checkpoint_location
    derived = paths.get("checkpoints")
    by_component = isinstance(options.state_dir, Mapping) or isinstance(options.config.state_dir, Mapping)
    if isinstance(options.target, SupportsAgentRun):
        if explicit is not None or (derived is not None and by_component):
            _warn("The target is an agent, which has no checkpoints; leave checkpoints out of state_dir.")
        return None
    if explicit is not None and derived is not None:
        _warn("checkpoint_location is given, so the checkpoints directory of state_dir is not used.")
    return derived if explicit is None else explicit


def _warn(text: str) -> None:
    warnings.warn(text, UserWarning, stacklevel=2)
