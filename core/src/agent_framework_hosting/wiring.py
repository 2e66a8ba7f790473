"""Build every part of a host from its options, and start and stop them in order."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.middleware import Middleware

from .app import Contributed, build_app
from .authorization.authorizer import Authorizer
from .authorization.validate import check_access
from .commands import Commands
from .config import HostConfig, build_channels
from .context import HostChannelContext
from .delivery.continuations import Continuations
from .delivery.journal import Journal
from .delivery.staging import Outbox
from .execution import execution_for
from .hookspecs import Channel
from .inbound import Inbound
from .lifecycle import Member, start_all, stop_all
from .model.contribution import ChannelContribution
from .model.durable import RuntimeMode
from .plugins.discovery import load_channel_class, load_policies
from .plugins.manager import PluginManager
from .ports import (
    DurableTaskRunner,
    IdentityAllowlist,
    IdentityLinker,
    IdentityResolver,
    Store,
    SupportsLinkStorePath,
    Target,
    TransactionalTaskRunner,
)
from .sessions.lanes import Lanes
from .sessions.registry import IdentityRegistry
from .sessions.resolve import Sessions
from .state.disk import DiskStore
from .state.memory import MemoryStore
from .state.namespace import StoreNamespace
from .state_layout import detect_runtime_mode, resolve_state_paths
from .tasks.inprocess import InProcessTaskRunner
from .turns.deferred import Deferred
from .turns.gate import Gate
from .turns.proactive import Proactive
from .turns.steps import Steps, TurnParts
