"""What the operator's commands share: which host is meant, how it is asked, and how the answer is printed.

Nothing that a wire could smuggle into a terminal is printed.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

import click
import msgspec

from ..assembly.state import control_socket, resolve_state_paths
from ..config import HostConfig, build_channel, load_config
from ..errors import HostConfigurationError, OperationRefused
from ..hookspecs import Channel
from ..operations.client import ask
from ..operations.place import StatePlace
from ..operations.requests import Request
from ..plugins.discovery import load_channel_class
from .logs import configure_logging
from .options import config_option, debug_option, is_debug, json_option

AnswerT = TypeVar("AnswerT")
CommandT = TypeVar("CommandT", bound=Callable[..., object])

_WIDEST = 60
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}

state_dir_option = click.option(
    "--state-dir",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="State directory of the host, when the configuration does not name it.",
)
yes_option = click.option("--yes", is_flag=True, help="Do not ask before removing.")
limit_option = click.option(
    "--limit", type=click.IntRange(1, 1000), default=100, show_default=True, help="Show at most so many."
)


def operating_options(command: CommandT) -> CommandT:
    """Add ``--config``, ``--state-dir``, ``--json`` and ``--debug``."""
    for option in (debug_option, json_option, state_dir_option, config_option):
        command = option(command)
    return command


class Duration(click.ParamType[float]):
    """A time span such as 90s, 30m, 12h or 7d, in seconds."""

    name = "duration"

    def convert(self, value: str | float, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return seconds."""
        if isinstance(value, int | float):
            return float(value)
        found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", value)
        if found is None:
            self.fail(f"{value!r} is no time span; write it like 90s, 30m, 12h or 7d.", param, ctx)
        return float(found[1]) * _UNITS[found[2]]


def operate(request: Request, kind: type[AnswerT], *, config_file: Path | None, state_dir: Path | None) -> AnswerT:
    """Ask the host that is meant, live or stopped. Raises ``HostingError`` with a sentence."""
    configure_logging(debug=is_debug(), quiet=True)
    return asyncio.run(ask(request, kind, place_of(config_file, state_dir)))


def place_of(config_file: Path | None, state_dir: Path | None) -> StatePlace:
    """Return where the state is. Raises ``OperationRefused`` when it is in memory, or its directory is not there."""
    config = load_config(config_file)
    given = config.state_dir if state_dir is None else str(state_dir)
    socket = control_socket(given)
    if given is None or socket is None:
        raise OperationRefused(
            f"{config.origin.label} names no state_dir, so state is kept in memory and cannot be reached from outside "
            "the host. Set state_dir, or name the directory with --state-dir when the host is built in Python."
        )
    if not socket.parent.is_dir():
        raise OperationRefused(f"There is no state directory {socket.parent}. Check state_dir, or use --state-dir.")
    paths = resolve_state_paths(given)
    checkpoints = config.checkpoint_location or paths.get("checkpoints")
    return StatePlace(paths, socket, checkpoints, partial(_channel, config))


def _channel(config: HostConfig, name: str) -> Channel:
    found = config.channels.get(name)
    if found is None:
        raise HostConfigurationError(f"{config.origin.label} has no table [channels.{name}].")
    return build_channel(name, found, channel_class=load_channel_class(found.plugin))


def print_json(answer: object) -> None:
    """Print an answer as JSON."""
    click.echo(json.dumps(msgspec.to_builtins(answer), indent=2))


def confirm(question: str, *, yes: bool) -> None:
    """Ask before something is removed, unless ``yes``; everything but yes ends the command."""
    if not yes:
        click.confirm(question, abort=True, err=True)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return rows under their heads, each column as wide as it needs to be; the last one is cut at 60 characters."""
    cells = [list(head), *([shown(cell) for cell in row] for row in rows)]
    for line in cells[1:]:
        line[-1] = line[-1] if len(line[-1]) <= _WIDEST else f"{line[-1][: _WIDEST - 1]}…"
    widths = [max(len(line[column]) for line in cells) for column in range(len(head))]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip() for line in cells
    )


def facts(pairs: Sequence[tuple[str, object]]) -> str:
    """Return named values, one a line; what is None is left out."""
    told = [(name, shown(str(value))) for name, value in pairs if value is not None]
    width = max((len(name) for name, _ in told), default=0)
    return "\n".join(f"{name.ljust(width)}  {value}" for name, value in told)


def shown(text: str) -> str:
    """Return a text without control characters: ids come from wires, and terminals obey escapes."""
    return "".join(character if character.isprintable() else "?" for character in text) or "-"


def when(seconds: float | None) -> str:
    """Return a time, given in seconds since the epoch, as local time."""
    return "-" if seconds is None else f"{datetime.fromtimestamp(seconds).astimezone():%Y-%m-%d %H:%M:%S}"
