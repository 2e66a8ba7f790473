"""The channels: can each be imported and built, who may speak there, and what does each say about itself."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

from ...authorization.allowlists import AllowAll
from ...hookspecs import Channel
from .subject import Finding, Subject, command_in

_SECONDS = 15.0
_WHY = "Whoever reaches it talks to the agent, with its tools and at its cost."


def check_channels(subject: Subject) -> Iterator[Finding]:
    """Find enabled channels that cannot be imported or built, and a configuration that enables none."""
    for name, fault in subject.channel_faults.items():
        yield Finding(
            "fault",
            "channels",
            fault,
            f"[channels.{name}] enables it by name, so the host does not start without it.",
            command_in(fault, f"edit {subject.config.origin.label}"),
        )
    if subject.channels:
        names = ", ".join(channel.name for channel in subject.channels)
        yield Finding("ok", "channels", f"Enabled and built: {names}.")
    elif subject.config_exists and not (subject.config.channels or subject.config_fault):
        yield Finding(
            "warning",
            "channels",
            f"{subject.config.origin.label} enables no channel.",
            "Nobody can reach the agent.",
            "agent-host channels",
        )


def check_access(subject: Subject) -> Iterator[Finding]:
    """Find channels without an allowlist, and anonymous ones that other machines reach."""
    for channel in subject.channels:
        allowlist = subject.default_allowlist if channel.allowlist == "inherit" else channel.allowlist
        if _is_anonymous(subject, channel):
            yield _anonymous(channel)
        elif isinstance(allowlist, AllowAll):
            yield Finding("ok", "access", f"Channel {channel.name} is open to everyone, as configured.")
        elif allowlist is not None or channel.require_link or _asks_for_keys(subject, channel):
            yield Finding("ok", "access", f"Channel {channel.name} does not let everyone in.")
        else:
            yield Finding(
                "warning",
                "access",
                f"Channel {channel.name} has no allowlist.",
                _WHY,
                f'[channels.{channel.name}] allowlist = {{ native_ids = ["..."] }}, or "open" if it is meant',
            )


def _is_anonymous(subject: Subject, channel: Channel) -> bool:
    """Say whether callers without a key are taken from other machines: the two option names say it for any API."""
    options = subject.options.get(channel.name)
    if options is None or "api_keys" in options.values:
        return False
    return options.values.get("allow_anonymous") is True


def _asks_for_keys(subject: Subject, channel: Channel) -> bool:
    options = subject.options.get(channel.name)
    return options is not None and bool(options.values.get("api_keys"))


def _anonymous(channel: Channel) -> Finding:
    return Finding(
        "warning",
        "access",
        f"Channel {channel.name} takes callers without a key, also from other machines (allow_anonymous).",
        _WHY,
        f'[channels.{channel.name}] api_keys = ["env:NAME"], and leave out allow_anonymous',
    )


def check_health(subject: Subject) -> Iterator[Finding]:
    """Ask each channel's own ``check``, which may talk to its platform."""
    for channel, faults in zip(subject.channels, asyncio.run(_ask_all(subject.channels)), strict=True):
        for fault in faults:
            yield Finding(
                "fault",
                channel.name,
                fault,
                "The channel says so itself; it would start and not work.",
                command_in(fault, f"see the page of channel {channel.name} in the documentation"),
            )
        if not faults:
            yield Finding("ok", channel.name, "The channel finds nothing wrong.")


async def _ask_all(channels: Sequence[Channel]) -> Sequence[Sequence[str]]:
    return await asyncio.gather(*(_ask(channel) for channel in channels))


async def _ask(channel: Channel) -> Sequence[str]:
    try:
        async with asyncio.timeout(_SECONDS):
            return [*await channel.check()]
    except TimeoutError:
        return [f"Its check did not end within {_SECONDS:g} seconds; is its platform reachable from here?"]
    except Exception as error:  # a plugin's check may raise anything, and its text may quote a secret
        return [f"Its check failed with {type(error).__name__}."]
