"""What a channel adds to the app."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from .command import ChannelCommand
from .table import AnyTable

if TYPE_CHECKING:
    from starlette.middleware import Middleware
    from starlette.routing import BaseRoute

LifecycleCallback: TypeAlias = Callable[[], Awaitable[None] | None]


@dataclass(frozen=True, slots=True)
class ChannelContribution:
    """Add routes, commands, middleware and lifecycle callbacks to the host.

    Route paths are relative to the channel's ``path``; ``/`` means the path itself. ``middleware`` wraps this
    channel's routes only. Callbacks take no argument and may be sync or async. ``tables`` declares what the channel
    keeps in ``context.store``: what is declared is bounded, forgotten with its person and shown to the operator.
    """

    routes: Sequence[BaseRoute] = field(default=(), hash=False)
    commands: Sequence[ChannelCommand] = field(default=(), hash=False)
    middleware: Sequence[Middleware] = field(default=(), hash=False)
    on_startup: Sequence[LifecycleCallback] = field(default=(), hash=False)
    on_shutdown: Sequence[LifecycleCallback] = field(default=(), hash=False)
    tables: Sequence[AnyTable] = field(default=(), hash=False)
