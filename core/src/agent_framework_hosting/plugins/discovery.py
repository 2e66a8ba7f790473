"""Find plugins: list what is installed, import one at a time, and say in one sentence what is wrong with the rest."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Sequence
from dataclasses import replace
from types import ModuleType
from typing import cast

from ..errors import PluginError
from ..hookspecs import Channel
from ..wording import nearest
from .listing import InstalledPlugin, installed_channels, installed_policies

__all__ = [
    "InstalledPlugin",
    "installed_channels",
    "installed_policies",
    "load_channel_class",
    "load_policies",
    "load_policy",
]


def load_channel_class(name: str) -> type[Channel]:
    """Import the installed channel of this name and return its class.

    Raises ``PluginError`` when it is not installed, has a fault, fails to import or is no ``Channel``.
    """
    plugin = _find(name, installed_channels(), "channel")
    loaded = _import(plugin)
    if inspect.isclass(loaded) and issubclass(loaded, Channel) and loaded is not Channel:
        return cast("type[Channel]", loaded)
    raise PluginError(
        f"Channel {name!r} of {plugin.origin} is not a Channel: {plugin.value} is {_described(loaded)}; point its "
        "entry point at a subclass of agent_framework_hosting.Channel"
    )


def load_policy(name: str) -> object:
    """Import the installed policy of this name and return it; a class is built without arguments.

    Raises ``PluginError`` when it is not installed, has a fault, or fails to import or to build.
    """
    return _build(_find(name, installed_policies(), "policy"))


def load_policies() -> tuple[tuple[tuple[str, object], ...], tuple[InstalledPlugin, ...]]:
    """Import every installed policy; return (name, policy) pairs and the broken ones with their ``fault``."""
    loaded: list[tuple[str, object]] = []
    quarantined: list[InstalledPlugin] = []
    for plugin in installed_policies():
        if plugin.fault is not None:
            quarantined.append(plugin)
            continue
        try:
            loaded.append((plugin.name, _build(plugin)))
        except PluginError as error:
            quarantined.append(replace(plugin, fault=str(error)))
    return tuple(loaded), tuple(quarantined)


def _find(name: str, installed: Sequence[InstalledPlugin], kind: str) -> InstalledPlugin:
    for plugin in installed:
        if plugin.name == name:
            if plugin.fault is not None:
                raise PluginError(plugin.fault)
            return plugin
    names = sorted({plugin.name for plugin in installed})
    meant = nearest(name, names)
    guess = f"did you mean {meant!r}" if meant else "correct the name"
    raise PluginError(
        f"No {kind} {name!r} is installed (installed: {', '.join(names) or 'none'}); {guess}, or install the "
        "distribution that provides it"
    )


def _build(plugin: InstalledPlugin) -> object:
    loaded = _import(plugin)
    if not isinstance(loaded, type):
        return loaded
    try:
        return loaded()
    except (Exception, SystemExit) as error:
        raise PluginError(
            f"Policy {plugin.name!r} of {plugin.origin} cannot be built without arguments ({_cause(error)}); "
            "give it to the host as an instance: plugins=[...]"
        ) from error


def _import(plugin: InstalledPlugin) -> object:
    from importlib_metadata import EntryPoint  # noqa: PLC0415 - 13 ms the front door need not spend

    try:
        return EntryPoint(plugin.name, plugin.value, plugin.group).load()
    except (Exception, SystemExit) as error:
        raise PluginError(
            f"{plugin.kind} {plugin.name!r} of {plugin.origin} cannot be imported from {plugin.value} "
            f"({_cause(error)}); repair it with: pip install --upgrade --force-reinstall {plugin.distribution}"
        ) from error


def _cause(error: BaseException) -> str:
    """Name an error's type and a hint, never its text: a plugin may have put a secret there."""
    kind = type(error).__name__
    match error:
        case ModuleNotFoundError(name=str(name)):
            return f"{kind}: module {name!r} is missing"
        case ImportError(name=str(name)):
            return f"{kind}: {name!r} does not offer a name that is imported from it"
        case SyntaxError(filename=str(file), lineno=int(line)):
            return f"{kind} in {file}, line {line}"
        case AttributeError(obj=ModuleType(__name__=module), name=str(name)):
            return f"{kind}: module {module!r} has no {name!r}"
        case _:
            frame = traceback.extract_tb(error.__traceback__)[-1]
            return kind if frame.filename == __file__ else f"{kind} in {frame.filename}, line {frame.lineno}"


def _described(loaded: object) -> str:
    if isinstance(loaded, ModuleType):
        return f"the module {loaded.__name__}"
    if inspect.isclass(loaded):
        return f"the class {loaded.__qualname__}"
    return f"an object of type {type(loaded).__qualname__}"
