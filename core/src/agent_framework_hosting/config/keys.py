"""The keys of host.toml that the host itself owns: their names, types and meanings, as data."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import cast

from ..wording import did_you_mean

CHANNEL_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]*[A-Za-z0-9])?")
_STATE_PARTS = ("runner", "sessions", "checkpoints", "links")


@dataclass(frozen=True, slots=True)
class Kind:
    """A type of value: how a message calls it, what belongs to it, and its JSON Schema."""

    says: str
    accepts: Callable[[object], bool]
    schema: Mapping[str, object]

    @property
    def is_text(self) -> bool:
        """Whether an environment variable holds the value literally, not as TOML."""
        return self.schema.get("type") == "string" or "enum" in self.schema


@dataclass(frozen=True, slots=True)
class Key:
    """One key: its kind and what it does."""

    kind: Kind
    does: str


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < float("inf")


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value) and "\0" not in value


def _is_texts(value: object) -> bool:
    return isinstance(value, list | tuple) and all(_is_text(item) for item in cast("Iterable[object]", value))


def _is_path(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(r"(/[^\s?#{}]*)?", value) is not None


def _is_state(value: object) -> bool:
    if not isinstance(value, Mapping):
        return _is_text(value)
    table = cast("Mapping[object, object]", value)
    return all(key in _STATE_PARTS and _is_text(path) for key, path in table.items())


def _is_allowlist(value: object) -> bool:
    return isinstance(value, Mapping) or value == "open"


def _choice(*values: str) -> Kind:
    names = " or ".join(f'"{value}"' for value in values)
    return Kind(names, lambda value: isinstance(value, str) and value in values, {"enum": list(values)})


TEXT = Kind("a string that is not empty", _is_text, {"type": "string", "minLength": 1})
TEXTS = Kind("a list of strings", _is_texts, {"type": "array", "items": {"type": "string", "minLength": 1}})
FLAG = Kind("true or false", lambda value: isinstance(value, bool), {"type": "boolean"})
COUNT = Kind("a whole number above 0", _is_count, {"type": "integer", "minimum": 1})
NUMBER = Kind("a number, 0 or more", _is_number, {"type": "number", "minimum": 0})
URL_PATH = Kind('a path such as "/bot"', _is_path, {"type": "string", "pattern": "^(/[^\\s?#{}]*)?$"})
STATE = Kind(
    "a directory, or a table with the keys runner, sessions, checkpoints, links",
    _is_state,
    {
        "anyOf": [
            TEXT.schema,
            {
                "type": "object",
                "properties": dict.fromkeys(_STATE_PARTS, TEXT.schema),
                "additionalProperties": False,
            },
        ]
    },
)
HOST_ALLOWLIST = Kind('a table or "open"', _is_allowlist, {"anyOf": [{"type": "object"}, {"enum": ["open"]}]})
ALLOWLIST = Kind(
    'a table, "inherit" or "open"',
    lambda value: value == "inherit" or _is_allowlist(value),
    {"anyOf": [{"type": "object"}, {"enum": ["inherit", "open"]}]},
)

HOST_KEYS: Mapping[str, Key] = {
    "target": Key(TEXT, "What is served, as module:attribute: an agent, a workflow, a factory, or a finished host."),
    "state_dir": Key(STATE, "Where state is kept; without it nothing outlives the process."),
    "checkpoint_location": Key(TEXT, "Where workflow checkpoints are kept, when not under state_dir."),
    "runtime_mode": Key(_choice("long_running", "ephemeral"), "How the process lives; found out when left out."),
    "allow_in_process_runner": Key(FLAG, "Allow the in-process runner in an ephemeral runtime; work may be lost."),
    "debug": Key(FLAG, "Log more, for development."),
    "allowlist": Key(HOST_ALLOWLIST, "Who may speak, on every channel that says nothing else."),
    "max_body_bytes": Key(COUNT, "Largest request body taken, in bytes."),
    "body_timeout_seconds": Key(NUMBER, "Longest time a request body may take to arrive; 0 for no limit."),
    "turn_timeout_seconds": Key(NUMBER, "Longest turn, in seconds; 0 for no limit."),
    "max_live_sessions": Key(COUNT, "How many sessions are kept in memory; the least recently used goes first."),
    "max_concurrent_turns": Key(COUNT, "How many turns run at once; more wait."),
    "snapshot_sessions": Key(
        FLAG, "Keep a snapshot of each session in the state directory, if there is one; true unless set."
    ),
    "on_interrupted": Key(_choice("apologise", "rerun"), "What happens to a turn that a crash cut off."),
    "active_window_minutes": Key(NUMBER, "How long a channel counts as a person's active one, in minutes."),
    "lease_seconds": Key(NUMBER, "On a store that hosts share: after how much silence one counts as dead."),
}

CHANNEL_KEYS: Mapping[str, Key] = {
    "use": Key(TEXT, "The plugin to load, when the table's name is another."),
    "path": Key(URL_PATH, "Where the channel's routes begin."),
    "allowlist": Key(ALLOWLIST, 'Who may speak: a table, "inherit" (the host\'s list) or "open" (everyone).'),
    "require_link": Key(FLAG, "Whether everyone must link their account first."),
    "wire_targets": Key(TEXTS, "Delivery targets that a request on this channel may name."),
    "conversation_scope": Key(
        _choice("per_user", "per_user_per_conversation", "per_conversation"), "Who shares a session in groups."
    ),
    "accept_in_group": Key(
        _choice("mention_only", "command_only", "mention_or_command", "all"), "What the agent answers in groups."
    ),
}


def meant(key: str, known: Iterable[str], *, never: Iterable[str] = ()) -> str:
    """Return " Did you mean 'x'?" for the nearest of the known names, else the list of them all."""
    names = sorted(set(known) - set(never))
    return did_you_mean(key, names, f" Known here: {', '.join(names)}." if names else "")
