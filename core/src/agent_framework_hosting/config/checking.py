"""Check a channel's table against its options model, in words that never quote a value."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ValidationError

from ..hookspecs import Channel
from .keys import CHANNEL_KEYS, meant
from .options import from_variable, options_model, python_only
from .plain import plain
from .problems import problems_of
from .references import SecretReader, field_types, resolve_reference
from .values import ChannelTable, Problem, top_key

# the host's own: given to the constructor as the object they were parsed to, or not at all
_NEVER_OPTIONS = frozenset({"use", "allowlist"})


@dataclass(frozen=True, slots=True)
class CheckedOptions:
    """The options a table sets, typed.

    ``secrets`` are the texts no message may quote, ``literals`` the places where the file holds one in plain text.
    """

    values: Mapping[str, object]
    problems: Sequence[Problem]
    secrets: Collection[str]
    literals: Sequence[str]

    def __repr__(self) -> str:
        """Show names only."""
        return f"CheckedOptions({', '.join(self.values)})"


def check_options(table: ChannelTable, channel_class: type[Channel]) -> CheckedOptions:
    """Type a table's options as the channel's model says and resolve its secrets.

    Raises ``ChannelConfigurationError`` when the class itself cannot be configured.
    """
    model = options_model(channel_class)
    types = field_types(model)
    problems: list[Problem] = []
    raw = _raw_options(table, types, problems)
    if model.model_config.get("extra") != "allow":
        _refuse_unknown(table, raw, types, python_only(channel_class), problems)
    literals: list[str] = []
    reader = SecretReader(
        lambda text: resolve_reference(text, environ=table.environ, directory=table.origin.directory),
        literals.append,
        lambda place, text: problems.append(table.problem(place, text)),
    )
    content = {key: reader.read(value, (types.get(key, object),), key) for key, value in raw.items()}
    values = _validate(table, model, content, reader.found, problems)
    in_file = [place for place in literals if table.origin.is_file and top_key(place) not in table.variables]
    return CheckedOptions(values, problems, reader.found, in_file)


def _raw_options(table: ChannelTable, types: Mapping[str, object], problems: list[Problem]) -> dict[str, object]:
    """Return the keys meant for the plugin as plain data, environment over file."""
    raw: dict[str, object] = {}
    for key, given in {**table.options, **table.variables}.items():
        if key in _NEVER_OPTIONS or (key in CHANNEL_KEYS and key not in types):
            continue
        try:
            raw[key] = plain(
                from_variable(str(given), types[key]) if key in table.variables and key in types else given
            )
        except ValueError as error:
            problems.append(table.problem(key, str(error)))
    return raw


def _refuse_unknown(
    table: ChannelTable,
    raw: dict[str, object],
    types: Mapping[str, object],
    code_only: Collection[str],
    problems: list[Problem],
) -> None:
    for key in [key for key in raw if key not in types]:
        del raw[key]
        if key in code_only:
            text = "cannot be set here: build the channel in Python and pass the instance to the host."
        else:
            text = f"unknown key of channel '{table.plugin}'.{meant(key, {*types, *CHANNEL_KEYS})}"
        problems.append(table.problem(key, text))


def _validate(
    table: ChannelTable,
    model: type[BaseModel],
    content: Mapping[str, object],
    secrets: Collection[str],
    problems: list[Problem],
) -> dict[str, object]:
    blamed = {top_key(problem.key) for problem in problems}
    try:
        # JSON is TOML's nearest kin: strict, yet lists become tuples and texts become paths and enum members
        options = model.model_validate_json(json.dumps(content), strict=True)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        found = problems_of(table, model, content, details, secrets)
        problems.extend(problem for problem in found if not problem.key or top_key(problem.key) not in blamed)
        return {}
    except Exception as error:  # a plugin's validator may raise anything, and its text may quote a value
        problems.append(table.problem("", f"the plugin's own check failed ({type(error).__name__}); tell its author."))
        return {}
    return {name: getattr(options, name) for name in options.model_fields_set}
