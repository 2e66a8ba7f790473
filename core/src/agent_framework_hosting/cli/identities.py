"""``agent-host identities``: who is known, where and since when; and how to be rid of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from ..operations.answers import Account, Forgotten, PeoplePage, PersonDetail
from ..operations.requests import ForgetIdentity, ListIdentities, ShowIdentity
from .operating import (
    confirm,
    facts,
    limit_option,
    operate,
    operating_options,
    print_json,
    shown,
    table,
    when,
    yes_option,
)

_EXAMPLES = """\b
Examples:
  agent-host identities list --channel telegram
  agent-host identities show telegram:12345
  agent-host identities forget telegram:12345
"""


@click.group("identities", epilog=_EXAMPLES)
def command() -> None:
    """List, show or forget the people a host knows."""


@command.command("list", epilog="\b\nExamples:\n  agent-host identities list --json\n")
@click.option("--channel", metavar="NAME", help="Only who is known on this channel.")
@limit_option
@operating_options
def list_command(
    channel: str | None, limit: int, config_file: Path | None, state_dir: Path | None, as_json: bool
) -> None:
    """List who is known, most recently seen first."""
    page = operate(ListIdentities(channel, limit), PeoplePage, config_file=config_file, state_dir=state_dir)
    if as_json:
        print_json(page)
        return
    rows = [
        (each.isolation_key, "yes" if each.linked else "no", when(each.since), when(each.last_seen), _on(each.accounts))
        for each in page.people
    ]
    click.echo(table(("PERSON", "LINKED", "SINCE", "LAST SEEN", "ACCOUNTS"), rows) if rows else "Nobody is known.")
    if page.known > len(rows):
        click.echo(f"\nThese are {len(rows)} of {page.known}; a larger --limit shows more.")


@command.command("show", epilog="\b\nExamples:\n  agent-host identities show telegram:12345\n")
@click.argument("key", metavar="KEY")
@operating_options
def show_command(key: str, config_file: Path | None, state_dir: Path | None, as_json: bool) -> None:
    """Show every place where a person is known.

    KEY is their isolation key, or CHANNEL:NATIVE_ID of one of their accounts.
    """
    person = operate(ShowIdentity(key), PersonDetail, config_file=config_file, state_dir=state_dir)
    if as_json:
        print_json(person)
        return
    click.echo(facts([("person", person.isolation_key), ("linked accounts", _on(person.linked))]))
    rows = [
        (
            each.account.channel,
            each.account.native_id,
            "group" if each.is_group else "direct",
            when(each.since),
            when(each.last_seen),
            ", ".join(each.claims) or "-",
            each.conversation_id or "-",
        )
        for each in person.addresses
    ]
    if rows:
        head = ("CHANNEL", "USER", "CHAT", "SINCE", "LAST SEEN", "VERIFIED CLAIMS", "CONVERSATION")
        click.echo(f"\n{table(head, rows)}")


@command.command("forget", epilog="\b\nExamples:\n  agent-host identities forget telegram:12345 --yes\n")
@click.argument("key", metavar="KEY")
@yes_option
@operating_options
def forget_command(key: str, yes: bool, config_file: Path | None, state_dir: Path | None, as_json: bool) -> None:
    """Remove every trace of a person, for good.

    Their addresses, links, sessions, checkpoints, messages, background runs, the deliveries to and from them, and what
    channels keep of them; conversations they share with others start afresh. KEY is their isolation key, or
    CHANNEL:NATIVE_ID of one of their accounts; all linked accounts are forgotten. Exits with 1 when something could not
    be removed.
    """
    confirm(f"Remove every trace of {shown(key)}, for good?", yes=yes)
    gone = operate(ForgetIdentity(key), Forgotten, config_file=config_file, state_dir=state_dir)
    if as_json:
        print_json(gone)
    else:
        click.echo(
            facts(
                [
                    ("forgotten", gone.isolation_key),
                    ("accounts", _on(gone.accounts)),
                    ("messages", gone.messages),
                    ("deliveries", gone.deliveries),
                    ("background runs", gone.background_runs),
                    ("shared conversations", ", ".join(gone.shared_conversations) or None),
                ]
            )
        )
        for sentence in gone.left:
            click.echo(shown(sentence), err=True)
    if gone.left:
        raise click.exceptions.Exit(1)


def _on(accounts: Sequence[Account]) -> str:
    return ", ".join(f"{each.channel} {each.native_id}" for each in accounts) or "-"
