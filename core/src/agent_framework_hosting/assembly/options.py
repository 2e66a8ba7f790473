"""What a host was asked to be: its constructor's arguments, the configuration read."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.middleware import Middleware

from ..config import HostConfig
from ..hookspecs import Channel
from ..model.durable import RuntimeMode
from ..ports import DurableTaskRunner, IdentityAllowlist, IdentityLinker, IdentityResolver, Store, Target

if TYPE_CHECKING:
    from agent_framework import CheckpointStorage


@dataclass(frozen=True, slots=True)
class HostOptions:
    """One host's options; see ``AgentFrameworkHost``."""

    target: Target
    channels: tuple[str | Channel, ...]
    plugins: tuple[object, ...]
    config: HostConfig
    middleware: tuple[Middleware, ...]
    state_dir: str | os.PathLike[str] | Mapping[str, object] | None
    checkpoint_location: str | os.PathLike[str] | CheckpointStorage | None
    runtime_mode: RuntimeMode | None
    runner: DurableTaskRunner | None
    allow_in_process_runner: bool
    default_allowlist: IdentityAllowlist | None
    linker: IdentityLinker | None
    resolver: IdentityResolver | None
    debug: bool
    store: Store | None = None
