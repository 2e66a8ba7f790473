"""Ask every plugin once what it adds to the app."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..app import Contributed
from ..commands import Commands
from ..errors import PluginError
from ..hookspecs import Channel
from ..model.contribution import ChannelContribution
from ..model.table import AnyTable
from ..plugins.manager import PluginManager
from ..ports import ChannelContext
from ..records import Catalog
from .lifecycle import Member


@dataclass(frozen=True, slots=True)
class Contributions:
    """What the plugins add: routes for the app, callbacks for start-up and shutdown."""

    routes: tuple[Contributed, ...]
    members: tuple[Member, ...]


def collect(
    plugins: PluginManager, commands: Commands, catalog: Catalog, context_of: Callable[[Channel], ChannelContext]
) -> Contributions:
    """Collect from the channels, then from the policies, which get a context under their own name."""
    routes: list[Contributed] = []
    members: list[Member] = []
    for plugin, channel in _everyone(plugins):
        added = plugins.contribute(plugin, context_of(channel)) or ChannelContribution()
        commands.add(channel.name, added.commands)
        _declare(catalog, channel.name, added.tables)
        members.append(Member(channel.name, added.on_startup, added.on_shutdown))
        routes.append(Contributed(channel.name, channel.path, added.routes, added.middleware))
    return Contributions(tuple(routes), tuple(members))


def _declare(catalog: Catalog, channel: str, tables: Sequence[AnyTable]) -> None:
    for table in tables:
        try:
            catalog.declare(table, channel=channel)
        except ValueError as error:
            raise PluginError(f"Channel {channel!r} {error}.") from error


def _everyone(plugins: PluginManager) -> Sequence[tuple[object, Channel]]:
    policies: list[tuple[object, Channel]] = []
    for name, policy in plugins.policies:
        stand_in = Channel()
        stand_in.name = name
        policies.append((policy, stand_in))
    return [*((channel, channel) for channel in plugins.channels), *policies]
