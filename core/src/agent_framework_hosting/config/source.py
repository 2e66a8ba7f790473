"""Read a configuration's raw content: a mapping, a TOML file, or ./host.toml when it is there."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path

from ..errors import HostConfigurationError
from .values import Origin

DEFAULT_FILE = "host.toml"
_PLACE = re.compile(r"\s*\(at (?:line (\d+), column (\d+)|end of document)\)$")


def read_source(
    source: Mapping[str, object] | os.PathLike[str] | str | None,
) -> tuple[Mapping[object, object], Origin]:
    """Return the raw content and where it came from; raises ``HostConfigurationError``."""
    if source is None:
        path = Path(DEFAULT_FILE)
        return _read_file(path) if path.exists() else ({}, Origin(DEFAULT_FILE))
    if isinstance(source, Mapping):
        return {**source}, Origin()
    return _read_file(Path(source))


def _read_file(path: Path) -> tuple[Mapping[object, object], Origin]:
    origin = Origin(str(path), path.parent, is_file=True)
    text = ""
    trouble = None
    try:
        text = path.read_bytes().decode()
    except FileNotFoundError:
        trouble = "there is no such file. Create it, or name another with --config."
    except UnicodeDecodeError:
        trouble = "is not UTF-8 text. Save it as UTF-8."
    except (OSError, ValueError) as error:
        trouble = f"cannot be read ({type(error).__name__}). Check the path and its permissions."
    if trouble is None:
        content = parse_toml(text)
        if not isinstance(content, str):
            return {**content}, origin
        trouble = content
    raise HostConfigurationError(f"{origin.label}: {trouble}")


def parse_toml(text: str) -> dict[str, object] | str:
    """Parse TOML; what is wrong comes back as a sentence with line and column, and never quotes a value."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        place = _PLACE.search(str(error))
        reason = _PLACE.sub("", str(error))
        line, column = (place[1], place[2]) if place and place[1] else _end(text)
        return f"line {line}, column {column}: not valid TOML: {reason}."
    except RecursionError:
        return "not usable TOML: it is nested too deeply."
    except ValueError:
        # tomllib leaves numbers of thousands of digits to int(), which refuses them
        return "not usable TOML: a number is too long."


def _end(text: str) -> tuple[str, str]:
    lines = text.split("\n")
    return str(len(lines)), str(len(lines[-1]) + 1)
