"""Find what is served: import ``module:attribute``."""

from __future__ import annotations

import importlib
import inspect
import os
import sys
from pathlib import Path
from types import ModuleType

from ..errors import HostConfigurationError
from ..wording import did_you_mean


class TargetError(HostConfigurationError):
    """What should be served cannot be imported; the cause, when user code raised, is chained."""


def resolve_target(spec: str, *, directory: str | os.PathLike[str] | None = None) -> object:
    """Import ``module:attribute`` with ``directory`` (the current one when None) first on the path, and return it.

    A factory is called once: an agent it returns is the target; one that returns a workflow stays a factory, since
    each run needs a fresh instance. Raises ``TargetError`` when there is nothing to serve under that name.
    """
    module_name, colon, attribute = spec.partition(":")
    if not colon or not module_name or not attribute:
        raise TargetError(f"The target {spec!r} is not module:attribute; write for example app:agent.")
    place = str(Path(directory or ".").resolve())
    if place not in sys.path:
        sys.path.insert(0, place)
    found: object = _import(module_name, place)
    for step, name in enumerate(attribute.split(".")):
        if not hasattr(found, name):
            owner = module_name if step == 0 else f"{module_name}:{'.'.join(attribute.split('.')[:step])}"
            raise TargetError(f"The target {spec!r} does not exist: {owner} has no {name!r}.{_near(name, found)}")
        found = getattr(found, name)
    return _settle(spec, found)


def is_host(target: object) -> bool:
    """Say whether a resolved target is a finished host, which brings its own channels and settings."""
    return hasattr(target, "serve") and hasattr(target, "app")


def _import(name: str, place: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name or name
        if name == missing or name.startswith(f"{missing}."):
            text = f"There is no module {missing!r} in {place} or among the installed packages."
            raise TargetError(f"{text}{_near_module(missing, place)}") from error
        text = f"Importing {name!r} needs the module {missing!r}, which is not installed; install its package."
        raise TargetError(text) from error
    except (Exception, SystemExit) as error:
        text = f"Importing {name!r} raised {type(error).__name__}. Run again with --debug to see where."
        raise TargetError(text) from error


def _settle(spec: str, found: object) -> object:
    """Return what a factory stands for, and refuse what cannot be served."""
    if not isinstance(found, type) and (hasattr(found, "run") or is_host(found)):
        return found
    if not callable(found) or hasattr(found, "router"):
        raise TargetError(_unfit(spec, found))
    try:
        made: object = found()
    except Exception as error:
        text = f"The factory {spec!r} raised {type(error).__name__}. Run again with --debug to see where."
        raise TargetError(text) from error
    if inspect.iscoroutine(made):
        made.close()
        raise TargetError(f"The factory {spec!r} is async; make it a plain function.")
    if not hasattr(made, "run"):
        raise TargetError(_unfit(f"{spec}()", made))
    from agent_framework import Workflow  # noqa: PLC0415 - heavy, and loaded already by whoever made the target

    return found if isinstance(made, Workflow) else made


def _unfit(spec: str, found: object) -> str:
    hint = " An ASGI app is served by any ASGI server." if hasattr(found, "router") else ""
    kind = type(found).__qualname__
    return f"The target {spec!r} is a {kind}; it must be an agent, a workflow, a factory of one, or a host.{hint}"


def _near(name: str, owner: object) -> str:
    names = [each for each in dir(owner) if not each.startswith("_")]
    return did_you_mean(name, names)


def _near_module(name: str, place: str) -> str:
    try:
        names = [path.stem for path in Path(place).iterdir() if path.suffix == ".py"]
    except OSError:
        return ""
    return did_you_mean(name, names)
