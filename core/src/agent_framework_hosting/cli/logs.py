"""Log lines for people, or as JSON for programs, with the fields given as ``extra``."""

from __future__ import annotations

import json
import logging
import os
import sys
from datetime import UTC, datetime
from typing import Literal

import click

_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}
_COLOURS = {"WARNING": "yellow", "ERROR": "red", "CRITICAL": "red"}


def configure_logging(*, style: Literal["text", "json"] = "text", debug: bool, quiet: bool = False) -> None:
    """Send the log to stderr: the host's INFO and everyone's warnings; one level more with ``debug``.

    ``quiet`` leaves warnings only.
    """
    handler = logging.StreamHandler()
    colour = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    handler.setFormatter(JsonFormatter() if style == "json" else TextFormatter(colour=colour))
    logging.basicConfig(level=logging.INFO if debug else logging.WARNING, handlers=[handler], force=True)
    own = logging.DEBUG if debug else logging.WARNING if quiet else logging.INFO
    logging.getLogger("agent_framework_hosting").setLevel(own)


def server_log() -> logging.Logger:
    """Return the logger for the server's own lines, which else writes them in a form of its own."""
    return logging.getLogger("hypercorn.error")


def extra_fields(record: logging.LogRecord) -> dict[str, object]:
    """Return the fields a log call gave as ``extra``."""
    return {name: value for name, value in vars(record).items() if name not in _OWN}


class TextFormatter(logging.Formatter):
    """``12:00:01 WARNING app: message (channel=echo)``; coloured on a terminal."""

    def __init__(self, *, colour: bool) -> None:
        super().__init__("%(message)s")
        self._colour = colour

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, followed by the traceback when there is one."""
        fields = ", ".join(f"{name}={value}" for name, value in extra_fields(record).items())
        level = record.levelname
        if self._colour:
            level = click.style(level, fg=_COLOURS.get(level), bold=level in _COLOURS)
        source = record.name.removeprefix("agent_framework_hosting.")
        time = datetime.fromtimestamp(record.created).astimezone()
        text = f"{time:%H:%M:%S} {level} {source}: {super().format(record)}"
        head, line, rest = text.partition("\n")
        return f"{head} ({fields}){line}{rest}" if fields else text


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, the extra fields, and the traceback when there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        for name, value in extra_fields(record).items():
            line.setdefault(name, value)
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)
