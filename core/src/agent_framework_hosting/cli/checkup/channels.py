"""The channels: can each be imported and built, and what does each say about itself."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

from ...hookspecs import Channel
from .findings import Finding, command_in
from .subject import Subject

_SECONDS = 15.0


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
