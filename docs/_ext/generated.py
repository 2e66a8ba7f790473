"""Directives that write reference pages from the code itself, so that they cannot go stale."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

import click
from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from agent_framework_hosting.cli.main import main as command_line
from agent_framework_hosting.config.keys import CHANNEL_KEYS, HOST_KEYS, Key
from agent_framework_hosting.config.options import options_model
from agent_framework_hosting.config.values import HostSettings

if TYPE_CHECKING:
    from sphinx.application import Sphinx

COLLECTIONS = {"array": ("a list", "items"), "object": ("a table", "additionalProperties")}
HOST_TITLE, CHANNEL_TITLE = ("key", "value", "default", "meaning"), ("key", "value", "meaning")


def table(title: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Return a Markdown table."""
    lines = [title, tuple("---" for _ in title), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def key_rows(keys: Mapping[str, Key], defaults: object | None) -> Iterator[tuple[str, ...]]:
    """Return a row for each key, with its default where ``defaults`` has one."""
    for name, key in keys.items():
        default = () if defaults is None else (shown(getattr(defaults, name, None)),)
        yield (f"`{name}`", key.kind.says, *default, key.does)


def shown(default: object) -> str:
    """Return a default as it would stand in host.toml; none is an empty cell."""
    return "" if default is None else f"`{json.dumps(default)}`"


def option_rows(channel: str) -> Iterator[tuple[str, ...]]:
    """Return a row for each option of an installed channel."""
    (found,) = entry_points(group="agent_framework_hosting.channels", name=channel)
    schema = options_model(found.load()).model_json_schema()
    required = set(schema.get("required", ()))
    for name, field in schema["properties"].items():
        default = "required" if name in required else shown(field.get("default"))
        yield (f"`{name}`", kind_of(field, schema.get("$defs", {})), default, field.get("description", ""))


def kind_of(field: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    """Return the kind of value a JSON Schema describes, in a few words."""
    if "$ref" in field:
        return kind_of(definitions[field["$ref"].rpartition("/")[2]], definitions)
    if "anyOf" in field:
        kinds = (kind_of(part, definitions) for part in field["anyOf"])
        return " or ".join(dict.fromkeys(kind for kind in kinds if kind != "null"))
    if "enum" in field:
        return " or ".join(f"`{json.dumps(value)}`" for value in field["enum"])
    kind = str(field.get("type", "any value"))
    if kind in COLLECTIONS:
        word, holds = COLLECTIONS[kind]
        inner = field.get(holds)
        return f"{word}: {kind_of(inner, definitions)}" if isinstance(inner, dict) else word
    return "a secret" if field.get("format") == "password" else kind


def command_line_page() -> str:
    """Return a section for each command of ``agent-host``."""
    context = click.Context(command_line, info_name="agent-host", terminal_width=100)
    return "\n\n".join(command_pages(command_line, context))


def command_pages(command: click.Command, context: click.Context) -> Iterator[str]:
    """Return the help of a command and of each below it, as headings and literal blocks."""
    yield f"## {context.command_path}\n\n```text\n{command.get_help(context).rstrip()}\n```"
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            if below is not None and not below.hidden:
                inner = click.Context(below, info_name=name, parent=context, terminal_width=100)
                yield from command_pages(below, inner)


def directive(text: Callable[..., str], arguments: int = 0) -> type[SphinxDirective]:
    """Return a directive that parses the Markdown ``text(*arguments)`` in its own place."""

    class Generated(SphinxDirective):
        required_arguments = arguments

        def run(self) -> list[nodes.Node]:
            return self.parse_text_to_nodes(text(*self.arguments), allow_section_headings=True)

    return Generated


def setup(app: Sphinx) -> dict[str, bool]:
    """Register ``{host-keys}``, ``{channel-keys}``, ``{channel-options} NAME`` and ``{command-line}``."""
    app.add_directive("host-keys", directive(lambda: table(HOST_TITLE, key_rows(HOST_KEYS, HostSettings()))))
    app.add_directive("channel-keys", directive(lambda: table(CHANNEL_TITLE, key_rows(CHANNEL_KEYS, None))))
    app.add_directive("channel-options", directive(lambda name: table(HOST_TITLE, option_rows(name)), arguments=1))
    app.add_directive("command-line", directive(command_line_page))
    return {"parallel_read_safe": True}
