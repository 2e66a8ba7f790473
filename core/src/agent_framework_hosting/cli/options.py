"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path

import click

_DEBUG = "agent_framework_hosting.debug"


def _remember_debug(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    ctx.meta[_DEBUG] = value or is_debug(ctx)


def is_debug(ctx: click.Context | None = None) -> bool:
    """Say whether ``--debug`` was given, to the group or to the command."""
    found = ctx or click.get_current_context(silent=True)
    return bool(found and found.meta.get(_DEBUG))


debug_option = click.option(
    "--debug",
    is_flag=True,
    expose_value=False,
    callback=_remember_debug,
    help="Log more, and show tracebacks.",
)

config_option = click.option(
    "--config",
    "config_file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Configuration to read instead of ./host.toml.",
)

port_option = click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8000,
    show_default=True,
    help="Port to bind; 0 takes a free one.",
)

log_format_option = click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How log lines are written: for people, or one JSON object a line.",
)

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
