"""The installation: who owns the package's name, what is missing, which plugins do not fit."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import metadata

from packaging.requirements import Requirement

from agent_host import foreign_owners  # type: ignore[reportMissingTypeStubs] - a module of this distribution, typed

from .subject import Finding, Subject, command_in

_DISTRIBUTION = "host-core"


def check_import_name(_: Subject) -> Iterator[Finding]:
    """Find other distributions that own files of this package."""
    owners = foreign_owners()
    for owner in owners:
        yield Finding(
            "fault",
            "installation",
            f"The distribution {owner} also owns the import name agent_framework_hosting.",
            "Its files overwrite those of host-core, so neither works.",
            f"pip uninstall {owner} && pip install --force-reinstall {_DISTRIBUTION}",
        )
    if not owners:
        yield Finding("ok", "installation", "The import name agent_framework_hosting belongs to host-core alone.")


def check_dependencies(_: Subject) -> Iterator[Finding]:
    """Find requirements of host-core that are missing or of another version."""
    try:
        lines = metadata.requires(_DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        yield Finding(
            "warning",
            "dependencies",
            f"{_DISTRIBUTION} runs from source and is not installed.",
            "Versions cannot be compared, and plugins cannot be found by the version they need.",
            "pip install -e core",
        )
        return
    wrong = False
    for requirement in map(Requirement, lines):
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        found = _version(requirement.name)
        if found is not None and requirement.specifier.contains(found, prereleases=True):
            continue
        wrong = True
        state = "is not installed" if found is None else f"is {found}, which does not satisfy {requirement.specifier}"
        yield Finding(
            "fault",
            "dependencies",
            f"{requirement.name} {state}.",
            f"{_DISTRIBUTION} needs it and was tested with what it names.",
            f'pip install "{requirement.name}{requirement.specifier}"',
        )
    if not wrong:
        yield Finding("ok", "dependencies", f"{_DISTRIBUTION} {metadata.version(_DISTRIBUTION)} has what it needs.")


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def check_plugins(subject: Subject) -> Iterator[Finding]:
    """Find plugins that clash, that need another host-core, or whose metadata is damaged."""
    enabled = {table.plugin for table in subject.config.channels.values()}
    wrong = [plugin for plugin in subject.installed if plugin.fault is not None]
    for plugin in wrong:
        is_used = plugin.kind == "Policy" or plugin.name in enabled
        why = "The host does not start with it." if plugin.name in enabled else "It is left out until it is mended."
        sentence = str(plugin.fault)
        yield Finding(
            "fault" if is_used else "warning",
            "plugins",
            sentence.partition("; ")[0] + ".",
            why,
            command_in(sentence, f"pip uninstall {plugin.distribution}"),
        )
    if not wrong:
        names = ", ".join(f"{plugin.name} ({plugin.origin})" for plugin in subject.installed) or "none"
        yield Finding("ok", "plugins", f"Installed plugins: {names}.")
