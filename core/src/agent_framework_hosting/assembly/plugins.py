"""Load and register every channel and policy of a host."""

from __future__ import annotations

import logging

from ..config import build_channels
from ..hookspecs import HOOK_NAMES, Channel
from ..plugins.discovery import load_channel_class, load_policies
from ..plugins.manager import PluginManager
from .options import HostOptions

logger = logging.getLogger(__name__)


def assemble_plugins(options: HostOptions) -> PluginManager:
    """Return the host's plugins: channels in the order given, installed policies by name, then the ones given.

    Raises ``PluginError`` or ``ChannelConfigurationError`` for what was asked for by name and cannot be; an installed
    policy that cannot be loaded is named in the log and left out.
    """
    plugins = PluginManager()
    for channel in _channels(options):
        plugins.add_channel(channel)
    policies, quarantined = load_policies()
    for fault in quarantined:
        logger.error("An installed policy was left out", extra={"plugin": fault.name, "fault": fault.fault})
    for name, policy in policies:
        plugins.add_policy(policy, name)
    for policy in options.plugins:
        plugins.add_policy(policy)
    if options.linker is not None and any(hasattr(options.linker, hook) for hook in HOOK_NAMES):
        plugins.add_policy(options.linker, "identity-linker")
    return plugins


def _channels(options: HostOptions) -> list[Channel]:
    named = {table.name: table for table in options.config.channels.values()}
    built = iter(build_channels(named, load_channel_class))
    by_name = {channel.name: channel for channel in built}
    return [by_name[each] if isinstance(each, str) else each for each in options.channels]
