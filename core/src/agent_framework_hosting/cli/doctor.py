"""``agent-host doctor``: look at everything a start depends on, and say what to type."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click

from .checkup.channels import check_access, check_channels, check_health
from .checkup.configuration import check_configuration, check_host, check_target
from .checkup.installation import check_dependencies, check_import_name, check_plugins
from .checkup.subject import Finding, gather
from .checkup.surroundings import check_isolation_headers, check_port, check_state
from .logs import configure_logging
from .options import config_option, debug_option, is_debug, json_option, port_option

_CHECKS = (  # in the order in which faults should be mended
    check_import_name,
    check_dependencies,
    check_plugins,
    check_configuration,
    check_channels,
    check_target,
    check_host,
    check_access,
    check_isolation_headers,
    check_state,
    check_port,
    check_health,
)
_COLOURS = {"fault": "red", "warning": "yellow", "ok": "green"}
_EXAMPLES = """\b
Examples:
  agent-host doctor
  agent-host doctor --config live.toml --json
  agent-host doctor --host 0.0.0.0 --port 80
"""


@click.command("doctor", epilog=_EXAMPLES)
@config_option
@click.option("--host", default="127.0.0.1", show_default=True, help="Address that is to be bound.")
@port_option
@json_option
@debug_option
def command(config_file: Path | None, host: str, port: int, as_json: bool) -> None:
    """Find what would stop the host, or leave a door open.

    Imports the target and the enabled channels and asks each channel's own check, which may talk to its platform.
    Starts nothing and writes nothing. Exits with 1 when there is a fault, with 0 when there are only warnings.
    """
    configure_logging(debug=is_debug(), quiet=True)
    subject = gather(config_file, bind=host, port=port)
    findings = [finding for check in _CHECKS for finding in check(subject)]
    faults = sum(finding.severity == "fault" for finding in findings)
    warnings = sum(finding.severity == "warning" for finding in findings)
    if as_json:
        report = {"faults": faults, "warnings": warnings, "findings": [asdict(finding) for finding in findings]}
        click.echo(json.dumps(report, indent=2))
    else:
        click.echo(_text(findings))
        click.echo(f"\n{_count(faults, 'fault')}, {_count(warnings, 'warning')}.")
    if faults:
        raise click.exceptions.Exit(1)


def _text(findings: Sequence[Finding]) -> str:
    lines: list[str] = []
    for finding in findings:
        word = click.style(f"{finding.severity:<7}", fg=_COLOURS[finding.severity], bold=finding.severity != "ok")
        lines.append(f"{word}  {finding.check}: {finding.what}")
        lines.extend(
            f"         {label} {text}" for label, text in (("why:", finding.why), ("type:", finding.do)) if text
        )
    return "\n".join(lines)


def _count(number: int, word: str) -> str:
    return f"{number or 'no'} {word}{'' if number == 1 else 's'}"
