"""The front door: exactly the public names, each documented, and light to import."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from pathlib import Path
from types import FunctionType

import pytest

import agent_framework_hosting

ROOT = Path(__file__).resolve().parent.parent

PUBLIC_NAMES = {
    "agent developer": """
        AgentFrameworkHost HostConfigurationError HostingError OperationRefused PluginError RuntimeMode Target
    """,
    "channel author": """
        Accepted Busy Channel ChannelCommand ChannelCommandContext ChannelContext ChannelContribution
        ChannelIdentity ChannelPush ChannelPushCodec ChannelRequest ChannelResponseContext ChannelResponseHook
        ChannelRunHook ChannelSession ChannelStreamTransformHook Duplicate Failed HostedRunResult
        ISOLATION_HEADER_CHAT ISOLATION_HEADER_USER IsolationKeys LaneFull LiveReply Operation Outcome Sole
        PermanentPushError Reply RequestAttributes ResponseTarget ResponseTargetKind RetryLater SendAttempt
        SendRecord Stopped TargetInputError TurnFailed UncertainSend apply_response_hook apply_run_hook
        get_current_isolation_keys hookimpl hookspec reset_current_isolation_keys result_text
        set_current_isolation_keys
    """,
    "who may speak": """
        AllOfAllowlists AllowAll Allowed AllowlistDecision AnyOfAllowlists AuthPolicy AuthorizationContext
        AuthorizationError AuthorizationOutcome CallableAllowlist ChannelConfigurationError ClaimValue Denied
        IdentityAllowlist IdentityLinker IdentityResolver LinkChallenge LinkRequired LinkResolution
        LinkedClaimAllowlist LinkedIdentity NativeIdAllowlist OneTimeCodeLinker SupportsLinkStorePath
    """,
    "durable work": """
        ContinuationToken DurableTask DurableTaskHandler DurableTaskPayloadMode DurableTaskRunner HostStatePaths
        InProcessTaskRunner PreparedTask PushPayloadNotPicklable PushPayloadNotSerializable RetryPolicy
        TaskHandle TaskStatus TransactionalTaskRunner HousedTaskRunner OperableTaskRunner Owner RuledTaskRunner
        StartedTaskRunner StoredTask TaskTable WorkOwnership
    """,
    "store": """
        Delete ErasesRemoved Insert Put RecordExists StateDirectoryInUse Store StoreError UnreadableRecord Write
        ABSENT BY_KEY Codec CommitRefused DiskStore Expect Expiry Fence Fenced Lanes Lease Leases MemoryStore Place
        RecordCodec Records RecordsDiffer Stored Table
    """,
}
ALL_NAMES = sorted(name for names in PUBLIC_NAMES.values() for name in names.split())
HEAVY = ["pydantic", "diskcache", "hypercorn", "openai", "agent_framework._agents", "agent_framework._workflows"]


@pytest.mark.requirement("workspace.public-names")
def test_the_front_door_offers_exactly_the_public_names_sorted() -> None:
    assert agent_framework_hosting.__all__ == ALL_NAMES
    assert [name for name in ALL_NAMES if not hasattr(agent_framework_hosting, name)] == []


def test_every_public_class_and_function_has_a_docstring() -> None:
    objects = {name: getattr(agent_framework_hosting, name) for name in agent_framework_hosting.__all__}
    own = {name: o for name, o in objects.items() if inspect.isclass(o) or inspect.isfunction(o)}
    bare = [name for name, o in own.items() if not (o.__doc__ or "").strip()]
    for name, cls in own.items():
        members = vars(cls).items() if inspect.isclass(cls) else ()
        bare += [
            f"{name}.{member}"
            for member, value in members
            if not member.startswith("_")
            and isinstance(value, (staticmethod, classmethod, property, FunctionType))
            and not (inspect.getdoc(getattr(cls, member)) or "").strip()
        ]
    assert bare == []


@pytest.mark.requirement("workspace.light-import")
def test_importing_the_front_door_stays_light() -> None:
    script = f"import sys, agent_framework_hosting; print(*[m for m in {HEAVY!r} if m in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert shown.stdout.split() == []


@pytest.mark.parametrize("group", PUBLIC_NAMES)
def test_the_reference_page_lists_each_name_under_its_reader(group: str) -> None:
    page = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    sections = dict(
        re.findall(r"^## For (?:the )?(?P<reader>[^\n]+)\n(?P<body>.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
    )
    listed = re.findall(r"^\.\. auto\w+:: agent_framework_hosting\.(\w+)$", sections[group], re.MULTILINE)
    assert sorted(listed) == sorted(PUBLIC_NAMES[group].split())
