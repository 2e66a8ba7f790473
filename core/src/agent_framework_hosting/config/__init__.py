"""host.toml and the environment: read into frozen values, checked strictly, turned into channels and a target."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from .load import load_config
from .target import TargetError, resolve_target
from .values import ChannelTable, HostConfig, HostSettings

if TYPE_CHECKING:
    from ..hookspecs import Channel

__all__ = [
    "ChannelTable",
    "HostConfig",
    "HostSettings",
    "TargetError",
    "build_channel",
    "build_channels",
    "config_schema",
    "load_config",
    "resolve_target",
]


def build_channel(name: str, table: ChannelTable, *, channel_class: type[Channel]) -> Channel:
    """Check one table and build its channel; see ``config.build``."""
    from .build import build_channel as build  # noqa: PLC0415 - pydantic costs more than the rest of the front door

    return build(name, table, channel_class=channel_class)


def build_channels(
    tables: Mapping[str, ChannelTable], channel_class: Callable[[str], type[Channel]]
) -> Sequence[Channel]:
    """Build all channels, or raise the problems of all tables as one error; see ``config.build``."""
    from .build import build_channels as build  # noqa: PLC0415 - as above

    return build(tables, channel_class)


def config_schema(channel_classes: Mapping[str, type[Channel]]) -> dict[str, object]:
    """Return the JSON Schema of host.toml with these channels; see ``config.schema``."""
    from .schema import config_schema as schema  # noqa: PLC0415 - as above

    return schema(channel_classes)
