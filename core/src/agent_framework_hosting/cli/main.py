"""``agent-host``: the group of commands. Each is imported when it is called, so that ``--help`` is quick."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
from collections.abc import Mapping
from types import MappingProxyType

import click

from ..errors import HostingError, PluginError
from ..wording import did_you_mean
from .options import debug_option, is_debug

_COMMANDS: Mapping[str, str] = MappingProxyType(
    {
        "serve": "Serve an agent or workflow on its channels.",
        "demo": "Serve a bundled offline agent: no key, no file, no network.",
        "channels": "List the installed channels.",
        "doctor": "Find what would stop the host, or leave a door open.",
        "deliveries": "List, show, replay, drop or purge deliveries.",
        "trace": "Tell what became of an accepted message.",
        "identities": "List, show or forget the people a host knows.",
        "links": "List or revoke the links between accounts.",
        "state": "List what a host keeps, table by table.",
    }
)


PLUGIN_COMMANDS = "agent_framework_hosting.commands"


def plugin_commands() -> Mapping[str, importlib.metadata.EntryPoint]:
    """Return the commands that installed plugins add, by name and unread; the host's own names stay its own."""
    found = sorted(importlib.metadata.entry_points(group=PLUGIN_COMMANDS), key=lambda each: each.name)
    return {each.name: each for each in found if each.name not in _COMMANDS}


class LazyGroup(click.Group):
    """Import a command's module when the command is called; turn errors of the host into one clear message."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's own signature
        """Return the commands in the order a newcomer meets them."""
        return [*_COMMANDS, *plugin_commands()]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - as above
        """Return one command."""
        if cmd_name in _COMMANDS:
            found: object = importlib.import_module(f".{cmd_name}", __package__).command
        elif (added := plugin_commands().get(cmd_name)) is not None:
            found = _load(added)
        else:
            return None
        return found if isinstance(found, click.Command) else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; for an unknown one, suggest the nearest."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            raise click.UsageError(f"{error.message}{did_you_mean(args[0], self.list_commands(ctx))}", ctx) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - as above
        """Write the list of commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(
                [*_COMMANDS.items(), *((name, _origin(each)) for name, each in plugin_commands().items())]
            )

    def invoke(self, ctx: click.Context) -> object:
        """Run; what goes wrong is one message and exit code 1, with a traceback only under ``--debug``."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise
        except HostingError as error:
            if is_debug(ctx):
                raise
            failure = click.ClickException(str(error))
        except Exception as error:
            if is_debug(ctx):
                raise
            failure = click.ClickException(f"{type(error).__name__} stopped the command. Add --debug to see where.")
        raise failure


def _load(command: importlib.metadata.EntryPoint) -> object:
    try:
        return command.load()
    except Exception as error:
        raise PluginError(
            f"The command {command.name!r} cannot be loaded ({type(error).__name__}). {_origin(command)} Update it, or "
            "ask its author."
        ) from error


def _origin(command: importlib.metadata.EntryPoint) -> str:
    return f"Comes with {command.dist.name}." if command.dist is not None else "Comes with a plugin."


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="\b\nExamples:\n  agent-host demo\n  agent-host serve app:agent -c responses\n  agent-host serve\n",
)
@click.version_option(package_name="host-core", prog_name="agent-host")
@debug_option
@click.pass_context
def main(ctx: click.Context) -> None:
    """Serve one agent or workflow on many channels.

    With a host.toml in the current directory "agent-host serve" needs no argument.
    """
    if os.environ.get("NO_COLOR"):
        ctx.color = False
