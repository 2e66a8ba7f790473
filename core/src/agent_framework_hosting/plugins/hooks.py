"""Read the hooks of one plugin and refuse, at load, what would be ignored or fail in silence later."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MemberDescriptorType, MethodType
from typing import TypeAlias

import pluggy

from ..errors import PluginError
from ..hookspecs import HOOK_NAMES, PROJECT_NAME, HookSpecs
from .listing import distribution_of

HookCall: TypeAlias = Callable[..., object]

_ARGUMENTS: Mapping[str, tuple[str, ...]] = {
    name: tuple(inspect.signature(getattr(HookSpecs, name)).parameters)[1:] for name in HOOK_NAMES
}
_marks = pluggy.PluginManager(PROJECT_NAME)


@dataclass(frozen=True, slots=True)
class Hook:
    """One implementation of one hook: ``call`` takes the spec's arguments in order; lower ``rank`` runs earlier."""

    label: str
    call: HookCall
    rank: int = 0


def read_hooks(plugin: object, label: str) -> Mapping[str, Hook]:
    """Return a plugin's hooks by name.

    Raises ``PluginError`` for a hook without its mark, an unknown hook, a generator or wrapper, a wrong signature, an
    async ``contribute_routes``, and two implementations of one hook.
    """
    if isinstance(plugin, type):
        raise refusal(plugin, label, f"is a class; give an instance: {plugin.__name__}(...)")
    hooks: dict[str, Hook] = {}
    for attribute in dir(plugin):
        options = _marks.parse_hookimpl_opts(plugin, attribute)
        if options is None:
            continue
        name = options.get("specname") or attribute
        if name not in HOOK_NAMES:
            if options.get("optionalhook"):
                continue
            raise refusal(
                plugin, label, f"implements {name!r}, which is no hook; the hooks are {', '.join(HOOK_NAMES)}"
            )
        if name in hooks:
            raise refusal(plugin, label, f"implements {name} twice; keep one method with @hookimpl for it")
        if options.get("wrapper") or options.get("hookwrapper"):
            raise refusal(plugin, label, f"declares {name} as a wrapper; write it as a plain function with @hookimpl")
        function: HookCall = getattr(plugin, attribute)
        rank = bool(options.get("trylast")) - bool(options.get("tryfirst"))
        hooks[name] = Hook(label, _checked(plugin, label, name, function), rank)
    for name in HOOK_NAMES:
        if name not in hooks:
            _refuse_unmarked(plugin, label, name)
    return hooks


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
