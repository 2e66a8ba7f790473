"""Serve one agent or workflow on many channels. The public names, grouped by reader, and nothing else."""

import importlib
from typing import TYPE_CHECKING

# For the agent developer
from .errors import HostConfigurationError, HostingError, OperationRefused, PluginError
from .host import AgentFrameworkHost
from .model.durable import RuntimeMode
from .ports import Target

# isort: split
# For the channel author
from .errors import LaneFull, PermanentPushError, RetryLater, TargetInputError, TurnFailed, UncertainSend
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
from .model.command import ChannelCommand, ChannelCommandContext
from .model.contribution import ChannelContribution
from .model.durable import SendAttempt, SendRecord
from .model.identity import ChannelIdentity, ChannelSession
from .model.isolation import (
    ISOLATION_HEADER_CHAT,
    ISOLATION_HEADER_USER,
    IsolationKeys,
    get_current_isolation_keys,
    reset_current_isolation_keys,
    set_current_isolation_keys,
)
from .model.outcome import Accepted, Busy, Duplicate, Failed, Outcome, Reply, Stopped
from .model.request import ChannelRequest, Operation, RequestAttributes
from .model.result import ChannelResponseContext, HostedRunResult, result_text
from .model.target import ResponseTarget, ResponseTargetKind
from .ports import ChannelContext, ChannelPush, ChannelPushCodec, LiveReply, Sole

# isort: split
# For who may speak
from .authorization.allowlists import (
    AllOfAllowlists,
    AllowAll,
    AnyOfAllowlists,
    CallableAllowlist,
    LinkedClaimAllowlist,
    NativeIdAllowlist,
)
from .authorization.policy import AuthPolicy
from .errors import ChannelConfigurationError
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
from .ports import IdentityAllowlist, IdentityLinker, IdentityResolver, SupportsLinkStorePath

# isort: split
# For durable work
from .errors import PushPayloadNotPicklable, PushPayloadNotSerializable
from .model.durable import (
    ContinuationToken,
    DurableTaskPayloadMode,
    HostStatePaths,
    RetryPolicy,
    TaskHandle,
    TaskStatus,
)
from .ports import (
    DurableTask,
    DurableTaskHandler,
    DurableTaskRunner,
    HousedTaskRunner,
    OperableTaskRunner,
    Owner,
    PreparedTask,
    RuledTaskRunner,
    StartedTaskRunner,
    StoredTask,
    TaskTable,
    TransactionalTaskRunner,
    WorkOwnership,
)

# isort: split
# For the store
from .errors import (
    CommitRefused,
    Fenced,
    RecordExists,
    RecordsDiffer,
    StateDirectoryInUse,
    StoreError,
    UnreadableRecord,
)
from .ports import (
    ABSENT,
    Delete,
    ErasesRemoved,
    Expect,
    Fence,
    Insert,
    Lanes,
    Lease,
    Leases,
    Place,
    Put,
    Store,
    Stored,
    Write,
)
from .records import BY_KEY, Codec, Expiry, RecordCodec, Records, Table

if TYPE_CHECKING:
    from .linking.one_time_code import OneTimeCodeLinker
    from .state.disk import DiskStore
    from .state.memory import MemoryStore
    from .tasks.inprocess import InProcessTaskRunner

_LOADED_LATE = {
    "DiskStore": ".state.disk",
    "InProcessTaskRunner": ".tasks.inprocess",
    "MemoryStore": ".state.memory",
    "OneTimeCodeLinker": ".linking.one_time_code",
}


def __getattr__(name: str) -> object:
    """Load the names whose modules most programs do not need."""
    if name not in _LOADED_LATE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_LOADED_LATE[name], __name__), name)


__all__ = [
    "ABSENT",
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
    "BY_KEY",
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
    "Codec",
    "CommitRefused",
    "ContinuationToken",
    "Delete",
    "Denied",
    "DiskStore",
    "Duplicate",
    "DurableTask",
    "DurableTaskHandler",
    "DurableTaskPayloadMode",
    "DurableTaskRunner",
    "ErasesRemoved",
    "Expect",
    "Expiry",
    "Failed",
    "Fence",
    "Fenced",
    "HostConfigurationError",
    "HostStatePaths",
    "HostedRunResult",
    "HostingError",
    "HousedTaskRunner",
    "ISOLATION_HEADER_CHAT",
    "ISOLATION_HEADER_USER",
    "IdentityAllowlist",
    "IdentityLinker",
    "IdentityResolver",
    "InProcessTaskRunner",
    "Insert",
    "IsolationKeys",
    "LaneFull",
    "Lanes",
    "Lease",
    "Leases",
    "LinkChallenge",
    "LinkRequired",
    "LinkResolution",
    "LinkedClaimAllowlist",
    "LinkedIdentity",
    "LiveReply",
    "MemoryStore",
    "NativeIdAllowlist",
    "OneTimeCodeLinker",
    "OperableTaskRunner",
    "Operation",
    "OperationRefused",
    "Outcome",
    "Owner",
    "PermanentPushError",
    "Place",
    "PluginError",
    "PreparedTask",
    "PushPayloadNotPicklable",
    "PushPayloadNotSerializable",
    "Put",
    "RecordCodec",
    "RecordExists",
    "Records",
    "RecordsDiffer",
    "Reply",
    "RequestAttributes",
    "ResponseTarget",
    "ResponseTargetKind",
    "RetryLater",
    "RetryPolicy",
    "RuledTaskRunner",
    "RuntimeMode",
    "SendAttempt",
    "SendRecord",
    "Sole",
    "StartedTaskRunner",
    "StateDirectoryInUse",
    "Stopped",
    "Store",
    "StoreError",
    "Stored",
    "StoredTask",
    "SupportsLinkStorePath",
    "Table",
    "Target",
    "TargetInputError",
    "TaskHandle",
    "TaskStatus",
    "TaskTable",
    "TransactionalTaskRunner",
    "TurnFailed",
    "UncertainSend",
    "UnreadableRecord",
    "WorkOwnership",
    "Write",
    "apply_response_hook",
    "apply_run_hook",
    "get_current_isolation_keys",
    "hookimpl",
    "hookspec",
    "reset_current_isolation_keys",
    "result_text",
    "set_current_isolation_keys",
]
