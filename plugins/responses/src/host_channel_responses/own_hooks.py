"""Hooks given to the constructor, as hooks of this one channel instance.

They exist on instances that were given one: a channel that merely could have a response hook would have every stream
held back until its answer is whole.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from agent_framework_hosting import (
    ChannelRequest,
    ChannelResponseContext,
    ChannelResponseHook,
    ChannelRunHook,
    HostedRunResult,
    Target,
    apply_response_hook,
    apply_run_hook,
    hookimpl,
)

RunHook: TypeAlias = Callable[[ChannelRequest, Target, object], Awaitable[ChannelRequest]]
ResponseHook: TypeAlias = Callable[[HostedRunResult, ChannelResponseContext], Awaitable[HostedRunResult]]


def run_hook_of(given: ChannelRunHook) -> RunHook:
    """Return the callable as a marked ``run_hook``."""

    @hookimpl
    async def run_hook(request: ChannelRequest, target: Target, protocol_request: object) -> ChannelRequest:
        return await apply_run_hook(given, request, target=target, protocol_request=protocol_request)

    return run_hook


def response_hook_of(given: ChannelResponseHook) -> ResponseHook:
    """Return the callable as a marked ``response_hook``."""

    @hookimpl
    async def response_hook(result: HostedRunResult, context: ChannelResponseContext) -> HostedRunResult:
        return await apply_response_hook(given, result, context=context)

    return response_hook
