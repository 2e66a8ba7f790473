"""Build channels from their tables."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence

from ..errors import ChannelConfigurationError, HostConfigurationError
from ..hookspecs import Channel
from ..wording import reveals
from .checking import CheckedOptions, check_options
from .options import constructor_keywords, takes_any_keyword
from .values import ChannelTable, Problem, raise_problems

logger = logging.getLogger(__name__)


def build_channel(name: str, table: ChannelTable, *, channel_class: type[Channel]) -> Channel:
    """Check a table's options, construct the channel with the keys that were set, and give it its common settings.

    A channel under another name than its plugin's answers at ``/<name>``, unless the table says ``path``.
    Raises ``ChannelConfigurationError`` with one line per problem; none holds a value.
    """
    checked = check_options(table, channel_class)
    raise_problems(checked.problems)
    for place in checked.literals:
        logger.warning(
            '%s: %s %s is a secret in plain text. Write "env:NAME" or "file:PATH" instead.',
            table.origin.label,
            table.heading,
            place,
            extra={"channel": table.name, "option": place},
        )
    channel = _construct(table, channel_class, checked)
    if name != channel.name:
        channel.name = name
        channel.path = f"/{name}"
    for key in table.given - {"use"}:
        setattr(channel, key, getattr(table, key))
    return channel


def build_channels(
    tables: Mapping[str, ChannelTable], channel_class: Callable[[str], type[Channel]]
) -> Sequence[Channel]:
    """Build every channel in order; the problems of all tables are raised as one error.

    ``channel_class`` finds a plugin's class; its ``PluginError`` passes.
    """
    built: list[Channel] = []
    lines: list[str] = []
    for name, table in tables.items():
        try:
            built.append(build_channel(name, table, channel_class=channel_class(table.plugin)))
        except HostConfigurationError as error:
            lines.append(str(error))
    if lines:
        raise ChannelConfigurationError("\n".join(lines))
    return built


def _construct(table: ChannelTable, channel_class: type[Channel], checked: CheckedOptions) -> Channel:
    keywords = dict(checked.values)
    named = constructor_keywords(channel_class)
    if "allowlist" in table.given and "allowlist" in named:
        keywords["allowlist"] = table.allowlist
    surplus = sorted(keywords.keys() - named.keys())
    if surplus and not takes_any_keyword(channel_class):
        raise ChannelConfigurationError(
            f"{channel_class.__qualname__} declares the option {surplus[0]!r}, which its constructor does not take; "
            "tell the author of the plugin."
        )
    problem: Problem | None = None
    try:
        return channel_class(**keywords)
    except HostConfigurationError as error:
        problem = table.problem("", str(error))
    except Exception as error:  # a constructor may raise anything, and what it says may quote a secret
        text = f"{channel_class.__qualname__} refused its options: {error} ({type(error).__name__})"
        if not str(error) or reveals(str(error), checked.secrets):
            text = f"{channel_class.__qualname__} refused its options ({type(error).__name__})."
        problem = table.problem("", text)
    # raised out here, so that no traceback carries an error that may quote a secret
    raise ChannelConfigurationError(str(problem))
