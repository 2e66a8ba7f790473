"""``agent-host deliveries``: what waits, what was given up, and what to do about it."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import click

from ..model.durable import TaskRecordStatus
from ..operations.answers import Changed, Counted, DeliveryDetail, DeliveryPage, DeliveryRow
from ..operations.requests import DropDeliveries, ListDeliveries, PurgeDeliveries, ReplayDeliveries, ShowDelivery
from .operating import (
    Duration,
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

_STATUSES = get_args(TaskRecordStatus)
_ENDED = [status for status in _STATUSES if status != "pending"]
_EXAMPLES = """\b
Examples:
  agent-host deliveries list --status dead
  agent-host deliveries replay --all-dead
  agent-host deliveries purge --older-than 30d --yes
"""


@click.group("deliveries", epilog=_EXAMPLES)
def command() -> None:
    """List, show, replay, drop or purge deliveries.

    A running host is asked through the socket in its state directory, a stopped one's files are opened. Contents of
    messages are printed by "show" only.
    """


@command.command("list", epilog="\b\nExamples:\n  agent-host deliveries list --status dead --channel telegram\n")
@click.option("--status", multiple=True, type=click.Choice(_STATUSES), help="Only these; repeatable.")
@click.option("--channel", metavar="NAME", help="Only to this channel.")
@click.option("--to", "native_id", metavar="NATIVE_ID", help="Only to this user of a channel.")
@click.option("--since", type=Duration(), metavar="SPAN", help="Only those accepted in this time, such as 2h.")
@click.option("--after", default="", metavar="ID", help="Only those behind this one: the next page.")
@limit_option
@operating_options
def list_command(  # noqa: PLR0917 - click passes by name
    status: Sequence[TaskRecordStatus],
    channel: str | None,
    native_id: str | None,
    since: float | None,
    after: str,
    limit: int,
    config_file: Path | None,
    state_dir: Path | None,
    as_json: bool,
) -> None:
    """List deliveries, oldest first."""
    request = ListDeliveries(
        status=tuple(status),
        channel=channel,
        native_id=native_id,
        since=None if since is None else time.time() - since,
        after=after,
        limit=limit,
    )
    page = operate(request, DeliveryPage, config_file=config_file, state_dir=state_dir)
    if as_json:
        print_json(page)
        return
    click.echo(table(_HEAD, [_row(each) for each in page.deliveries]) if page.deliveries else "There are none.")
    if page.more:
        click.echo(f"\nThere are more: add --after {page.deliveries[-1].id}, or a larger --limit.")


@command.command("show", epilog="\b\nExamples:\n  agent-host deliveries show 18ea9523a0c8068eb8b3e429\n")
@click.argument("delivery_id", metavar="ID")
@operating_options
def show_command(delivery_id: str, config_file: Path | None, state_dir: Path | None, as_json: bool) -> None:
    """Show one delivery: its attempts, its last error, its receipt, and the message it carries."""
    detail = operate(ShowDelivery(delivery_id), DeliveryDetail, config_file=config_file, state_dir=state_dir)
    if as_json:
        print_json(detail)
        return
    one = detail.delivery
    click.echo(
        facts(
            [
                ("id", one.id),
                ("status", one.status),
                ("to", _to(one)),
                ("attempts", f"{one.attempts} of {one.max_attempts}"),
                ("accepted", when(one.created)),
                ("next attempt", None if one.next_attempt is None else when(one.next_attempt)),
                ("ended", None if one.finished is None else when(one.finished)),
                ("receipt", one.receipt),
                ("possibly sent twice", "yes" if one.maybe_duplicate else "no"),
                ("last error", one.last_error),
            ]
        )
    )
    for number, each in enumerate(detail.tries, 1):
        click.echo(shown(f"attempt {number}, {when(each.at)}: {each.error or 'no error'}"))
    click.echo(f"\n{json.dumps(detail.payload, indent=2)}" if detail.payload else "\nIts payload is not kept any more.")


@command.command(
    "replay",
    epilog="\b\nExamples:\n  agent-host deliveries replay --all-dead --channel telegram\n",
)
@click.argument("delivery_ids", nargs=-1, metavar="[ID]...")
@click.option("--all-dead", is_flag=True, help="Every dead letter.")
@click.option("--channel", metavar="NAME", help="With --all-dead: only those to this channel.")
@operating_options
def replay_command(  # noqa: PLR0917 - click passes by name
    delivery_ids: tuple[str, ...],
    all_dead: bool,
    channel: str | None,
    config_file: Path | None,
    state_dir: Path | None,
    as_json: bool,
) -> None:
    """Try dead and unknown deliveries again, with all their attempts.

    A running host tries them at once, a stopped one when it is started.
    """
    if all_dead == bool(delivery_ids):
        raise click.UsageError("Name deliveries, or give --all-dead; not both.")
    if channel is not None and not all_dead:
        raise click.UsageError("--channel goes with --all-dead.")
    request = ReplayDeliveries(delivery_ids, all_dead=all_dead, channel=channel)
    _print_changed(operate(request, Changed, config_file=config_file, state_dir=state_dir), "replayed", as_json)


@command.command("drop", epilog="\b\nExamples:\n  agent-host deliveries drop 18ea9523a0c8068eb8b3e429\n")
@click.argument("delivery_ids", nargs=-1, required=True, metavar="ID...")
@yes_option
@operating_options
def drop_command(
    delivery_ids: tuple[str, ...], yes: bool, config_file: Path | None, state_dir: Path | None, as_json: bool
) -> None:
    """Remove deliveries for good, whatever their status."""
    confirm(f"Remove {_number(len(delivery_ids))} for good?", yes=yes)
    changed = operate(DropDeliveries(delivery_ids), Changed, config_file=config_file, state_dir=state_dir)
    _print_changed(changed, "dropped", as_json)


@command.command("purge", epilog="\b\nExamples:\n  agent-host deliveries purge --status dead --older-than 90d\n")
@click.option(
    "--status",
    multiple=True,
    type=click.Choice(_ENDED),
    default=("succeeded", "dead"),
    show_default=True,
    help="Which; repeatable.",
)
@click.option("--older-than", type=Duration(), required=True, metavar="SPAN", help="Ended so long ago, such as 30d.")
@yes_option
@operating_options
def purge_command(  # noqa: PLR0917 - click passes by name
    status: Sequence[TaskRecordStatus],
    older_than: float,
    yes: bool,
    config_file: Path | None,
    state_dir: Path | None,
    as_json: bool,
) -> None:
    """Remove deliveries that ended long ago, dead letters with their messages."""
    limit = time.time() - older_than
    confirm(f"Remove all {' and '.join(status)} deliveries that ended before {when(limit)}?", yes=yes)
    request = PurgeDeliveries(tuple(status), limit)
    counted = operate(request, Counted, config_file=config_file, state_dir=state_dir)
    if as_json:
        print_json(counted)
    else:
        click.echo(f"Removed {_number(counted.removed)}.")


_HEAD = ("ID", "STATUS", "TO", "ATTEMPTS", "ACCEPTED", "NEXT OR ENDED", "LAST ERROR")


def _row(each: DeliveryRow) -> Sequence[str]:
    until = when(each.next_attempt if each.finished is None else each.finished)
    twice = " (maybe twice)" if each.maybe_duplicate else ""
    attempts = f"{each.attempts}/{each.max_attempts}{twice}"
    return each.id, each.status, _to(each), attempts, when(each.created), until, each.last_error or "-"


def _to(each: DeliveryRow) -> str:
    return f"{each.channel} {each.native_id}"


def _number(count: int) -> str:
    return f"{count} {'delivery' if count == 1 else 'deliveries'}"


def _print_changed(changed: Changed, word: str, as_json: bool) -> None:
    if as_json:
        print_json(changed)
    else:
        click.echo(f"{_number(len(changed.done))} {word}.")
        for sentence in changed.refused.values():
            click.echo(shown(sentence), err=True)
    if changed.refused:
        raise click.exceptions.Exit(1)
