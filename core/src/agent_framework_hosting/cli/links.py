"""``agent-host links``: whose accounts are linked, and how to end it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from ..operations.answers import Account, LinksPage, Revoked
from ..operations.requests import ListLinks, RevokeLink
from .operating import confirm, limit_option, operate, operating_options, print_json, shown, table, when, yes_option

_EXAMPLES = """\b
Examples:
  agent-host links list
  agent-host links revoke telegram:12345
"""


@click.group("links", epilog=_EXAMPLES)
def command() -> None:
    """List or revoke the links between accounts."""


@command.command("list", epilog="\b\nExamples:\n  agent-host links list --json\n")
@limit_option
@operating_options
def list_command(limit: int, config_file: Path | None, state_dir: Path | None, as_json: bool) -> None:
    """List who is linked with whom."""
    page = operate(ListLinks(limit), LinksPage, config_file=config_file, state_dir=state_dir)
    if as_json:
        print_json(page)
        return
    rows = [(each.isolation_key, when(each.since), _on(each.accounts)) for each in page.links]
    click.echo(table(("PERSON", "SINCE", "ACCOUNTS"), rows) if rows else "Nobody is linked.")
    if page.known > len(rows):
        click.echo(f"\nThese are {len(rows)} of {page.known}; a larger --limit shows more.")


@command.command("revoke", epilog="\b\nExamples:\n  agent-host links revoke telegram:12345 --yes\n")
@click.argument("key", metavar="KEY")
@yes_option
@operating_options
def revoke_command(key: str, yes: bool, config_file: Path | None, state_dir: Path | None, as_json: bool) -> None:
    """End the link of all accounts of a person: each has a memory of its own from the next message on.

    KEY is the person's isolation key, or CHANNEL:NATIVE_ID of one of their accounts. What they said while linked stays
    with the account whose key they shared.
    """
    confirm(f"End the link of all accounts of {shown(key)}?", yes=yes)
    revoked = operate(RevokeLink(key), Revoked, config_file=config_file, state_dir=state_dir)
    if as_json:
        print_json(revoked)
    else:
        click.echo(f"On their own now: {shown(_on(revoked.accounts))}.")


def _on(accounts: Sequence[Account]) -> str:
    return ", ".join(f"{each.channel} {each.native_id}" for each in accounts)
