"""``agent-host trace``: one accepted message, from its admission to its last receipt."""

from __future__ import annotations

from pathlib import Path

import click

from ..operations.answers import Trace, Traces
from ..operations.requests import TraceMessage
from .operating import facts, operate, operating_options, print_json, shown, when

_EXAMPLES = """\b
Examples:
  agent-host trace 01a206db8dc1cdbbbb953ebcb04f
  agent-host trace 01a206db8dc1cdbbbb953ebcb04f --json
"""


@click.command("trace", epilog=_EXAMPLES)
@click.argument("message_id", metavar="ID")
@operating_options
def command(message_id: str, config_file: Path | None, state_dir: Path | None, as_json: bool) -> None:
    """Tell what became of an accepted message.

    ID is that of the message, of its event on the platform, of one of its deliveries, or its continuation token. When
    it was admitted, as whom, its run, each attempt to deliver the answer, and the receipts; never what was said.
    """
    traces = operate(TraceMessage(message_id), Traces, config_file=config_file, state_dir=state_dir)
    if as_json:
        print_json(traces)
    else:
        click.echo("\n\n".join(_text(each) for each in traces.messages))


def _text(trace: Trace) -> str:
    head = facts(
        [
            ("message", trace.turn_id),
            ("channel", trace.channel),
            ("event", trace.event_id),
            ("person", trace.isolation_key or "anonymous"),
            ("status", trace.status),
            ("answered with", trace.joined),
            ("note", trace.note),
        ]
    )
    where = {each.id: f"{each.channel} {each.native_id}" for each in trace.deliveries}
    lines = [head, ""]
    for moment in trace.timeline:
        to = "" if moment.delivery is None else f" [{moment.delivery} to {where.get(moment.delivery, '?')}]"
        error = "" if moment.error is None else f": {moment.error}"
        lines.append(shown(f"{when(moment.at)}  {moment.what}{to}{error}"))
    return "\n".join(lines)
