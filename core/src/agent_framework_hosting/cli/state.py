"""``agent-host state``: what a host keeps, table by table."""

from __future__ import annotations

from pathlib import Path

import click

from ..operations.answers import Tables
from ..operations.requests import ListTables
from .operating import operate, operating_options, print_json, table

_EXAMPLES = """\b
Examples:
  agent-host state
  agent-host state --json
"""


@click.command("state", epilog=_EXAMPLES)
@operating_options
def command(config_file: Path | None, state_dir: Path | None, as_json: bool) -> None:
    """List every table of the state: its records, and those this version cannot read.

    What cannot be read was set aside; it is taken back by a version that can. A table that no part declares is used by
    a channel by itself: the host neither bounds it nor knows whose records it holds.
    """
    found = operate(ListTables(), Tables, config_file=config_file, state_dir=state_dir)
    if as_json:
        print_json(found)
        return
    rows = [
        (
            each.name,
            str(each.records),
            str(each.set_aside),
            "yes" if each.names_people else "no",
            each.holds or (each.owner or "declared by nobody"),
        )
        for each in found.tables
    ]
    click.echo(table(("TABLE", "RECORDS", "SET ASIDE", "PEOPLE", "WHAT"), rows))
