"""Start and stop everything a host holds, in order, and undo a start that failed."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass

from ..inbound import Inbound
from ..model.contribution import LifecycleCallback
from ..operations.control import ControlServer
from ..ports import DurableTaskRunner, Store
from ..sessions.lanes import Lanes
from ..tasks.inprocess import InProcessTaskRunner
from ..turns.deferred import Deferred
from ..turns.endings import Endings
from ..turns.recovery import Recovery
from .readiness import Readiness

logger = logging.getLogger("agent_framework_hosting")

GRACE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Member:
    """One part of the host with what it does at start-up and at shutdown."""

    name: str
    on_startup: Sequence[LifecycleCallback] = ()
    on_shutdown: Sequence[LifecycleCallback] = ()


async def start_all(members: Sequence[Member]) -> None:
    """Run every start-up callback; log all failures, undo what did start, and raise the first.

    Undone, in reverse order, is every member of which at least one callback succeeded, or which had none; when the
    start is cancelled, also the member it was cancelled in.
    """
    failures: list[Exception] = []
    started: list[Member] = []
    for member in members:
        try:
            failed = await _run(member.name, "start-up", member.on_startup)
        except BaseException:
            await _stop([*started, member])
            raise
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
            fields = {"channel": name, "callback": called}
            logger.exception("The %s callback %s of %r failed", when, called, name, extra=fields)
            failures.append(error)
    return failures


@dataclass(frozen=True, slots=True)
class LifecycleParts:
    """What starts and stops.

    ``load`` reads stored state into memory, ``open_doors`` are the channels that let everyone in, ``mode`` is the
    runtime mode and its reason.
    """

    stores: Sequence[Store]
    runner: DurableTaskRunner
    load: Callable[[], Awaitable[None]]
    lanes: Lanes
    inbound: Inbound
    deferred: Deferred
    recovery: Recovery
    endings: Endings
    readiness: Readiness
    control: ControlServer | None
    open_doors: Sequence[str]
    mode: str


class Lifecycle:
    """Start a host and stop it, as often as wanted: state first, then the plugins, then what a crash left."""

    def __init__(self, parts: LifecycleParts) -> None:
        self._parts = parts
        self._claimed = False
        self._running = False
        self._state_is_open = False
        self._was_closed = False
        self._opening = asyncio.Lock()

    async def start(self, members: Sequence[Member]) -> None:
        """Start everything, or nothing: what had started is undone when a part fails. Raises its error."""
        if self._claimed:
            raise RuntimeError("This host is running already; close it before it is started again.")
        self._claimed = True
        try:
            await self._start(members)
        except BaseException:
            self._claimed = False
            raise

    async def _start(self, members: Sequence[Member]) -> None:
        parts, self._was_closed = self._parts, False
        await self._open_state()
        try:
            await parts.recovery.find()
            await start_all(members)
        except BaseException:
            parts.recovery.let_go()
            await self._close_state()
            raise
        self._running = parts.readiness.running = parts.inbound.accepting = True
        try:
            taken_up = await parts.recovery.take_up()
            resumed = await self._resume_runner()
            if parts.control is not None:
                await parts.control.open()
        except BaseException:
            await self.stop(members)
            raise
        logger.info(
            "Started (%s)",
            parts.mode,
            extra={
                "runtime_mode": parts.mode.partition(":")[0],
                "turns_taken_up": taken_up,
                "deliveries_resumed": resumed,
            },
        )
        if parts.open_doors:
            logger.info("No allowlist, so everyone the channel lets in may speak: %s", ", ".join(parts.open_doors))

    async def allow_deliveries(self) -> None:
        """Let deliveries go out of a host that was never started; it holds its state until it is closed.

        Raises ``RuntimeError`` for a host that was closed.
        """
        if self._running:
            return
        if self._was_closed:
            raise RuntimeError("This host is closed and takes no more work; start it again.")
        await self._open_state()
        await self._resume_runner()

    async def stop(self, members: Sequence[Member]) -> None:
        """Stop taking messages, drain turns and deliveries, stop the plugins, give state back.

        Each of these happens whatever becomes of the others; then the first error is raised.
        """
        parts = self._parts
        parts.readiness.running = parts.inbound.accepting = False
        async with self._opening:
            if not self._state_is_open:
                return
            async with AsyncExitStack() as steps:  # the last one pushed is the first one done
                steps.callback(self._stopped)
                steps.push_async_callback(self._close_state)
                if self._running:
                    steps.push_async_callback(stop_all, members)
                if isinstance(parts.runner, InProcessTaskRunner):
                    steps.push_async_callback(parts.runner.shutdown)
                steps.push_async_callback(parts.endings.drain)
                steps.push_async_callback(self._let_turns_finish)
                if parts.control is not None:
                    steps.push_async_callback(parts.control.close)

    async def _let_turns_finish(self) -> None:
        ends = asyncio.get_running_loop().time() + GRACE_SECONDS
        await self._parts.deferred.drain(GRACE_SECONDS)
        with suppress(TimeoutError):
            async with asyncio.timeout_at(ends):
                await self._parts.lanes.idle()  # those whose wire still waits; the server ends what takes longer

    def _stopped(self) -> None:
        self._running = self._claimed = False
        self._was_closed = True
        logger.info("Stopped")

    async def _open_state(self) -> None:
        async with self._opening:
            if self._state_is_open:
                return
            stores = self._parts.stores
            await start_all([Member("state", on_startup=[store.open], on_shutdown=[store.close]) for store in stores])
            try:
                await self._parts.load()
            except BaseException:
                await self._close_state()
                raise
            self._state_is_open = True

    async def _resume_runner(self) -> int:
        runner = self._parts.runner
        if not isinstance(runner, InProcessTaskRunner):
            return 0
        await runner.open()
        return await runner.resume()

    async def _close_state(self) -> None:
        self._state_is_open = False
        async with AsyncExitStack() as closing:
            for store in self._parts.stores:
                closing.push_async_callback(store.close)
