"""Responses being made piece by piece: each has a task and a log of its own, whoever reads it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass, field

import msgspec

from agent_framework_hosting import Accepted, RecordsDiffer, Reply, StoreError, TurnFailed

from . import events
from .encoding import Json
from .errors import WireError
from .events import Event
from .log import EventLog
from .records import UNDER_WAY, Record
from .response_object import CANCELLED, FAILED, INTERRUPTED, Ending, ended, failed
from .turns import Begun, Turns, ending_of_result

logger = logging.getLogger(__name__)

_FIRST_PAUSE = 0.25
_LONGEST_PAUSE = 10.0
SHUT_DOWN = Ending("failed", error=INTERRUPTED)


@dataclass(slots=True, eq=False)
class Run:
    """One response under way.

    ``cancel_as`` says how it ends when its task is cancelled. ``over``: it only has to be stored, and nobody breaks
    that off.
    """

    begun: Begun
    log: EventLog
    task: asyncio.Task[None] | None = None
    cancel_as: Ending = CANCELLED
    over: bool = False
    readers: int = 0
    response: Json = field(default_factory=dict[str, object])

    def cancel(self, ending: Ending = CANCELLED) -> None:
        """Stop the run; it ends as ``ending``."""
        self.cancel_as = ending
        if self.task is not None and not self.task.done() and not self.over:
            self.task.cancel()

    async def done(self) -> None:
        """Wait until the run has ended and is stored."""
        if self.task is not None:
            await asyncio.wait([self.task])


class Runs:
    """Start runs, find them by principal and id, and hold the logs of finished ones as long as they fit."""

    def __init__(self, turns: Turns, *, max_log_bytes: int, max_held_bytes: int) -> None:
        """Run turns of one channel."""
        self._turns = turns
        self._max_log_bytes = max_log_bytes
        self._max_held_bytes = max_held_bytes
        self._live: dict[tuple[str, str], Run] = {}
        self._held: OrderedDict[tuple[str, str], EventLog] = OrderedDict()
        self._held_bytes = 0
        self._stopping = asyncio.Event()

    def live(self, principal: str, response_id: str) -> Run | None:
        """Return a run that has not ended."""
        return self._live.get((principal, response_id))

    def log(self, principal: str, response_id: str) -> EventLog | None:
        """Return the log of a response, running or ended, while it is held."""
        run = self._live.get((principal, response_id))
        return self._held.get((principal, response_id)) if run is None else run.log

    def forget(self, principal: str, response_id: str) -> None:
        """Drop the log of a deleted response."""
        log = self._held.pop((principal, response_id), None)
        if log is not None:
            self._held_bytes -= log.size

    def forget_all(self, principal: str) -> None:
        """Drop every log of a principal, and what else is remembered of their responses."""
        self._turns.records.forget(principal)
        for owner, response_id in [key for key in self._held if key[0] == principal]:
            self.forget(owner, response_id)

    async def attach(self, begun: Begun) -> Run:
        """Start a run of the foreground; raises ``WireError`` when the host does not take the turn."""
        outcome = await self._turns.dispatch(begun)
        return self._start(begun, outcome)

    async def detach(self, begun: Begun) -> Run:
        """Start a run of the background: it is on record before this returns, and no reader's leaving ends it."""
        await self._turns.gate(begun.principal)
        body = msgspec.json.encode(begun.opening)
        record = self._turns.record(begun, Ending("queued"), body)
        await self._turns.records.start(begun.principal, begun.id, record, self._turns.context.host_id)
        return self._start(begun, None)

    async def fail_left_behind(self) -> None:
        """End, visibly, what hosts left unfinished that live no more."""
        left = await self._turns.records.left_behind(await self._turns.context.hosts())
        failed = [await self._fail(principal, response_id) for principal, response_id in left]
        if any(failed):
            logger.warning("Background responses were cut off by a stop and have failed: %d", sum(failed))

    async def stored(self, principal: str, response_id: str) -> Record | None:
        """Return a stored response, or None; one whose host died while others lived on has failed by now."""
        record = await self._turns.records.get(principal, response_id)
        if record is None or record.status not in UNDER_WAY or self.live(principal, response_id) is not None:
            return record
        host = await self._turns.records.host_of(principal, response_id)
        if host is not None:  # else it has ended since
            if host in await self._turns.context.hosts():
                return record
            await self._fail(principal, response_id)
        return await self._turns.records.get(principal, response_id)

    async def _fail(self, principal: str, response_id: str) -> bool:
        now = int(time.time())
        return await self._turns.records.fail(
            principal, response_id, lambda response: ended(response, SHUT_DOWN, (), now)
        )

    async def shut_down(self) -> None:
        """End what still runs, visibly."""
        runs = list(self._live.values())
        for run in runs:
            run.cancel(SHUT_DOWN)
        self._stopping.set()
        for run in runs:
            await run.done()
        self._stopping.clear()

    def _start(self, begun: Begun, outcome: Reply | Accepted | None) -> Run:
        run = Run(begun, EventLog(self._max_log_bytes), response=begun.opening)
        self._live[begun.principal, begun.id] = run
        run.log.append([events.lifecycle("created", run.response)])
        run.task = asyncio.create_task(self._play(run, outcome))
        return run

    async def _play(self, run: Run, outcome: Reply | Accepted | None) -> None:
        """Run one turn to its end, whatever that is, and store it before the last event goes out."""
        try:
            ending = await self._ending(run, outcome)
        except asyncio.CancelledError:
            ending = run.cancel_as
        except WireError as refused:
            ending = failed(refused.message)
            logger.warning("A background response was refused: %s", refused.code)
        except TurnFailed as error:  # the host has logged why; its text is safe to show
            ending = failed(str(error))
        except Exception as error:
            ending = FAILED
            logger.error("The agent failed during a stream: %s", type(error).__name__)  # noqa: TRY400 - its text may hold secrets
            logger.debug("The failure", exc_info=error)
        run.over = True
        try:
            await self._end(run, ending)
        finally:
            key = (run.begun.principal, run.begun.id)
            self._turns.records.let_go(*key)
            self._live.pop(key, None)
            run.log.end()
            if run.begun.turn.store:
                self._hold(key, run.log)

    async def _ending(self, run: Run, outcome: Reply | Accepted | None) -> Ending:
        begun, turns = run.begun, self._turns
        if begun.turn.background:
            run.log.append([events.lifecycle("queued", begun.opening)])
            outcome = await turns.dispatch(begun)
            run.response = {**begun.opening, "status": "in_progress"}
        run.log.append([events.lifecycle("in_progress", run.response)])
        projection, log = begun.projection, run.log
        if not isinstance(outcome, Reply) or outcome.stream is None:
            whole = outcome.result if isinstance(outcome, Reply) else None
            ending, made = turns.take_result(begun, whole) if whole else turns.take_accepted(begun)
            log.append(made)
            return ending
        async with outcome.stream as stream:
            async for update in stream:
                made = projection.feed(update)
                if made:
                    log.append(made)
            result = await stream.get_final_response()
        if projection.failed:
            return FAILED
        ending = ending_of_result(result)
        log.append(projection.finish("completed" if ending.status == "completed" else "incomplete"))
        return ending

    async def _end(self, run: Run, ending: Ending) -> None:
        begun = run.begun
        last: list[Event] = []
        if ending.status in ("failed", "cancelled"):
            last += begun.projection.finish("incomplete")
        try:
            response = await self._kept(begun, ending)
        except RecordsDiffer:
            logger.warning("A background response was deleted, or ended by another host, while it was made")
            found = await self._turns.records.get(begun.principal, begun.id)
            if found is None:
                ending = CANCELLED
                _, response = await self._turns.unkept(begun, ending)
                await self._turns.forget_session(begun)
            else:
                ending, response = SHUT_DOWN, found.object()
        except Exception as error:
            logger.exception("A response could not be stored: %s", type(error).__name__)
            _, response = await self._turns.unkept(begun, FAILED)
            ending = FAILED
        run.response = response
        if ending.status == "failed":
            message = str((ending.error or {})["message"])
            last.append(events.failure(message=message))
        name = "failed" if ending.status == "cancelled" else ending.status
        run.log.append([*last, events.lifecycle(name, response)])

    async def _kept(self, begun: Begun, ending: Ending) -> Json:
        """Store an end; one that nobody waits for outlasts a store that is sick."""
        pause = _FIRST_PAUSE
        while True:
            try:
                return (await self._turns.keep(begun, ending))[1]
            except StoreError as error:
                if not begun.turn.background or self._stopping.is_set():
                    raise
                logger.warning("The end of a response waits for its store: %s", error)
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._stopping.wait()
            pause = min(pause * 2, _LONGEST_PAUSE)

    def _hold(self, key: tuple[str, str], log: EventLog) -> None:
        if not log.whole:
            return
        self._held[key] = log
        self._held_bytes += log.size
        while self._held_bytes > self._max_held_bytes:
            _, gone = self._held.popitem(last=False)
            self._held_bytes -= gone.size
