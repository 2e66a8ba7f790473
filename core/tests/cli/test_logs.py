from __future__ import annotations

import json
import logging

import pytest

from agent_framework_hosting.cli.logs import JsonFormatter, TextFormatter
from agent_framework_hosting.errors import StateDirectoryInUse


def record(message: str = "Ran %s", *, failed: bool = False, **extra: object) -> logging.LogRecord:
    error = KeyError("lost")
    trouble = (KeyError, error, None) if failed else None
    made = logging.LogRecord("agent_framework_hosting.turns", logging.WARNING, __file__, 1, message, ("it",), trouble)
    vars(made).update(extra)
    return made


def test_a_line_for_people_ends_with_its_fields() -> None:
    line = TextFormatter(colour=False).format(record(channel="echo", attempt=2))
    assert line.partition(" ")[2] == "WARNING turns: Ran it (channel=echo, attempt=2)"
    assert TextFormatter(colour=False).format(record()).endswith("WARNING turns: Ran it")


def test_a_traceback_follows_the_line() -> None:
    lines = TextFormatter(colour=False).format(record(failed=True, channel="echo")).splitlines()
    assert lines[0].endswith("Ran it (channel=echo)")
    assert lines[-1] == "KeyError: 'lost'"


def test_an_error_raised_on_purpose_is_its_sentence() -> None:
    error = StateDirectoryInUse("The state directory is in use.")
    made = record()
    made.exc_info = (StateDirectoryInUse, error, error.__traceback__)
    line = TextFormatter(colour=False).format(made)
    assert line.splitlines()[1:] == ["         The state directory is in use."]
    made.exc_text = None
    assert "StateDirectoryInUse: The state" in TextFormatter(colour=False, tracebacks=True).format(made)


@pytest.mark.parametrize(("colour", "code"), [(True, "\x1b[33m"), (False, "")])
def test_colour_is_asked_for(colour: bool, code: str) -> None:
    line = TextFormatter(colour=colour).format(record())
    assert ("\x1b" in line) is colour
    assert code in line


def test_a_line_for_programs_is_one_object() -> None:
    line = JsonFormatter().format(record(failed=True, channel="echo", found={1}, level="mine"))
    assert "\n" not in line
    parsed = json.loads(line)
    assert parsed.pop("time").endswith("+00:00")
    assert parsed.pop("traceback").endswith("KeyError: 'lost'")
    assert parsed == {
        "level": "WARNING",
        "logger": "agent_framework_hosting.turns",
        "message": "Ran it",
        "channel": "echo",
        "found": "{1}",
    }
