"""``agent-host channels``: what is installed, from which distribution, enabled or not, healthy or why not."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from ..config import ChannelTable, config_schema, load_config
from ..config.build import build_channel
from ..errors import HostingError
from ..hookspecs import Channel
from ..plugins.discovery import InstalledPlugin, installed_channels, load_channel_class
from .options import config_option, debug_option, json_option

_EXAMPLES = """\b
Examples:
  agent-host channels
  agent-host channels --json
  agent-host channels --schema > host.schema.json
"""


@dataclass(frozen=True, slots=True)
class ChannelRow:
    """One line of the listing; ``healthy`` is None for a channel that is not enabled, and so was not imported.

    ``api_level`` is the level of the plugin API the channel works with, None for one that is not installed.
    """

    name: str
    distribution: str
    version: str
    enabled_as: Sequence[str]
    healthy: bool | None
    fault: str | None
    api_level: int | None = None

    @property
    def health(self) -> str:
        """The health column."""
        return {True: "ok", False: "fault", None: "-"}[self.healthy]


@click.command("channels", epilog=_EXAMPLES)
@config_option
@click.option("--schema", is_flag=True, help="Print the JSON Schema of host.toml with the options of these channels.")
@json_option
@debug_option
def command(config_file: Path | None, schema: bool, as_json: bool) -> None:
    """List the installed channels.

    For each: its distribution, whether the configuration enables it, and whether it is healthy. Only enabled channels
    are imported. Exits with 1 when an enabled one has a fault.
    """
    installed = installed_channels()
    if schema:
        click.echo(json.dumps(config_schema(_all_classes(installed)), indent=2))
        return
    rows, trouble = _rows(installed, config_file)
    if as_json:
        click.echo(json.dumps([asdict(row) for row in rows], indent=2))
    else:
        click.echo(_table(rows) if rows else "No channel is installed. Try: pip install host-channel-responses")
    if trouble is not None:
        raise click.ClickException(trouble)
    if any(row.healthy is False and row.enabled_as for row in rows):
        raise click.exceptions.Exit(1)


def _rows(installed: Sequence[InstalledPlugin], config_file: Path | None) -> tuple[list[ChannelRow], str | None]:
    tables: Mapping[str, ChannelTable] = {}
    trouble = None
    try:
        tables = load_config(config_file).channels
    except HostingError as error:
        trouble = str(error)
    rows = [_row(plugin, [each for each in tables.values() if each.plugin == plugin.name]) for plugin in installed]
    known = {plugin.name for plugin in installed}
    missing = [table for table in tables.values() if table.plugin not in known]
    rows.extend(ChannelRow(table.plugin, "-", "-", [table.name], False, _fault([table])) for table in missing)
    return rows, trouble


def _row(plugin: InstalledPlugin, tables: Sequence[ChannelTable]) -> ChannelRow:
    fault = plugin.fault or _fault(tables)
    healthy = None if fault is None and not tables else fault is None
    names = [each.name for each in tables]
    return ChannelRow(plugin.name, plugin.distribution, plugin.version, names, healthy, fault, plugin.api_level)


def _fault(tables: Iterable[ChannelTable]) -> str | None:
    """Import and build what is enabled, as the host would; constructors open nothing."""
    for table in tables:
        try:
            build_channel(table.name, table, channel_class=load_channel_class(table.plugin))
        except HostingError as error:
            return str(error)
    return None


def _table(rows: Sequence[ChannelRow]) -> str:
    cells = [("CHANNEL", "DISTRIBUTION", "VERSION", "ENABLED", "HEALTH")]
    for row in rows:
        names = (
            "no" if not row.enabled_as else "yes" if list(row.enabled_as) == [row.name] else ", ".join(row.enabled_as)
        )
        cells.append((row.name, row.distribution, row.version, names, row.health))
    widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]
    lines = ["  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip() for line in cells]
    faults = [f"{row.name}: {row.fault}" for row in rows if row.fault is not None]
    return "\n".join([*lines, *([""] if faults else []), *(click.style(each, fg="red") for each in faults)])


def _all_classes(installed: Sequence[InstalledPlugin]) -> dict[str, type[Channel]]:
    classes: dict[str, type[Channel]] = {}
    for plugin in installed:
        try:
            classes[plugin.name] = load_channel_class(plugin.name)
        except HostingError as error:
            click.echo(f"Left out: {error}", err=True)
    return classes
