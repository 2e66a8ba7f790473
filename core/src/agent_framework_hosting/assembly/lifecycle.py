"""Start and stop everything a host holds, in order, and undo a start that failed."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from functools import partial

from ..errors import CommitRefused, StoreError
from ..inbound import Inbound
from ..model.contribution import LifecycleCallback
from ..operations.control import ControlServer
from ..ports import DurableTaskRunner, HousedTaskRunner, Lanes, StartedTaskRunner, Store
from ..records import Catalog
from ..state.ownership import Ownership
from ..turns.ending import Endings
from ..turns.recovery import Recovery
from .readiness import Readiness
from .state import close_store, open_store

logger = logging.getLogger("agent_framework_hosting")

GRACE_SECONDS = 5.0
TIDY_SECONDS = 60.0


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


async def _open(callback: LifecycleCallback) -> None:
    for failure in await _run("state", "start-up", [callback]):
        raise failure


class Lifecycle:
    """Start a host and stop it, as often as wanted: state first, then the plugins, then what another life left.

    ``load`` reads stored state into memory, ``open_doors`` are the channels that let everyone in, ``mode`` is the
    runtime mode and its reason.
    """

    def __init__(
        self,
        *,
        store: Store,
        ownership: Ownership,
        catalog: Catalog,
        load: Callable[[], Awaitable[None]],
        runner: DurableTaskRunner,
        lanes: Lanes,
        inbound: Inbound,
        recovery: Recovery,
        endings: Endings,
        readiness: Readiness,
        control: ControlServer | None,
        open_doors: Sequence[str],
        mode: str,
    ) -> None:
        self._store = store
        self._ownership = ownership
        self._catalog = catalog
        self._load = load
        self._runner = runner
        self._lanes = lanes
        self._inbound = inbound
        self._recovery = recovery
        self._endings = endings
        self._readiness = readiness
        self._control = control
        self._open_doors = open_doors
        self._mode = mode
        self._claimed = False
        self._running = False
        self._state_is_open = False
        self._was_closed = False
        self._opening = asyncio.Lock()
        self._rounds: list[asyncio.Task[None]] = []

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
        self._was_closed = False
        await self._open_state()
        try:
            await self._endings.drain()  # what an earlier life of this very host could not write down
            gone = await self._ownership.lapsed()
            await self._recovery.find()
            await start_all(members)
        except BaseException:
            self._recovery.let_go()
            await self._close_state()
            raise
        self._running = self._readiness.running = self._inbound.accepting = True
        try:
            taken_up = await self._recovery.take_up(self._inbound.take_on)
            resumed = await self._resume_runner()
            for host_id in gone:  # all their work is taken up; who lapsed since then has the next round
                await self._ownership.settled(host_id)
            if self._control is not None:
                await self._control.open()
        except BaseException:
            await self.stop(members)
            raise
        self._begin_rounds()
        logger.info(
            "Started (%s)",
            self._mode,
            extra={
                "runtime_mode": self._mode.partition(":")[0],
                "turns_taken_up": taken_up,
                "deliveries_resumed": resumed,
            },
        )
        if self._open_doors:
            logger.info("No allowlist, so everyone the channel lets in may speak: %s", ", ".join(self._open_doors))

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
        self._readiness.running = self._inbound.accepting = False
        async with self._opening:
            if not self._state_is_open:
                return
            async with AsyncExitStack() as steps:  # the last one pushed is the first one done
                steps.callback(self._stopped)
                steps.push_async_callback(self._close_state)
                if self._running:
                    steps.push_async_callback(stop_all, members)
                if isinstance(self._runner, StartedTaskRunner):
                    steps.push_async_callback(self._runner.shutdown)
                steps.push_async_callback(self._endings.drain)
                steps.push_async_callback(self._let_turns_finish)
                if self._control is not None:
                    steps.push_async_callback(self._control.close)
                steps.push_async_callback(self._end_rounds)

    async def _let_turns_finish(self) -> None:
        ends = asyncio.get_running_loop().time() + GRACE_SECONDS
        await self._inbound.deferred.drain(GRACE_SECONDS)
        with suppress(TimeoutError):
            async with asyncio.timeout_at(ends):
                await self._lanes.idle()  # those whose wire still waits; the server ends what takes longer

    def _stopped(self) -> None:
        self._running = self._claimed = False
        self._was_closed = True
        logger.info("Stopped")

    # State

    async def _open_state(self) -> None:
        async with self._opening:
            if self._state_is_open:
                return
            await _open(partial(open_store, self._store))
            try:
                await _open(self._ownership.begin)
                await _open(self._load)
            except BaseException:
                await self._close_state()
                raise
            self._state_is_open = True

    async def _resume_runner(self) -> int:
        if not isinstance(self._runner, StartedTaskRunner):
            return 0
        await self._runner.open()
        return await self._runner.resume()

    async def _close_state(self) -> None:
        self._state_is_open = False
        try:
            await self._ownership.end()
        finally:
            await close_store(self._store)

    # What goes on while the host runs

    def _begin_rounds(self) -> None:
        loop = asyncio.get_running_loop()
        rounds = [loop.create_task(_every(TIDY_SECONDS, self._tidy))]
        if self._ownership.shared:
            rounds.append(loop.create_task(_every(self._ownership.seconds / 3, self._take_over)))
        self._rounds = rounds

    async def _end_rounds(self) -> None:
        rounds, self._rounds = self._rounds, []
        for each in rounds:
            each.cancel()
        if rounds:
            await asyncio.wait(rounds)

    async def _tidy(self) -> None:
        """Remove what has expired or is too much, unless another host does."""
        if await self._ownership.hold("tidy") is not None:
            await self._catalog.tidy()
            await self._ownership.let_go("tidy")

    async def _take_over(self) -> None:
        """Take up what hosts left that live no more."""
        for host_id in await self._ownership.lapsed():
            await self._recovery.find(host_id)
            turns = await self._recovery.take_up(self._inbound.take_on)
            deliveries = await self._runner.take_over(host_id) if isinstance(self._runner, HousedTaskRunner) else 0
            await self._ownership.settled(host_id)
            fields = {"host": host_id, "turns": turns, "deliveries": deliveries}
            logger.warning("Took over what another host left", extra=fields)


async def _every(seconds: float, work: Callable[[], Awaitable[None]]) -> None:
    """Do work again and again, with a pause after each time; a sick store is for the next time."""
    while True:
        try:
            await work()
        except (StoreError, CommitRefused) as error:
            logger.warning("Something that the host does every %g seconds failed: %s", seconds, error)
        await asyncio.sleep(seconds)
