"""The contract of a plugin: the five hooks and the base class of every channel.

pluggy carries the marks; the merge rule of each hook is the host's own and stands in its docstring.
Hooks may be sync or async and may declare fewer arguments than the spec.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Generic, Literal, TypeAlias, cast, get_args

import pluggy
from typing_extensions import TypeVar

from .errors import ChannelConfigurationError
from .model.contribution import ChannelContribution
from .model.durable import SendRecord
from .model.identity import ChannelIdentity
from .model.request import ChannelRequest
from .model.result import ChannelResponseContext, HostedRunResult, TargetResult
from .model.verdict import AllowlistDecision, AuthorizationContext
from .ports import ChannelContext, ChannelPushCodec, IdentityAllowlist, LiveReply, Store, Target
from .wording import check, did_you_mean

if TYPE_CHECKING:
    from agent_framework import AgentResponseUpdate
    from pydantic import BaseModel

PROJECT_NAME = "agent_framework_hosting"
OptionsT_co = TypeVar("OptionsT_co", bound="BaseModel", covariant=True, default="BaseModel")

hookspec = pluggy.HookspecMarker(PROJECT_NAME)
hookimpl = pluggy.HookimplMarker(PROJECT_NAME)


GroupAddressing: TypeAlias = Literal["mention_only", "command_only", "mention_or_command", "all"]
ConversationScope: TypeAlias = Literal["per_user", "per_user_per_conversation", "per_conversation"]


class HookSpecs:
    """The five hooks."""

    @hookspec
    def contribute_routes(self, context: ChannelContext) -> ChannelContribution | None:
        """Return what this plugin adds to the app: routes, commands, middleware, lifecycle callbacks.

        Called once, when the app is built. Contributions are collected; a route clash is refused.
        """

    @hookspec
    async def authorize(self, identity: ChannelIdentity, context: AuthorizationContext) -> AllowlistDecision | None:
        """Vote on a speaker before anything is recorded; None abstains.

        Called once per turn. One DENY refuses, and so does an exception; ALLOW means no objection, then the
        allowlists decide.
        """

    @hookspec
    async def run_hook(
        self, request: ChannelRequest, target: Target, protocol_request: object
    ) -> ChannelRequest | None:
        """Return a changed request, or None to leave it as it is.

        Called after authorize, before the session. Chained: the originating channel's own, then policies in
        registration order. Channel, identity and event id stay what they were. ``protocol_request`` is the wire's
        own request object when the channel put one into ``request.attributes["protocol_request"]``.
        """

    @hookspec
    async def response_hook(
        self, result: HostedRunResult[TargetResult], context: ChannelResponseContext
    ) -> HostedRunResult[TargetResult] | None:
        """Return the answer as this destination may see it, or None to leave it as it is.

        Called once per destination, each on its own copy. Chained: policies, then the destination channel's own.
        """

    @hookspec
    async def push(self, identity: ChannelIdentity, payload: HostedRunResult[TargetResult]) -> str | None:
        """Send an answer to one of this channel's addresses; return the platform's message id when there is one.

        Called once per delivery attempt, only on the channel that owns the identity. Raising means retry,
        ``RetryLater`` says when, ``PermanentPushError`` gives up.
        """


HOOK_NAMES: tuple[str, ...] = ("contribute_routes", "authorize", "run_hook", "response_hook", "push")
CHANNEL_SETTINGS: tuple[str, ...] = (
    "name",
    "path",
    "allowlist",
    "require_link",
    "wire_targets",
    "accept_in_group",
    "conversation_scope",
    "on_uncertain_send",
    "stream_transform",
)
"""What the constructor of every channel takes by keyword, beside the fields of its ``Options``."""
_CHOICES: Mapping[str, tuple[object, ...]] = {
    "accept_in_group": get_args(GroupAddressing),
    "conversation_scope": (*get_args(ConversationScope), None),
    "on_uncertain_send": ("retry", "unknown"),
}


class Channel(Generic[OptionsT_co]):
    """Base class of every channel; a subclass sets ``name`` and implements hooks marked ``@hookimpl``.

    ``Options``, a pydantic model, declares once what an operator can set: its fields are keywords of the constructor
    and keys of the channel's table in host.toml, and ``self.options`` holds them checked. A subclass needs a
    constructor only for what no file can express, such as callables. Without ``Options``, a constructor's own annotated
    keywords are the options. Constructors open nothing.

    ``allowlist`` is ``"inherit"`` (the host's default), None (open) or an allowlist; ``require_link`` asks everyone
    to link; ``emits_verified_claims`` declares that requests carry claims the platform verified;
    ``on_uncertain_send`` says what happens to a push whose effect is unknown: ``"retry"`` it, flagged as a possible
    duplicate, or leave it ``"unknown"`` for ``reconcile`` or the operator.

    ``accept_in_group`` says which group messages the bot answers, ``conversation_scope`` who shares a conversation
    (None: per user in a direct chat, per user and conversation in a group). ``wire_targets`` are the response targets
    a caller may name through ``ChannelContext.wire_target``. ``stream_transform`` sees each update of a streamed answer
    on its way to this channel: it returns a replacement, or None to drop it.
    """

    name: str = ""
    path: str = ""
    allowlist: IdentityAllowlist | Literal["inherit"] | None = "inherit"
    require_link: bool = False
    emits_verified_claims: bool = False
    push_codec: ChannelPushCodec | None = None
    on_uncertain_send: Literal["retry", "unknown"] = "retry"
    accept_in_group: GroupAddressing = "mention_only"
    conversation_scope: ConversationScope | None = None
    wire_targets: Sequence[str] = ()
    stream_transform: ChannelStreamTransformHook | None = None
    Options: ClassVar[type[BaseModel] | None] = None
    options: OptionsT_co

    def __init__(self, options: OptionsT_co | None = None, /, **settings: object) -> None:
        """Take the options, as an instance of ``Options`` or by keyword, and the settings every channel has.

        The settings are ``name``, ``path``, ``allowlist``, ``require_link``, ``wire_targets``, ``accept_in_group``,
        ``conversation_scope``, ``on_uncertain_send`` and ``stream_transform``; what is left out stays as the class has
        it. Another ``name`` answers at ``/<name>``, unless ``path`` is given. Raises ``ChannelConfigurationError`` with
        one sentence per fault, none of which holds a value.
        """
        common = {name: settings[name] for name in CHANNEL_SETTINGS if name in settings}
        if common.get("name", self.name) != self.name:
            self.path = f"/{common['name']}"
        for name, value in common.items():
            setattr(self, name, value)
        model = type(self).Options
        fields = frozenset[str]() if model is None else frozenset(model.model_fields)
        own = {name: value for name, value in settings.items() if name in fields or name not in common}
        known = {*fields, *CHANNEL_SETTINGS}
        if options is not None:
            fit = model is not None and isinstance(options, model) and not own
            faults = [] if fit else ["Give the options as an instance of its Options, or by keyword, and not both."]
            self.options = options
        elif model is not None:
            checked, faults = check(model, own, known=known)
            self.options = cast("OptionsT_co", checked)
        else:
            faults = [f"{name}: unknown option.{did_you_mean(name, known)}" for name in own]
        faults += [
            f"{name}: must be {' or '.join(map(repr, choices))}."
            for name, choices in _CHOICES.items()
            if getattr(self, name) not in choices
        ]
        if faults:
            raise ChannelConfigurationError(f"Channel {self.name!r}: {' '.join(faults)}")

    def live_reply(self, request: ChannelRequest) -> LiveReply | None:
        """Return an object that shows the answer to an admitted request while it is written, or None."""
        return None

    def settle(self, request: ChannelRequest) -> float:
        """Return for how many seconds of quiet an admitted message waits for more that belongs to it; 0 runs it now.

        Platforms cut long texts and albums into several messages. At most 12 messages and 7.5 seconds are gathered.
        """
        return 0.0

    def merge(self, requests: Sequence[ChannelRequest]) -> ChannelRequest:
        """Return the one request that several gathered messages make, oldest first; by default their last."""
        return requests[-1]

    async def reconcile(self, record: SendRecord) -> Literal["sent", "not_sent"] | None:
        """Say whether a send of unknown effect reached the platform; None when that cannot be told.

        ``not_sent`` sends it again. Called when ``on_uncertain_send`` is ``"unknown"``; it has 30 seconds.
        """
        return None

    async def forget(self, identities: Sequence[ChannelIdentity], store: Store) -> None:
        """Remove what this channel keeps about people, from memory and from its own tables in ``store``.

        Called when the operator has the host forget a person, with their identities on this channel. The host may be
        stopped then: the channel was built, and nothing else of it was called.
        """

    async def check(self) -> Sequence[str]:
        """Return the channel's present faults, one sentence each, for readiness and ``doctor``; empty is healthy."""
        return ()


ChannelRunHook: TypeAlias = Callable[..., "Awaitable[ChannelRequest | None] | ChannelRequest | None"]
ChannelResponseHook: TypeAlias = Callable[
    ..., "Awaitable[HostedRunResult[TargetResult] | None] | HostedRunResult[TargetResult] | None"
]
ChannelStreamTransformHook: TypeAlias = Callable[
    ["AgentResponseUpdate"], "Awaitable[AgentResponseUpdate | None] | AgentResponseUpdate | None"
]


async def apply_run_hook(
    hook: ChannelRunHook | None, request: ChannelRequest, *, target: Target, protocol_request: object = None
) -> ChannelRequest:
    """Call a run hook, sync or async, and return its request, or the given one when it returns None."""
    if hook is None:
        return request
    changed = hook(request, target=target, protocol_request=protocol_request)
    return (await changed if inspect.isawaitable(changed) else changed) or request


async def apply_response_hook(
    hook: ChannelResponseHook | None,
    result: HostedRunResult[TargetResult],
    *,
    context: ChannelResponseContext,
) -> HostedRunResult[TargetResult]:
    """Call a response hook, sync or async, and return its result, or the given one when it returns None."""
    if hook is None:
        return result
    changed = hook(result, context=context)
    return (await changed if inspect.isawaitable(changed) else changed) or result
