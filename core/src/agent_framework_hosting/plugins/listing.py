"""List installed channels and policies from their metadata, without importing any of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from importlib_metadata import Distribution, EntryPoint

CHANNEL_GROUP = "agent_framework_hosting.channels"
POLICY_GROUP = "agent_framework_hosting.plugins"
API_GROUP = "agent_framework_hosting.api"
HOST_DISTRIBUTION = "host-core"

API_LEVEL = 2
"""The level of the plugin API this host offers: one more whenever what was written for it has to change."""
OLDEST_API_LEVEL = 1
"""The oldest level whose plugins still work; a plugin that states none was written for the first."""

_KINDS = {CHANNEL_GROUP: "Channel", POLICY_GROUP: "Policy"}


@dataclass(frozen=True, slots=True)
class InstalledPlugin:
    """Describe one entry point of a plugin; nothing of it was imported.

    ``value`` is the entry point's object reference (``module:attribute``). ``fault`` is None, or one sentence that
    says why the plugin cannot be loaded and what to type. ``api_level`` is the level of the plugin API it works with,
    the highest this host offers when it states several.
    """

    name: str
    group: str
    distribution: str
    version: str
    value: str
    fault: str | None = None
    api_level: int = OLDEST_API_LEVEL

    @property
    def kind(self) -> str:
        """``"Channel"`` or ``"Policy"``."""
        return _KINDS[self.group]

    @property
    def origin(self) -> str:
        """The distribution and its version, as a message names them."""
        return f"{self.distribution} {self.version}".strip()


def installed_channels() -> tuple[InstalledPlugin, ...]:
    """Return every installed channel, faulty ones included, sorted by name and distribution."""
    return _installed(CHANNEL_GROUP)


def installed_policies() -> tuple[InstalledPlugin, ...]:
    """Return every installed policy, faulty ones included, sorted by name and distribution."""
    return _installed(POLICY_GROUP)


def distribution_of(module: str) -> str | None:
    """Return the distribution and version of the plugin that owns a module, or None when no entry point tells."""
    package = module.partition(".")[0]
    for plugin in (*installed_channels(), *installed_policies()):
        if plugin.value.partition(":")[0].strip().partition(".")[0] == package:
            return plugin.origin
    return None


def _installed(group: str) -> tuple[InstalledPlugin, ...]:
    found = sorted(set(_entries(group)), key=lambda plugin: (plugin.name, plugin.distribution, plugin.value))
    listed: list[InstalledPlugin] = []
    for _, same_name in groupby(found, key=lambda plugin: plugin.name):
        claimants = tuple(same_name)
        listed.extend(claimants if len(claimants) == 1 else _clash(claimants))
    return tuple(listed)


def _clash(claimants: tuple[InstalledPlugin, ...]) -> Iterator[InstalledPlugin]:
    first = claimants[0]
    owners = " and ".join(f"{plugin.origin} ({plugin.value})" for plugin in claimants)
    fault = (
        f"{first.kind} {first.name!r} is provided by {owners}, so its name is ambiguous; keep one of them and "
        f"uninstall the other: pip uninstall {claimants[-1].distribution}"
    )
    return (dataclasses.replace(plugin, fault=fault) for plugin in claimants)


def _entries(group: str) -> Iterator[InstalledPlugin]:
    host_version = _host_version()
    seen: set[str] = set()
    for distribution in _distributions():
        if group not in _read(distribution, "entry_points.txt"):  # spares parsing nearly every distribution
            continue
        try:
            name, version = str(distribution.metadata["Name"]), str(distribution.metadata["Version"])
        except Exception:  # any damage of a foreign file is the same fault
            name, version = f"the distribution without readable metadata in {distribution.locate_file('')}", ""
            host = None
        else:
            host = host_version
        if _normalized(name) in seen:  # an editable install beside a wheel: Python imports the first on sys.path
            continue
        seen.add(_normalized(name))
        try:
            entries = cast("tuple[EntryPoint, ...]", distribution.entry_points)
        except Exception:  # any damage of a foreign file is the same fault
            fault = f"The entry points of {name} {version} cannot be read; type: pip install --force-reinstall {name}"
            yield InstalledPlugin(name, group, name, version, "", fault)
            continue
        level, unfit = _level_of([each.name for each in entries if each.group == API_GROUP], name)
        for entry in entries:
            if entry.group == group:
                plugin = InstalledPlugin(entry.name, group, name, version, entry.value, api_level=level)
                said = unfit and f"{plugin.kind} {plugin.name!r} of {plugin.origin} {unfit}"
                yield dataclasses.replace(plugin, fault=_misfit(plugin, distribution, host) or said)


def _level_of(stated: Sequence[str], distribution: str) -> tuple[int, str | None]:
    """Return the API level a distribution is used at, and why that cannot be."""
    try:
        levels = sorted(map(int, stated)) or [OLDEST_API_LEVEL]
    except ValueError:
        return OLDEST_API_LEVEL, f"states the API level {', '.join(stated)}, which is no number; tell its author"
    fitting = [level for level in levels if OLDEST_API_LEVEL <= level <= API_LEVEL]
    if fitting:
        return fitting[-1], None
    behind = HOST_DISTRIBUTION if levels[-1] > API_LEVEL else distribution
    offered = f"this {HOST_DISTRIBUTION} offers {OLDEST_API_LEVEL} to {API_LEVEL}"
    return levels[-1], f"is written for API level {levels[-1]}, and {offered}; type: pip install --upgrade {behind}"


def _misfit(plugin: InstalledPlugin, distribution: Distribution, host_version: str | None) -> str | None:
    """Say which other host-core the plugin's distribution requires, or None when the installed one fits."""
    if host_version is None:
        return None
    wanted = [line for line in distribution.requires or () if _normalized(line).startswith(HOST_DISTRIBUTION)]
    if not wanted:
        return None
    from packaging.requirements import InvalidRequirement, Requirement  # noqa: PLC0415 - 35 ms, rarely needed

    for line in wanted:
        try:
            requirement = Requirement(line)
        except InvalidRequirement:
            return (
                f"{plugin.kind} {plugin.name!r} of {plugin.origin} has an unreadable requirement on "
                f"{HOST_DISTRIBUTION}; type: pip install --upgrade {plugin.distribution}"
            )
        applies = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        if _normalized(requirement.name) != HOST_DISTRIBUTION or not applies:
            continue
        if not requirement.specifier.contains(host_version, prereleases=True):
            return (
                f"{plugin.kind} {plugin.name!r} of {plugin.origin} requires {HOST_DISTRIBUTION}"
                f"{requirement.specifier}, but {HOST_DISTRIBUTION} {host_version} is installed; "
                f"type: pip install --upgrade {HOST_DISTRIBUTION} {plugin.distribution}"
            )
    return None


def _distributions() -> Iterable[Distribution]:
    from importlib_metadata import Distribution  # noqa: PLC0415 - 13 ms the front door need not spend

    return Distribution.discover()  # type: ignore[reportUnknownMemberType] - its **kwargs are untyped


def _host_version() -> str | None:
    from importlib_metadata import PackageNotFoundError, version  # noqa: PLC0415 - as above

    try:
        return version(HOST_DISTRIBUTION)
    except (PackageNotFoundError, KeyError):  # run from a source tree: nothing is installed to compare with
        return None


def _read(distribution: Distribution, name: str) -> str:
    try:
        return distribution.read_text(name) or ""  # type: ignore[reportUnknownMemberType] - its argument is untyped
    except (OSError, UnicodeDecodeError):
        return ""


def _normalized(name: str) -> str:
    return name.strip().lower().replace("_", "-").replace(".", "-")
