"""What a configuration is once it was read: frozen values without I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ..errors import ChannelConfigurationError, HostConfigurationError
from ..hookspecs import ConversationScope, GroupAddressing
from ..model.durable import HostStatePaths, RuntimeMode
from ..ports import IdentityAllowlist

MAPPING_LABEL = "config mapping"


def _nothing() -> dict[str, str]:
    return {}


def variable_prefix(channel: str) -> str:
    """Return how the environment variables of a channel's options begin."""
    return f"AGENT_HOST_{''.join(c if c.isalnum() else '_' for c in channel).upper()}_"


def top_key(place: str) -> str:
    """Return the key of the table in which a place such as ``api_keys[0]`` lies."""
    return place.partition(".")[0].partition("[")[0]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a configuration was read: ``label`` for messages, ``directory`` for what is relative to it."""

    label: str = MAPPING_LABEL
    directory: Path = Path()
    is_file: bool = False


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: where (label, table, key) and, in a sentence, what to do. Never holds a value."""

    origin: str
    table: str
    key: str
    text: str

    def __str__(self) -> str:
        """Return the line an operator reads."""
        place = " ".join(_one_line(part) for part in (self.table, self.key) if part)
        return f"{self.origin}: {place}: {self.text}" if place else f"{self.origin}: {self.text}"


def _one_line(name: str) -> str:
    plain = "".join(character if character.isprintable() else "?" for character in name)
    return plain if len(plain) <= 80 else f"{plain[:79]}…"


def raise_problems(problems: Sequence[Problem]) -> None:
    """Raise all problems as one error, one line each; return when there are none."""
    if not problems:
        return
    kind = ChannelConfigurationError if all(p.table.startswith("[channels.") for p in problems) else None
    kind = kind or HostConfigurationError
    if len(problems) == 1:
        raise kind(str(problems[0]))
    raise kind("\n".join([f"{len(problems)} problems in the configuration:", *(f"  {p}" for p in problems)]))


@dataclass(frozen=True, slots=True)
class HostSettings:
    """Limits and choices of the host itself; every field is a top-level key of host.toml."""

    allowlist: IdentityAllowlist | None = None
    max_body_bytes: int = 16 * 1024 * 1024
    body_timeout_seconds: float | None = 60.0
    turn_timeout_seconds: float | None = 600.0
    max_live_sessions: int = 1024
    max_concurrent_turns: int = 128
    snapshot_sessions: bool = True
    on_interrupted: Literal["apologise", "rerun"] = "apologise"
    active_window_minutes: float = 1440.0
    lease_seconds: float = 6.0


@dataclass(frozen=True, slots=True)
class ChannelTable:
    """One ``[channels.<name>]`` table with the environment laid over it.

    ``plugin`` is the entry point to load. ``given`` names the common keys the operator wrote; the others hold no
    more than their defaults. ``options`` are the plugin's own keys, unchecked: ``build_channel`` checks them.
    """

    name: str
    plugin: str
    given: frozenset[str] = frozenset()
    path: str | None = None
    allowlist: IdentityAllowlist | Literal["inherit"] | None = "inherit"
    require_link: bool = False
    wire_targets: tuple[str, ...] = ()
    conversation_scope: ConversationScope | None = None
    accept_in_group: GroupAddressing = "mention_only"
    options: Mapping[str, object] = field(default_factory=dict[str, object], repr=False, hash=False)
    variables: Mapping[str, str] = field(default_factory=_nothing, repr=False, hash=False)
    environ: Mapping[str, str] = field(default_factory=_nothing, repr=False, hash=False, compare=False)
    origin: Origin = Origin()

    @property
    def heading(self) -> str:
        """Return the table's name as it stands in the file."""
        return f"[channels.{self.name}]"

    def problem(self, key: str, text: str) -> Problem:
        """Say what is wrong with one key; a key set by an environment variable is named by that variable."""
        top = top_key(key)
        if top in self.variables:
            return Problem(f"environment variable {variable_prefix(self.name)}{top.upper()}", self.heading, key, text)
        return Problem(self.origin.label, self.heading, key, text)


@dataclass(frozen=True, slots=True)
class HostConfig:
    """A whole configuration: what host.toml says, with the environment laid over it.

    Paths are relative to the file's directory. ``channels`` holds the enabled channels in order.
    """

    target: str | None = None
    state_dir: str | HostStatePaths | None = None
    checkpoint_location: str | None = None
    runtime_mode: RuntimeMode | None = None
    allow_in_process_runner: bool = False
    debug: bool = False
    settings: HostSettings = HostSettings()
    channels: Mapping[str, ChannelTable] = field(default_factory=dict[str, ChannelTable], hash=False)
    origin: Origin = Origin()
