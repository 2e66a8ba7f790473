"""Say what went wrong while a run was being taken down, without letting it hide how the run ended."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager

import anyio

logger = logging.getLogger(__name__)

_BENIGN = ("Inner stream not available", "Event loop is closed")
_PATIENCE_SECONDS = 10.0


def log_teardown(error: BaseException, what: str) -> None:
    """Log a failed teardown: the two errors agent-framework raises when all is well as warnings, others as errors."""
    if isinstance(error, RuntimeError) and any(text in str(error) for text in _BENIGN):
        logger.warning("Taking down a run: %s", error, extra={"part": what})
    else:
        logger.error("Taking down a run failed", exc_info=error, extra={"part": what})


@contextmanager
def teardown(what: str) -> Generator[None]:
    """Contain and log whatever the block raises, except cancellation."""
    try:
        yield
    except Exception as error:
        log_teardown(error, what)


@asynccontextmanager
async def uninterrupted() -> AsyncGenerator[None]:
    """Let the block finish although its task is being cancelled, within ten seconds."""
    with anyio.move_on_after(_PATIENCE_SECONDS, shield=True):
        yield
