"""Who may speak: doors that stand open."""

from __future__ import annotations

from collections.abc import Iterator

from ...authorization.allowlists import AllowAll
from ...hookspecs import Channel
from .findings import Finding
from .subject import Subject

_WHY = "Whoever reaches it talks to the agent, with its tools and at its cost."


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
