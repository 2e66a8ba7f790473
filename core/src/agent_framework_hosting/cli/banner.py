"""What a server says when it starts: where, what, for whom, and how to stop it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import click

from ..hookspecs import Channel
from ..host import AgentFrameworkHost

_HOST_PATHS = ("/healthz", "/readiness")


def banner(host: AgentFrameworkHost, url: str, *, state: str | None) -> str:
    """Return the lines to print before the first request; ``state`` says where state is kept, when that is known."""
    target = getattr(host.target, "name", None) or type(host.target).__name__
    lines = [f"Serving {click.style(str(target), bold=True)} at {click.style(url, bold=True)}"]
    paths = [path for path in map(_path_of, host.app.routes) if path not in _HOST_PATHS]
    width = max(len(channel.name) for channel in host.channels) if host.channels else 0
    for channel in host.channels:
        own = paths_of(channel, host.channels, paths)
        lines.append(f"  {channel.name:<{width}}  {', '.join(own) or 'no routes'}")
    doors = [channel.name for channel in host.channels if is_open(channel, host)]
    if doors:
        lines.append(click.style(f"  no allowlist, so everyone the channel lets in: {', '.join(doors)}", fg="yellow"))
    if state is not None:
        lines.append(f"  state: {state}")
    return "\n".join([*lines, "Press Ctrl-C to stop."])


def is_open(channel: Channel, host: AgentFrameworkHost) -> bool:
    """Say whether no allowlist guards a channel."""
    return (host.default_allowlist if channel.allowlist == "inherit" else channel.allowlist) is None


def paths_of(channel: Channel, channels: Iterable[Channel], paths: Sequence[str]) -> list[str]:
    """Return the paths below a channel's own that belong to no channel further down, shortest first, four at most."""
    deeper = [each.path for each in channels if each is not channel and len(each.path) > len(channel.path)]
    own = {path for path in paths if _below(path, channel.path) and not any(_below(path, other) for other in deeper)}
    shown = sorted(own, key=lambda path: (len(path), path))
    return [*shown[:4], "..."] if len(shown) > 4 else shown


def _below(path: str, root: str) -> bool:
    return path == root or path.startswith(f"{root.rstrip('/')}/")


def _path_of(route: object) -> str:
    return str(getattr(route, "path", ""))
