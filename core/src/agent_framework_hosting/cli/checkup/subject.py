"""What is examined, as far as it can be had (configuration, what it enables, the host it makes), and what is found."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias, cast

from ...config import HostConfig, build_channel, resolve_target
from ...config.checking import CheckedOptions, check_options
from ...config.load import inspect_config
from ...config.source import DEFAULT_FILE
from ...config.values import Problem
from ...errors import HostConfigurationError, HostingError
from ...hookspecs import Channel
from ...host import AgentFrameworkHost
from ...plugins.discovery import InstalledPlugin, installed_channels, installed_policies, load_channel_class
from ...ports import IdentityAllowlist, Target

Severity: TypeAlias = Literal["fault", "warning", "ok"]

_COMMAND = re.compile(r"(?:pip|agent-host|export) .+$")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. ``why`` it matters and what to ``do`` are empty when it is fine."""

    severity: Severity
    check: str
    what: str
    why: str = ""
    do: str = ""


@dataclass(frozen=True, slots=True)
class Subject:
    """Everything the checks look at. A text is why the part before it could not be had."""

    installed: Sequence[InstalledPlugin]
    config: HostConfig
    config_exists: bool
    config_fault: str | None
    problems: Sequence[Problem]
    options: Mapping[str, CheckedOptions]
    channel_faults: Mapping[str, str]
    channels: Sequence[Channel]
    target: object | None
    target_fault: str | None
    host: AgentFrameworkHost | None
    host_fault: str | None
    host_warnings: Sequence[str]
    bind: str
    port: int
    environ: Mapping[str, str]

    @property
    def default_allowlist(self) -> IdentityAllowlist | None:
        """The allowlist of channels that inherit."""
        return self.config.settings.allowlist if self.host is None else self.host.default_allowlist


def gather(config_file: Path | None, *, bind: str, port: int) -> Subject:
    """Read, import and build what a start would, and open nothing."""
    config, problems, config_fault = HostConfig(), (), None
    try:
        config, problems = inspect_config(config_file, channel_class=load_channel_class)
    except HostConfigurationError as error:
        config_fault = str(error)
    options, channels, faults = _channels(config)
    target, target_fault = _target(config)
    host, host_fault, host_warnings = None, None, ()
    if isinstance(target, AgentFrameworkHost):
        host, channels = target, list(target.channels)
    elif target is not None and config.channels and not (problems or faults):
        with warnings.catch_warnings(record=True, action="always") as caught:
            host, host_fault = _host(cast("Target", target), config, config_file)
        host_warnings = [str(each.message) for each in caught]
    return Subject(
        installed=(*installed_channels(), *installed_policies()),
        config=config,
        config_exists=(config_file or Path(DEFAULT_FILE)).exists(),
        config_fault=config_fault,
        problems=problems,
        options=options,
        channel_faults=faults,
        channels=channels,
        target=target,
        target_fault=target_fault,
        host=host,
        host_fault=host_fault,
        host_warnings=host_warnings,
        bind=bind,
        port=port,
        environ=os.environ,
    )


def _channels(config: HostConfig) -> tuple[dict[str, CheckedOptions], list[Channel], dict[str, str]]:
    options: dict[str, CheckedOptions] = {}
    channels: list[Channel] = []
    faults: dict[str, str] = {}
    for name, table in config.channels.items():
        try:
            found = load_channel_class(table.plugin)
            options[name] = check_options(table, found)
            if not options[name].problems:
                channels.append(build_channel(name, table, channel_class=found))
        except HostingError as error:
            faults[name] = str(error)
    return options, channels, faults


def _target(config: HostConfig) -> tuple[object | None, str | None]:
    if config.target is None:
        return None, None
    try:
        return resolve_target(config.target, directory=config.origin.directory), None
    except HostingError as error:
        return None, str(error)


def _host(target: Target, config: HostConfig, config_file: Path | None) -> tuple[AgentFrameworkHost | None, str | None]:
    try:
        host = AgentFrameworkHost(target, channels=list(config.channels), config=config_file)
        _ = host.app  # routes that clash are found here
    except (HostingError, ValueError, RuntimeError, TypeError) as error:
        return None, str(error)
    return host, None


def command_in(sentence: str, otherwise: str) -> str:
    """Return the command that a message ends with, or the other advice."""
    found = _COMMAND.search(sentence)
    if found is None:
        return otherwise
    return found[0] if found[0].endswith("...") else found[0].removesuffix(".")
