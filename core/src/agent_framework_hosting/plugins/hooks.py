"""Hold the hooks of one host's plugins in pluggy; refuse at load what it would ignore, or let fail in silence later."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MemberDescriptorType, MethodType
from typing import TypeAlias

import pluggy

from ..errors import PluginError
from ..hookspecs import HOOK_NAMES, PROJECT_NAME, HookSpecs, hookimpl
from ..wording import did_you_mean
from .listing import distribution_of

HookCall: TypeAlias = Callable[..., object]

_ARGUMENTS: Mapping[str, tuple[str, ...]] = {
    name: tuple(inspect.signature(getattr(HookSpecs, name)).parameters)[1:] for name in HOOK_NAMES
}


@dataclass(frozen=True, slots=True)
class Hook:
    """One implementation of one hook: ``call`` takes the spec's arguments in order."""

    label: str
    call: HookCall


@dataclass(frozen=True, slots=True, eq=False)
class _Held:
    plugin: object
    hooks: Mapping[str, Hook]


class _Face:
    """What pluggy sees of a plugin: its marked methods. pluggy compares with ``==``, and a face equals only itself."""

    def show(self, attribute: str, function: HookCall, mark: pluggy.HookimplOpts) -> None:
        """Show one method with its mark, which a bound or a static method does not carry itself."""

        @functools.wraps(function)
        def method(*given: object, **named: object) -> object:
            return function(*given, **named)

        self.__dict__[attribute] = hookimpl(method, **mark)


class Hooks:
    """The hooks of one host: pluggy names the plugins, checks them against the specs and reads their order."""

    def __init__(self) -> None:
        self._pluggy = pluggy.PluginManager(PROJECT_NAME)
        self._pluggy.add_hookspecs(HookSpecs)
        self._held: dict[str, _Held] = {}

    def add(self, plugin: object, label: str, *, at_least_one: bool = False) -> None:
        """Register a plugin under its label, which no other has; ``at_least_one`` demands that it implements a hook.

        Raises ``PluginError`` for a plugin that is there already, an unknown hook, a hook without its mark, a generator
        or wrapper, a wrong signature, an async ``contribute_routes``, and two implementations of one hook.
        """
        there = self.label_of(plugin)
        if there is not None:
            raise refusal(plugin, label, f"is there already as {there}; give each its own instance")
        if isinstance(plugin, type):
            raise refusal(plugin, label, f"is a class; give an instance: {plugin.__name__}(...)")
        face = _Face()
        hooks = self._read(plugin, label, face)
        self._pluggy.register(face, label)
        fault = self._unknown_hook(face)
        if fault is None and at_least_one and not hooks:
            fault = "implements no hook; mark at least one method with @hookimpl"
        if fault is not None:
            self._pluggy.unregister(name=label)
            raise refusal(plugin, label, fault)
        self._held[label] = _Held(plugin, hooks)

    def label_of(self, plugin: object) -> str | None:
        """Return the label of a registered plugin; it is told by identity, since it need not be comparable."""
        return next((label for label, held in self._held.items() if held.plugin is plugin), None)

    def of(self, label: str) -> Mapping[str, Hook]:
        """Return the hooks of one plugin by name; empty for an unknown one."""
        held = self._held.get(label)
        return {} if held is None else held.hooks

    def ordered(self, name: str) -> tuple[Hook, ...]:
        """Return every implementation of a hook: what tries first, then the rest, then what tries last.

        Within each in the order of registration, where pluggy would call the latest first.
        """
        place = {label: at for at, label in enumerate(self._held)}
        caller: pluggy.HookCaller = getattr(self._pluggy.hook, name)
        found = sorted(caller.get_hookimpls(), key=lambda each: (each.trylast - each.tryfirst, place[each.plugin_name]))
        return tuple(self._held[each.plugin_name].hooks[name] for each in found)

    def _read(self, plugin: object, label: str, face: _Face) -> Mapping[str, Hook]:
        """Show a plugin's marked methods to pluggy; return its hooks, refused for what pluggy would allow."""
        hooks: dict[str, Hook] = {}
        for attribute in dir(plugin):
            mark = self._pluggy.parse_hookimpl_opts(plugin, attribute)
            if mark is None:
                continue
            name = mark.get("specname") or attribute
            if name in hooks:
                raise refusal(plugin, label, f"implements {name} twice; keep one method with @hookimpl for it")
            if mark.get("wrapper") or mark.get("hookwrapper"):
                fault = f"declares {name} as a wrapper; write it as a plain function with @hookimpl"
                raise refusal(plugin, label, fault)
            function: HookCall = getattr(plugin, attribute)
            if name in HOOK_NAMES:
                hooks[name] = Hook(label, _checked(plugin, label, name, function))
            face.show(attribute, function, mark)
        for name in HOOK_NAMES:
            if name not in hooks:
                _refuse_unmarked(plugin, label, name)
        return hooks

    def _unknown_hook(self, face: _Face) -> str | None:
        try:
            self._pluggy.check_pending()
        except pluggy.PluginValidationError:
            unknown = next(each.name for each in self._pluggy.get_hookcallers(face) or () if not each.has_spec())
            known = f"the hooks are {', '.join(HOOK_NAMES)}"
            meant = did_you_mean(unknown, HOOK_NAMES)
            return f"implements {unknown!r}, which is no hook; {known}{meant and f'.{meant}'}"
        return None


def refusal(plugin: object, label: str, fault: str) -> PluginError:
    """Return the error for a plugin, naming its distribution when an entry point tells it."""
    module = plugin.__name__ if inspect.ismodule(plugin) else _class_of(plugin).__module__
    owner = distribution_of(module)
    return PluginError(f"{label} {f'of {owner} ' if owner else ''}{fault}")


def _class_of(plugin: object) -> type:
    return plugin if isinstance(plugin, type) else type(plugin)


def _refuse_unmarked(plugin: object, label: str, name: str) -> None:
    found = inspect.getattr_static(plugin, name, None)
    if isinstance(found, MemberDescriptorType):
        found = getattr(plugin, name, None)
    if found is None or not (callable(found) or hasattr(found, "__get__")):
        shadowed = name in getattr(plugin, "__dict__", {}) and inspect.getattr_static(type(plugin), name, None)
        if not shadowed:
            return
        raise refusal(plugin, label, f"sets self.{name}, which hides its hook {name}; give that attribute another name")
    raise refusal(
        plugin,
        label,
        f"has {name!r}, which is named like a hook but not marked, so it would never be called; put @hookimpl on it, "
        "or give it another name",
    )


def _checked(plugin: object, label: str, name: str, function: HookCall) -> HookCall:
    plain = inspect.unwrap(function)
    if any(inspect.isgeneratorfunction(each) or inspect.isasyncgenfunction(each) for each in (function, plain)):
        raise refusal(plugin, label, f"writes {name} as a generator; return a value instead of yielding")
    if name == "contribute_routes" and (inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(plain)):
        raise refusal(
            plugin,
            label,
            "has an async contribute_routes; make it a plain def (it builds the app) and put async work into the "
            "contribution's on_startup",
        )
    fault = _signature_fault(name, function)
    if fault is not None:
        raise refusal(plugin, label, f"{fault}; {name} may take {', '.join(('self', *_ARGUMENTS[name]))}, or fewer")
    return _adapted(_ARGUMENTS[name], function)


def _signature_fault(name: str, function: HookCall) -> str | None:
    offered = _ARGUMENTS[name]
    if isinstance(function, MethodType):
        first = next(iter(inspect.signature(function.__func__).parameters), None)
        if first is None or first in offered:
            return f"defines {name} without self"
    parameters = inspect.signature(function).parameters.values()
    kinds = {parameter.kind for parameter in parameters}
    if inspect.Parameter.VAR_POSITIONAL in kinds and inspect.Parameter.VAR_KEYWORD not in kinds:
        return f"defines {name} with *args, which names no argument"
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    # pluggy looks at positional arguments without a default, these are all
    unknown = [each.name for each in parameters if each.kind not in variable and each.name not in offered]
    if unknown:
        return f"defines {name} with {', '.join(map(repr, unknown))}, which the hook does not offer"
    return None


def _adapted(offered: tuple[str, ...], function: HookCall) -> HookCall:
    """Return a callable that takes all offered arguments by position and passes on those the function declares."""
    positional: list[int] = []
    keyword: dict[str, int] = {}
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            positional.append(offered.index(parameter.name))
        elif parameter.kind is parameter.KEYWORD_ONLY:
            keyword[parameter.name] = offered.index(parameter.name)
        elif parameter.kind is parameter.VAR_KEYWORD:
            taken = {*positional, *keyword.values()}
            keyword |= {name: index for index, name in enumerate(offered) if index not in taken}
    if positional == list(range(len(offered))) and not keyword:
        return function

    def call(*given: object) -> object:
        return function(*[given[i] for i in positional], **{name: given[i] for name, i in keyword.items()})

    return call
