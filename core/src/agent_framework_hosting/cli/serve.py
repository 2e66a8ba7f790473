"""``agent-host serve``: find the target and its channels, say what is served, serve."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, cast

import click

from ..config import HostConfig, load_config
from ..config.source import DEFAULT_FILE
from ..config.target import is_host, resolve_target
from ..errors import HostConfigurationError
from ..host import AgentFrameworkHost
from ..plugins.discovery import load_channel_class
from ..ports import Target
from .banner import banner
from .listener import hypercorn_bind, open_listener, url_of
from .logs import configure_logging, server_log
from .options import config_option, debug_option, is_debug, log_format_option

_HELP = """Serve an agent or workflow on its channels.

TARGET is module:attribute, found from the current directory: an agent, a workflow, a function that returns one, or an
AgentFrameworkHost. Without it, the target of host.toml is served, with the channels of its tables.

A finished host brings its own channels and reads ./host.toml itself: with it, -c is refused, and so is --config for
any other file.
"""
_EXAMPLES = """\b
Examples:
  agent-host serve                         target and channels of ./host.toml
  agent-host serve app:agent -c responses  no file needed
  agent-host serve app:host --port 9000    a host that app.py builds
  agent-host serve --config live.toml --host 0.0.0.0
"""


@click.command("serve", help=_HELP, epilog=_EXAMPLES)
@click.argument("target", required=False, metavar="[TARGET]")
@click.option("-c", "--channel", "channels", multiple=True, metavar="NAME", help="Enable a channel; repeatable.")
@config_option
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to bind.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="Port; 0 takes a free one."
)
@log_format_option
@debug_option
def command(  # noqa: PLR0917 - click passes by name
    target: str | None,
    channels: Sequence[str],
    config_file: Path | None,
    host: str,
    port: int,
    log_format: Literal["text", "json"],
) -> None:
    """Serve until Ctrl-C."""
    configure_logging(style=log_format, debug=is_debug())
    found, state = build_host(target, tuple(channels), config_file)
    listener = open_listener(host, port)
    click.echo(banner(found, url_of(listener), state=state))
    found.serve(host=host, port=port, bind=hypercorn_bind(listener), errorlog=server_log())


def build_host(
    spec: str | None, channels: tuple[str, ...], config_file: Path | None
) -> tuple[AgentFrameworkHost, str | None]:
    """Return the host that the arguments and the configuration describe, and where its state is when that is known.

    Raises ``click.UsageError`` for arguments that do not go together, ``HostingError`` for everything else.
    """
    config = load_config(config_file, enabled=channels or None, channel_class=load_channel_class)
    named = spec or config.target
    if named is None:
        raise click.UsageError(
            'Nothing to serve: name a target, as in "agent-host serve app:agent -c responses", '
            f'or write target = "app:agent" into {config.origin.label}.'
        )
    found = resolve_target(named, directory=None if spec else config.origin.directory)
    if is_host(found):
        return _finished(found, named, channels, config_file), None
    if not config.channels:
        raise click.UsageError(
            f"No channel is enabled: add -c NAME, or a [channels.NAME] table to {config.origin.label}. "
            'See "agent-host channels" for the names.'
        )
    try:
        host = AgentFrameworkHost(cast("Target", found), channels=list(config.channels), config=config_file)
    except (RuntimeError, ValueError) as error:
        # what the host refuses, it says in a sentence of its own
        raise HostConfigurationError(str(error)) from error
    return host, _state(config)


def _finished(found: object, named: str, channels: tuple[str, ...], config_file: Path | None) -> AgentFrameworkHost:
    if not isinstance(found, AgentFrameworkHost):
        raise click.UsageError(f"The target {named!r} is a {type(found).__qualname__}, not an AgentFrameworkHost.")
    if channels:
        raise click.UsageError(f"{named} is a finished host with channels of its own: leave out -c.")
    if config_file is not None and config_file.resolve() != Path(DEFAULT_FILE).resolve():
        raise click.UsageError(
            f"{named} is a finished host: give it the file in Python, AgentFrameworkHost(config={str(config_file)!r}), "
            "and leave out --config."
        )
    return found


def _state(config: HostConfig) -> str:
    if config.state_dir is None:
        return "in memory, gone when the process ends (set state_dir to keep it)"
    if isinstance(config.state_dir, str):
        return config.state_dir
    return ", ".join(f"{part} in {path}" for part, path in config.state_dir.items())
