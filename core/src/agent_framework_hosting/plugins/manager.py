"""The typed facade through which the host calls every plugin; the merge rule of each hook stands here, once."""

from __future__ import annotations

import inspect
import logging
import re
from collections.abc import Mapping
from types import ModuleType
from typing import TypeVar, cast

from ..errors import PermanentPushError, PluginError
from ..hookspecs import Channel
from ..model.contribution import ChannelContribution
from ..model.identity import ChannelIdentity
from ..model.request import ChannelRequest
from ..model.result import ChannelResponseContext, HostedRunResult, TargetResult, own_copy
from ..model.verdict import AllowlistDecision, AuthorizationContext
from ..ports import ChannelContext, Target
from .hooks import Hook, Hooks, refusal

AnswerT = TypeVar("AnswerT")

logger = logging.getLogger(__name__)

_CHANNEL_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
_TARGET_WORDS = frozenset({"originating", "active", "all_linked", "none"})


class _Chain:
    """The implementations of one hook that see a channel's traffic, computed when plugins are added."""

    def __init__(self) -> None:
        self._policies: tuple[Hook, ...] = ()
        self._by_channel: dict[str, tuple[Hook, ...]] = {}

    def __getitem__(self, channel: str) -> tuple[Hook, ...]:
        return self._by_channel.get(channel, self._policies)

    def rebuild(self, policies: tuple[Hook, ...], own: Mapping[str, Hook], *, own_first: bool) -> None:
        self._policies = policies
        self._by_channel = {
            channel: (hook, *policies) if own_first else (*policies, hook) for channel, hook in own.items()
        }


class PluginManager:
    """Hold the channels and policies of one host and call their hooks.

    Hooks may be sync or async. A channel's hooks see its own traffic only, a policy's see every channel's. Policies
    run in registration order, those marked ``tryfirst`` before and ``trylast`` after the others. Each call is a DEBUG
    line that names the hook and the plugin, and nothing of what they see.
    """

    def __init__(self) -> None:
        self._hooks = Hooks()
        self._channels: dict[str, Channel] = {}
        self._policies: dict[str, object] = {}
        self._authorize, self._run_hook, self._response_hook = _Chain(), _Chain(), _Chain()

    # Registration

    def add_channel(self, channel: Channel) -> None:
        """Add a channel under its ``name``.

        Raises ``PluginError`` for a missing, malformed or taken name and for hooks that could not work.
        """
        label = _channel_label(getattr(channel, "name", ""))
        if not isinstance(channel, Channel):  # type: ignore[reportUnnecessaryIsInstance] - callers need not be typed
            raise refusal(channel, label, "is not a Channel; give an instance of a subclass of Channel")
        name = channel.name
        plain = isinstance(name, str) and _CHANNEL_NAME.fullmatch(name)  # type: ignore[reportUnnecessaryIsInstance] - as above
        if not plain or name in _TARGET_WORDS:
            raise refusal(
                channel,
                f"{type(channel).__qualname__}",
                f"has the name {name!r}; a channel's name is of [a-z0-9_-], begins with a letter or digit, and is none "
                f"of {', '.join(sorted(_TARGET_WORDS))}",
            )
        if name in self._channels:
            raise refusal(
                channel, label, "is there already; give one of the two another name (in host.toml: use = ...)"
            )
        self._hooks.add(channel, label)
        self._channels[name] = channel
        self._rebuild()

    def add_policy(self, plugin: object, name: str | None = None) -> None:
        """Add a policy, an object or module with marked hooks; ``name`` defaults to that of its type.

        Raises ``PluginError`` for a taken ``name``, for hooks that could not work, and for no hook at all.
        """
        unique = name or self._free_name(plugin)
        label = _policy_label(unique)
        if unique in self._policies:
            raise refusal(plugin, label, "is there already; give one of the two another name")
        self._hooks.add(plugin, label, at_least_one=True)
        self._policies[unique] = plugin
        self._rebuild()

    def _free_name(self, plugin: object) -> str:
        kind = type(plugin)
        base = plugin.__name__ if isinstance(plugin, ModuleType) else f"{kind.__module__}.{kind.__qualname__}"
        count = sum(1 for taken in self._policies if taken.partition("#")[0] == base)
        return f"{base}#{count + 1}" if count else base

    def _rebuild(self) -> None:
        policies = {_policy_label(name) for name in self._policies}
        for chain, hook, own_first in (
            (self._authorize, "authorize", True),
            (self._run_hook, "run_hook", True),
            (self._response_hook, "response_hook", False),
        ):
            shared = tuple(each for each in self._hooks.ordered(hook) if each.label in policies)
            own = {name: each for name in self._channels if (each := self._own(name, hook)) is not None}
            chain.rebuild(shared, own, own_first=own_first)

    def _own(self, channel_name: str, hook: str) -> Hook | None:
        return self._hooks.of(_channel_label(channel_name)).get(hook)

    # What is there

    @property
    def channels(self) -> tuple[Channel, ...]:
        """The channels in registration order."""
        return tuple(self._channels.values())

    @property
    def policies(self) -> tuple[tuple[str, object], ...]:
        """The policies as (name, policy) in registration order."""
        return tuple(self._policies.items())

    def channel(self, name: str) -> Channel:
        """Return a channel by name. Raises ``PluginError`` for an unknown one."""
        channel = self._channels.get(name)
        if channel is None:
            known = ", ".join(sorted(self._channels)) or "none"
            raise PluginError(f"This host has no channel {name!r}; its channels are: {known}")
        return channel

    def knows(self, channel_name: str) -> bool:
        """Say whether the host has a channel of this name."""
        return channel_name in self._channels

    def can_push(self, channel_name: str) -> bool:
        """Say whether the host has this channel and it implements ``push``."""
        return self._own(channel_name, "push") is not None

    @property
    def judges_speakers(self) -> bool:
        """Whether any plugin implements ``authorize``."""
        return bool(self._hooks.ordered("authorize"))

    def shapes_requests(self, channel_name: str) -> bool:
        """Say whether any ``run_hook`` applies to messages of this channel."""
        return bool(self._run_hook[channel_name])

    def shapes_responses(self, channel_name: str) -> bool:
        """Say whether any ``response_hook`` applies to answers that go to this channel."""
        return bool(self._response_hook[channel_name])

    # The five hooks

    def contribute(self, plugin: object, context: ChannelContext) -> ChannelContribution | None:
        """Ask one channel or policy of this host what it adds to the app.

        Raises ``PluginError`` for an answer of another type; an error of the plugin's passes with a note.
        """
        hook = self._hooks.of(self._hooks.label_of(plugin) or "").get("contribute_routes")
        if hook is None:
            return None
        try:
            contribution = _called(hook, "contribute_routes", context)
        except Exception as error:
            _blame(error, hook, "contribute_routes")
            raise
        if contribution is None or isinstance(contribution, ChannelContribution):
            return contribution
        raise _wrong_answer(contribution, hook, "contribute_routes", ChannelContribution)

    async def authorize(self, identity: ChannelIdentity, context: AuthorizationContext) -> AllowlistDecision:
        """Ask the identity's channel and every policy; one DENY refuses, and so does an error.

        ALLOW when anyone allows, otherwise ABSTAIN. Nobody is asked after a DENY.
        """
        decision = AllowlistDecision.ABSTAIN
        for hook in self._authorize[identity.channel]:
            try:
                vote = _called(hook, "authorize", identity, context)
                if vote is not None and not isinstance(vote, AllowlistDecision):
                    vote = await _settled(vote, hook, "authorize", AllowlistDecision)
            except Exception:
                logger.warning(
                    "%s failed in authorize, which counts as DENY; repair or remove it",
                    hook.label,
                    exc_info=True,
                    extra={"hook": "authorize", "plugin": hook.label, "channel": identity.channel},
                )
                return AllowlistDecision.DENY
            if vote is AllowlistDecision.DENY:
                return vote
            decision = vote if vote is AllowlistDecision.ALLOW else decision
        return decision

    async def run_hook(self, request: ChannelRequest, target: Target) -> ChannelRequest:
        """Pass a request through its channel's hook, then every policy's, each seeing what the one before returned.

        Raises ``PluginError`` for an answer of another type or one that changes channel, identity or event id; an
        error of the plugin's passes with a note.
        """
        current, hooks = request, self._run_hook[request.channel]
        wire = request.known_attributes.get("protocol_request") if hooks else None
        for hook in hooks:
            try:
                changed = _called(hook, "run_hook", current, target, wire)
                if changed is not None and not isinstance(changed, ChannelRequest):
                    changed = await _settled(changed, hook, "run_hook", ChannelRequest)
            except Exception as error:
                _blame(error, hook, "run_hook")
                raise
            if changed is None or changed is current:
                continue
            for pinned in ("channel", "identity", "event_id"):
                if getattr(changed, pinned) != getattr(request, pinned):
                    raise PluginError(f"{hook.label} changed {pinned!r} in run_hook; leave it as it was")
            current = changed
        return current

    async def response_hook(
        self, result: HostedRunResult[TargetResult], context: ChannelResponseContext
    ) -> HostedRunResult[TargetResult]:
        """Pass an answer through every policy's hook, then the destination channel's, on a copy of its own.

        Raises ``PluginError`` for an answer of another type; an error of the plugin's passes with a note.
        """
        hooks = self._response_hook[context.channel_name]
        if not hooks:
            return result
        current = own_copy(result)
        for hook in hooks:
            try:
                changed = _called(hook, "response_hook", current, context)
                if changed is not None and not isinstance(changed, HostedRunResult):
                    changed = cast("object", await _settled(changed, hook, "response_hook", HostedRunResult))
            except Exception as error:
                _blame(error, hook, "response_hook")
                raise
            if changed is not None:
                current = cast("HostedRunResult[TargetResult]", changed)
        return current

    async def push(self, identity: ChannelIdentity, payload: HostedRunResult[TargetResult]) -> str | None:
        """Send through the channel that owns the identity; return the platform's message id when there is one.

        Raises what the channel raises, and ``PermanentPushError`` when this host has no such channel or it cannot push.
        """
        hook = self._own(identity.channel, "push")
        if hook is None:
            fault = (
                "does not implement push" if self.knows(identity.channel) else "is not enabled in this host; enable it"
            )
            raise PermanentPushError(f"Channel {identity.channel!r} {fault}, then replay the delivery")
        receipt = _called(hook, "push", identity, payload)
        receipt = await receipt if inspect.isawaitable(receipt) else receipt
        return None if receipt is None else str(receipt)  # it was sent: an id of another type must not undo that


def _called(hook: Hook, name: str, *given: object) -> object:
    if logger.isEnabledFor(logging.DEBUG):  # several hooks a turn, and the names cost as much as the call
        logger.debug("Calling %s of %s", name, hook.label, extra={"hook": name, "plugin": hook.label})
    return hook.call(*given)


async def _settled(answer: object, hook: Hook, name: str, kind: type[AnswerT]) -> AnswerT | None:
    """Await what a hook returned when it is async, and hold it to the type its spec names."""
    settled = await answer if inspect.isawaitable(answer) else answer
    if settled is None or isinstance(settled, kind):
        return settled
    raise _wrong_answer(settled, hook, name, kind)


def _wrong_answer(answer: object, hook: Hook, name: str, kind: type) -> PluginError:
    if inspect.iscoroutine(answer):
        answer.close()
    return PluginError(f"{hook.label} returned {type(answer).__qualname__} from {name}; return {kind.__name__} or None")


def _blame(error: Exception, hook: Hook, name: str) -> None:
    error.add_note(f"Raised by {name} of {hook.label}.")


def _channel_label(name: object) -> str:
    return f"Channel {name!r}"


def _policy_label(name: str) -> str:
    return f"Policy {name!r}"
