"""What is around the host: its state directory, its port, and who may set the headers it reads."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast

from ...errors import HostConfigurationError
from ...model.isolation import ISOLATION_HEADER_CHAT, ISOLATION_HEADER_USER
from ..listener import open_listener
from .subject import Finding, Subject, command_in

_FOUNDRY = "FOUNDRY_HOSTING_ENVIRONMENT"
_LOST = "What is accepted could not be kept, so the host would refuse to take it."


def check_state(subject: Subject) -> Iterator[Finding]:
    """Find state that cannot be written, belongs to another user, or can be read by others."""
    places = _places(subject)
    if not places:
        yield Finding("ok", "state", "State is kept in memory; nothing outlives the process.")
    for place in places:
        yield _state_of(place)


def _places(subject: Subject) -> list[Path]:
    given = subject.config.state_dir
    paths = [given] if isinstance(given, str) else list((given or {}).values())
    return [Path(str(path)) for path in [*paths, *filter(None, [subject.config.checkpoint_location])]]


def _state_of(place: Path) -> Finding:
    found = next((each for each in (place, *place.absolute().parents) if each.exists()), place)
    if not found.is_dir():
        what = f"{place} cannot be a directory: {found} is a file."
        return Finding("fault", "state", what, _LOST, 'state_dir = ".agent-host"')
    owner = found.stat()
    if found == place and owner.st_uid != _user(owner.st_uid):
        what = f"{place} belongs to another user (uid {owner.st_uid}, this process has {_user(owner.st_uid)})."
        why = "Its owner can read, change and replace what the host trusts."
        return Finding("fault", "state", what, why, f"chown -R {_user(owner.st_uid)} {place}")
    if not _can_write(found):
        what = f"{place} cannot be written." if found == place else f"{place} cannot be created in {found}."
        return Finding("fault", "state", what, _LOST, f"chmod u+rwx {found}")
    if found == place and stat.S_IMODE(owner.st_mode) & 0o077:
        what = f"{place} is open to other users (mode {stat.S_IMODE(owner.st_mode):o})."
        return Finding("warning", "state", what, "It holds conversations and addresses.", f"chmod 700 {place}")
    return Finding("ok", "state", f"State is kept in {place}.")


def _can_write(directory: Path) -> bool:
    """Try it, with a file that leaves nothing behind: permissions alone tell neither of full nor of read-only disks."""
    try:
        with tempfile.TemporaryFile(dir=directory) as probe:
            probe.write(b"\0" * 4096)
    except OSError:
        return False
    return True


def _user(otherwise: int) -> int:
    """Return this process's user; where the system has no such thing, everything is one's own."""
    return os.geteuid() if hasattr(os, "geteuid") else otherwise


def check_port(subject: Subject) -> Iterator[Finding]:
    """Find a port that is in use, by taking it for a moment."""
    try:
        open_listener(subject.bind, subject.port).close()
    except HostConfigurationError as error:
        otherwise = f"agent-host serve --port {subject.port % 65535 + 1}"
        why = '"agent-host serve" would stop at once; a host that is running already is the usual reason.'
        yield Finding("fault", "port", str(error).partition(";")[0] + ".", why, command_in(str(error), otherwise))
    else:
        yield Finding("ok", "port", f"Port {subject.port} on {subject.bind} is free.")


def check_isolation_headers(subject: Subject) -> Iterator[Finding]:
    """Find storage partitioned by headers that, outside Foundry, any caller can set."""
    if subject.environ.get(_FOUNDRY):
        yield Finding("ok", "isolation headers", "Foundry sets the isolation headers.")
        return
    names = f"{ISOLATION_HEADER_USER} and {ISOLATION_HEADER_CHAT}"
    users = [
        type(each).__name__ for each in _providers(subject) if callable(getattr(each, "bind_request_context", None))
    ]
    if users:
        yield Finding(
            "warning",
            "isolation headers",
            f"{', '.join(users)} may partition its storage by {names}, and this is not Foundry.",
            "Any caller can set these headers here and so name another person's partition.",
            "remove both headers in the proxy in front of the host, or serve on Foundry",
        )
    else:
        yield Finding("ok", "isolation headers", f"No context provider of the target asks for {names}.")


def _providers(subject: Subject) -> list[object]:
    target = subject.target if subject.host is None else subject.host.target
    found: object = getattr(target, "context_providers", None)
    return list(cast("Sequence[object]", found)) if isinstance(found, list | tuple) else []
