"""Log lines for people, or as JSON for programs, with the fields given as ``extra``."""

from __future__ import annotations

import json
import logging
import os
import sys
import warnings
from datetime import UTC, datetime
from types import TracebackType
from typing import Literal, TypeAlias

import click

from ..errors import HostingError

ExceptionTuple: TypeAlias = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}
_COLOURS = {"WARNING": "yellow", "ERROR": "red", "CRITICAL": "red"}


def configure_logging(*, style: Literal["text", "json"] = "text", debug: bool, quiet: bool = False) -> None:
    """Send the log to stderr: the host's INFO and everyone's warnings; one level more with ``debug``.

    ``quiet`` leaves errors only. Python's warnings become log lines, without the line of code they come from.
    """
    handler = logging.StreamHandler()
    colour = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    handler.setFormatter(JsonFormatter() if style == "json" else TextFormatter(colour=colour, tracebacks=debug))
    logging.basicConfig(level=logging.INFO if debug else logging.WARNING, handlers=[handler], force=True)
    own = logging.DEBUG if debug else logging.ERROR if quiet else logging.INFO
    logging.getLogger("agent_framework_hosting").setLevel(own)
    warnings.formatwarning = _format_warning
    logging.captureWarnings(capture=True)


def _format_warning(message: Warning | str, *_: object, **__: object) -> str:
    return str(message)


def server_log() -> logging.Logger:
    """Return the logger for the server's own lines, which else writes them in a form of its own."""
    return logging.getLogger("hypercorn.error")


def extra_fields(record: logging.LogRecord) -> dict[str, object]:
    """Return the fields a log call gave as ``extra``."""
    return {name: value for name, value in vars(record).items() if name not in _OWN}


class TextFormatter(logging.Formatter):
    """``12:00:01 WARNING app: message (channel=echo)``; coloured on a terminal.

    An error the host raised on purpose shows its sentence; a traceback follows any other, and with ``tracebacks`` each.
    """

    def __init__(self, *, colour: bool, tracebacks: bool = False) -> None:
        super().__init__("%(message)s")
        self._colour = colour
        self._tracebacks = tracebacks

    def formatException(self, ei: ExceptionTuple) -> str:  # noqa: N802 - the base class's name
        """Return the sentence of an error raised on purpose, else the traceback."""
        if isinstance(ei[1], HostingError) and not self._tracebacks:
            return f"         {ei[1]}"
        return super().formatException(ei)

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
