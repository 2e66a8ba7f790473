"""Start and stop everything a host holds, in order, and undo a start that failed."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Sequence
from dataclasses import dataclass

from .model.contribution import LifecycleCallback

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Member:
    """One part of the host with what it does at start-up and at shutdown."""

    name: str
    on_startup: Sequence[LifecycleCallback] = ()
    on_shutdown: Sequence[LifecycleCallback] = ()


async def start_all(members: Sequence[Member]) -> None:
    """Run every start-up callback; log all failures, undo what did start, and raise the first.

    Undone, in reverse order, is every member of which at least one callback succeeded, or which had none.
    """
    failures: list[Exception] = []
    started: list[Member] = []
    for member in members:
        failed = await _run(member.name, "start-up", member.on_startup)
        failures += failed
        if not failed or len(failed) < len(member.on_startup):
            started.append(member)
    if failures:
        await _stop(started)
        raise failures[0]


async def stop_all(members: Sequence[Member]) -> None:
    """Run every shutdown callback, last member first; log all failures and raise the first."""
    failures = await _stop(members)
    if failures:
        raise failures[0]


async def _stop(members: Sequence[Member]) -> list[Exception]:
    failures: list[Exception] = []
    for member in reversed(members):
        failures += await _run(member.name, "shutdown", member.on_shutdown)
    return failures


async def _run(name: str, when: str, callbacks: Sequence[LifecycleCallback]) -> list[Exception]:
    failures: list[Exception] = []
    for callback in callbacks:
        called = getattr(callback, "__qualname__", type(callback).__qualname__)
        try:
            outcome = callback()
            if inspect.isawaitable(outcome):
                await outcome
        except Exception as error:
            logger.exception("A %s callback failed", when, extra={"channel": name, "callback": called})
            failures.append(error)
    return failures
