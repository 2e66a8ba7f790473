"""Turn raw content and the environment into a ``HostConfig``, naming every problem at once."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from ..authorization.parse import parse_allowlist
from ..errors import HostConfigurationError, PluginError
from ..ports import IdentityAllowlist
from .keys import CHANNEL_KEYS, CHANNEL_NAME, HOST_KEYS, Kind, meant
from .source import parse_toml, read_source
from .values import ChannelTable, HostConfig, HostSettings, Origin, Problem, raise_problems, variable_prefix

if TYPE_CHECKING:
    from ..hookspecs import Channel

_SETTINGS = frozenset(field.name for field in dataclasses.fields(HostSettings))


def load_config(
    source: Mapping[str, object] | os.PathLike[str] | str | None,
    environ: Mapping[str, str] | None = None,
    *,
    enabled: Sequence[str] | None = None,
    channel_class: Callable[[str], type[Channel]] | None = None,
) -> HostConfig:
    """Read host.toml (a path), its parsed content (a mapping), or ``./host.toml`` when it is there (None).

    ``AGENT_HOST_<CHANNEL>_<OPTION>`` in ``environ`` (the process's own when None) wins over the file, for enabled
    channels only: those named by ``enabled``, or every ``[channels.*]`` table when it is None. With
    ``channel_class``, which finds a plugin's class, the plugins' own options are checked as well; a plugin that
    cannot be loaded is left to the one who builds it.
    Raises ``HostConfigurationError`` (``ChannelConfigurationError`` when only channel tables are wrong) with one line
    per problem; none holds a value.
    """
    config, problems = inspect_config(source, environ, enabled=enabled, channel_class=channel_class)
    raise_problems(problems)
    return config


def inspect_config(
    source: Mapping[str, object] | os.PathLike[str] | str | None,
    environ: Mapping[str, str] | None = None,
    *,
    enabled: Sequence[str] | None = None,
    channel_class: Callable[[str], type[Channel]] | None = None,
) -> tuple[HostConfig, Sequence[Problem]]:
    """Like ``load_config``, but return what could be read together with the problems.

    Raises ``HostConfigurationError`` only when the source cannot be read at all.
    """
    raw, origin = read_source(source)
    reading = _Reading(origin, os.environ if environ is None else environ)
    content = reading.known_keys(raw)
    tables = reading.channel_tables(content.pop("channels", {}))
    names = list(tables) if enabled is None else list(dict.fromkeys(enabled))
    config = reading.host(content)
    channels = {name: reading.channel(name, tables.get(name, {}), names) for name in names}
    for name in tables.keys() - channels.keys():
        reading.channel(name, tables[name], ())
    if channel_class is not None:
        reading.options(channels.values(), channel_class)
    return dataclasses.replace(config, channels=channels), reading.problems


@dataclasses.dataclass(frozen=True)
class _Reading:
    """One pass over one source; what is wrong gathers in ``problems``."""

    origin: Origin
    environ: Mapping[str, str] = dataclasses.field(repr=False)
    problems: list[Problem] = dataclasses.field(default_factory=list[Problem])

    def complain(self, table: str, key: str, text: str) -> None:
        self.problems.append(Problem(self.origin.label, table, key, text))

    def known_keys(self, raw: Mapping[object, object]) -> dict[str, object]:
        known = {*HOST_KEYS, "channels"}
        content: dict[str, object] = {}
        for key, value in raw.items():
            if isinstance(key, str) and key in known:
                content[key] = value
            else:
                self.complain("", str(key), f"unknown key.{meant(str(key), known)}")
        return content

    def channel_tables(self, raw: object) -> dict[str, Mapping[object, object]]:
        tables: dict[str, Mapping[object, object]] = {}
        if not isinstance(raw, Mapping):
            self.complain("", "channels", "must be a table with one table per channel.")
            return tables
        for name, table in cast("Mapping[object, object]", raw).items():
            if not isinstance(name, str) or not CHANNEL_NAME.fullmatch(name):
                text = "is no name for a channel: use letters, digits, '-', '_' and '.'."
                self.complain(f"[channels.{name}]", "", text)
            elif not isinstance(table, Mapping):
                self.complain(f"[channels.{name}]", "", "must be a table.")
            else:
                tables[name] = cast("Mapping[object, object]", table)
        return tables

    def host(self, content: Mapping[str, object]) -> HostConfig:
        values: dict[str, object] = {}
        for name, value in content.items():
            kind = HOST_KEYS[name].kind
            if kind.accepts(value):
                values[name] = value
            else:
                self.complain("", name, f"must be {kind.says}.")
        if "allowlist" in values:
            values["allowlist"] = self.allowlist(values["allowlist"], lambda text: self.complain("", "allowlist", text))
        for limit in ("body_timeout_seconds", "turn_timeout_seconds"):
            if values.get(limit) == 0:
                values[limit] = None
        for place in ("state_dir", "checkpoint_location"):
            if place in values:
                values[place] = _below(self.origin.directory, values[place])
        settings = dataclasses.replace(HostSettings(), **{k: v for k, v in values.items() if k in _SETTINGS})
        rest = {k: v for k, v in values.items() if k not in _SETTINGS}
        return dataclasses.replace(HostConfig(settings=settings, origin=self.origin), **rest)

    def channel(self, name: str, raw: Mapping[object, object], enabled: Sequence[str]) -> ChannelTable:
        options = {key: value for key, value in raw.items() if isinstance(key, str)}
        variables = self.variables(name, enabled) if name in enabled else {}
        table = ChannelTable(name, name, options=options, variables=variables, environ=self.environ, origin=self.origin)
        if len(options) != len(raw):
            self.problems.append(table.problem("", "has a key that is not a string."))
        common: dict[str, object] = {}
        for key, meaning in CHANNEL_KEYS.items():
            if key in variables or key in options:
                value = _laid_over(variables[key], meaning.kind) if key in variables else options[key]
                if meaning.kind.accepts(value):
                    common[key] = value
                else:
                    self.problems.append(table.problem(key, f"must be {meaning.kind.says}."))
        given = frozenset(common)
        return dataclasses.replace(table, given=given, **self.common_values(table, common))

    def common_values(self, table: ChannelTable, common: Mapping[str, object]) -> dict[str, object]:
        values = dict(common)
        if "use" in values:
            values["plugin"] = values.pop("use")
        if "path" in values:
            values["path"] = str(values["path"]).rstrip("/")
        if "wire_targets" in values:
            values["wire_targets"] = tuple(cast("Sequence[str]", values["wire_targets"]))
        if values.get("allowlist", "inherit") != "inherit":
            values["allowlist"] = self.allowlist(
                values["allowlist"], lambda text: self.problems.append(table.problem("allowlist", text))
            )
        return values

    def variables(self, name: str, enabled: Sequence[str]) -> dict[str, str]:
        """Return a channel's variables by key; what also begins a longer enabled prefix belongs there."""
        prefix = variable_prefix(name)
        longer = tuple(p for p in map(variable_prefix, enabled) if p.startswith(prefix) and p != prefix)
        found = {
            variable[len(prefix) :].lower(): text
            for variable, text in self.environ.items()
            if variable.startswith(prefix) and variable != prefix and not variable.startswith(longer or ("\0",))
        }
        twin = next((each for each in enabled if each != name and variable_prefix(each) == prefix), None)
        if found and twin is not None:
            self.complain(
                f"[channels.{name}]", "", f"shares the variables {prefix}* with '{twin}'; rename one of them."
            )
        return found

    def allowlist(self, value: object, complain: Callable[[str], None]) -> IdentityAllowlist | None:
        try:
            return parse_allowlist(cast("Mapping[str, object] | str", value))
        except HostConfigurationError as error:
            complain(str(error))
            return None

    def options(self, tables: Iterable[ChannelTable], channel_class: Callable[[str], type[Channel]]) -> None:
        from .checking import check_options  # noqa: PLC0415 - pydantic costs more than the rest of the front door

        for table in tables:
            try:
                found = channel_class(table.plugin)
            except PluginError:
                continue
            try:
                self.problems.extend(check_options(table, found).problems)
            except HostConfigurationError as error:
                self.problems.append(table.problem("", str(error)))


def _below(directory: Path, value: object) -> object:
    if isinstance(value, Mapping):
        parts = cast("Mapping[str, str]", value)
        return {part: str(directory / path) for part, path in parts.items()}
    return str(directory / str(value))


def _laid_over(text: str, kind: Kind) -> object:
    """Return an environment variable's text as a value: literally for text, else as TOML when it is any."""
    parsed = text if kind.is_text else parse_toml(f"value = {text}")
    return parsed["value"] if isinstance(parsed, dict) and parsed.keys() == {"value"} else text
