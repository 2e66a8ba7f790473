"""``agent-host teams``: what operating a Teams bot needs beside the host."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import cast

import click

from .manifest import SCOPES, AppDescription, package_of


@click.group("teams", help="Microsoft Teams: make the app package.")
def command() -> None:
    """Hold the commands of the Teams channel."""


@command.command("manifest")
@click.option("--app-id", help="The bot's application id; by default app_id of host.toml.")
@click.option("--config", type=click.Path(path_type=Path), default=Path("host.toml"), show_default=True)
@click.option("--channel", default="teams", show_default=True, help="The channel's table in host.toml.")
@click.option("--name", default="Assistant", show_default=True, help="What people see, at most 30 characters.")
@click.option(
    "--description", default="Ask me anything.", show_default=True, help="One sentence, at most 80 characters."
)
@click.option("--developer", default="Your organisation", show_default=True)
@click.option(
    "--website", default="https://example.com", show_default=True, help="Your site, with /privacy and /terms."
)
@click.option("--app-version", "version", default="1.0.0", show_default=True)
@click.option("--accent", default="#4F52B2", show_default=True, help="The icon's colour.")
@click.option("--scope", "scopes", multiple=True, type=click.Choice(SCOPES), help="Where it can be added; repeatable.")
@click.option("--hear-everything", is_flag=True, help="Ask for consent to read messages that do not mention the bot.")
@click.option("--sign-in-host", help="The bot's public host name, when oauth_connection is set.")
@click.option("--output", type=click.Path(path_type=Path), default=Path("teams-app.zip"), show_default=True)
def manifest(  # noqa: PLR0917 - click passes by name
    app_id: str | None,
    config: Path,
    channel: str,
    name: str,
    description: str,
    developer: str,
    website: str,
    version: str,
    accent: str,
    scopes: tuple[str, ...],
    hear_everything: bool,
    sign_in_host: str | None,
    output: Path,
) -> None:
    """Write the app package: manifest and icons in a zip, to upload in Teams."""
    if not re.fullmatch(r"#[0-9A-Fa-f]{6}", accent):
        raise click.UsageError("--accent is a colour such as #4F52B2.")
    app = AppDescription(
        app_id=app_id or _configured(config, channel),
        name=name,
        description=description,
        developer=developer,
        website=website,
        version=version,
        accent=accent,
        scopes=scopes or SCOPES,
        hears_everything=hear_everything,
        sign_in_host=sign_in_host,
    )
    output.write_bytes(package_of(app))
    click.echo(f"Wrote {output} for app {app.app_id}. In Teams: Apps, Manage your apps, Upload an app.")


def _configured(config: Path, channel: str) -> str:
    advice = "give it with --app-id"
    try:
        tables = cast("dict[str, dict[str, dict[str, object]]]", tomllib.loads(config.read_text(encoding="utf-8")))
        found: object = tables.get("channels", {}).get(channel, {}).get("app_id")
    except OSError:
        raise click.UsageError(f"{config} cannot be read, so the app id is not known: {advice}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, AttributeError):
        raise click.UsageError(f"{config} is no TOML with a table [channels.{channel}]: {advice}.") from None
    if not isinstance(found, str) or not found or found.startswith(("env:", "file:")):
        raise click.UsageError(f"[channels.{channel}] of {config} holds no plain app_id: {advice}.")
    return found
