"""Serve one agent or workflow on many channels. The public names, and nothing else."""

import importlib
from typing import TYPE_CHECKING

from .authorization.allowlists import (
    AllOfAllowlists,
    AllowAll,
    AnyOfAllowlists,
    CallableAllowlist,
    LinkedClaimAllowlist,
    NativeIdAllowlist,
)
from .authorization.policy import AuthPolicy
from .errors import (
    ChannelConfigurationError,
    PermanentPushError,
    PushPayloadNotPicklable,
    PushPayloadNotSerializable,
    RetryLater,
)
from .hookspecs import (
    Channel,
    ChannelResponseHook,
    ChannelRunHook,
    ChannelStreamTransformHook,
    apply_response_hook,
    apply_run_hook,
    hookimpl,
    hookspec,
)
from .host import AgentFrameworkHost
from .model.command import ChannelCommand, ChannelCommandContext
from .model.contribution import ChannelContribution
from .model.durable import (
    ContinuationToken,
    DurableTaskPayloadMode,
    HostStatePaths,
    RetryPolicy,
    RuntimeMode,
    TaskHandle,
    TaskStatus,
)
from .model.identity import ChannelIdentity, ChannelSession
from .model.isolation import (
    ISOLATION_HEADER_CHAT,
    ISOLATION_HEADER_USER,
    IsolationKeys,
    get_current_isolation_keys,
    reset_current_isolation_keys,
    set_current_isolation_keys,
)
from .model.outcome import Accepted, Busy, Duplicate, Failed, Outcome, Reply
from .model.request import ChannelRequest
from .model.result import ChannelResponseContext, HostedRunResult, result_text
from .model.target import ResponseTarget, ResponseTargetKind
from .model.verdict import (
    Allowed,
    AllowlistDecision,
    AuthorizationContext,
    AuthorizationError,
    AuthorizationOutcome,
    ClaimValue,
    Denied,
    LinkChallenge,
    LinkedIdentity,
    LinkRequired,
    LinkResolution,
)
from .ports import (
    ChannelContext,
    ChannelPush,
    ChannelPushCodec,
    DurableTaskRunner,
    IdentityAllowlist,
    IdentityLinker,
    LiveReply,
    SupportsLinkStorePath,
)

if TYPE_CHECKING:
    from .linking.one_time_code import OneTimeCodeLinker
    from .tasks.inprocess import InProcessTaskRunner

_LOADED_LATE = {"InProcessTaskRunner": ".tasks.inprocess", "OneTimeCodeLinker": ".linking.one_time_code"}


def __getattr__(name: str) -> object:
    """Load the two names whose modules most programs do not need."""
    if name not in _LOADED_LATE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_LOADED_LATE[name], __name__), name)


__all__ = [
    "Accepted",
    "AgentFrameworkHost",
    "AllOfAllowlists",
    "AllowAll",
    "Allowed",
    "AllowlistDecision",
    "AnyOfAllowlists",
    "AuthPolicy",
    "AuthorizationContext",
    "AuthorizationError",
    "AuthorizationOutcome",
    "Busy",
    "CallableAllowlist",
    "Channel",
    "ChannelCommand",
    "ChannelCommandContext",
    "ChannelConfigurationError",
    "ChannelContext",
    "ChannelContribution",
    "ChannelIdentity",
    "ChannelPush",
    "ChannelPushCodec",
    "ChannelRequest",
    "ChannelResponseContext",
    "ChannelResponseHook",
    "ChannelRunHook",
    "ChannelSession",
    "ChannelStreamTransformHook",
    "ClaimValue",
    "ContinuationToken",
    "Denied",
    "Duplicate",
    "DurableTaskPayloadMode",
    "DurableTaskRunner",
    "Failed",
    "HostStatePaths",
    "HostedRunResult",
    "ISOLATION_HEADER_CHAT",
    "ISOLATION_HEADER_USER",
    "IdentityAllowlist",
    "IdentityLinker",
    "InProcessTaskRunner",
    "IsolationKeys",
    "LinkChallenge",
    "LinkRequired",
    "LinkResolution",
    "LinkedClaimAllowlist",
    "LinkedIdentity",
    "LiveReply",
    "NativeIdAllowlist",
    "OneTimeCodeLinker",
    "Outcome",
    "PermanentPushError",
    "PushPayloadNotPicklable",
    "PushPayloadNotSerializable",
    "Reply",
    "ResponseTarget",
    "ResponseTargetKind",
    "RetryLater",
    "RetryPolicy",
    "RuntimeMode",
    "SupportsLinkStorePath",
    "TaskHandle",
    "TaskStatus",
    "apply_response_hook",
    "apply_run_hook",
    "get_current_isolation_keys",
    "hookimpl",
    "hookspec",
    "reset_current_isolation_keys",
    "result_text",
    "set_current_isolation_keys",
]
