"""One thread for everything that blocks, and one transaction for everything that waits."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar, cast

from ..ports import Write

ResultT = TypeVar("ResultT")


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    """A caller and what it waits for: a commit, or any other job."""

    work: Sequence[Write] | Callable[[], object]
    future: asyncio.Future[object]


class GroupWorker:
    """Run jobs on one thread of its own; commits that wait at the same time are handed over together.

    ``commit_all`` gets a list of commits and returns, for each, None or the error of its caller. Commits go before
    other jobs, so that a read sees every write that was awaited before it. A caller that is cancelled stops waiting;
    what it asked for still happens.
    """

    def __init__(
        self, name: str, commit_all: Callable[[Sequence[Sequence[Write]]], Sequence[Exception | None]]
    ) -> None:
        self._commit_all = commit_all
        self._executor = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._mutex = threading.Lock()
        self._queue: list[_Waiting] = []
        self._busy = False

    async def commit(self, writes: Sequence[Write]) -> None:
        """Hand over one commit and wait for its transaction."""
        await self._enqueue(writes)

    async def run(self, job: Callable[[], ResultT]) -> ResultT:
        """Run a job on the thread and return its result."""
        return cast("ResultT", await self._enqueue(job))

    def stop(self) -> None:
        """Let the thread end once its queue is empty."""
        self._executor.shutdown(wait=False)

    def _enqueue(self, work: Sequence[Write] | Callable[[], object]) -> asyncio.Future[object]:
        waiting = _Waiting(work, asyncio.get_running_loop().create_future())
        with self._mutex:
            self._queue.append(waiting)
            idle, self._busy = not self._busy, True
        if idle:
            self._executor.submit(self._drain)
        return waiting.future

    def _drain(self) -> None:
        while True:
            with self._mutex:
                group, self._queue = self._queue, []
                self._busy = bool(group)
            if not group:
                return
            self._work_off(group)

    def _work_off(self, group: Sequence[_Waiting]) -> None:
        commits = [waiting for waiting in group if not callable(waiting.work)]
        if commits:
            writes = [cast("Sequence[Write]", waiting.work) for waiting in commits]
            errors, failure = _outcome(lambda: self._commit_all(writes))
            _settle([(each.future, None, errors[i] if errors else failure) for i, each in enumerate(commits)])
        for waiting in group:
            if callable(waiting.work):
                _settle([(waiting.future, *_outcome(waiting.work))])


def _outcome(job: Callable[[], ResultT]) -> tuple[ResultT | None, Exception | None]:
    try:
        return job(), None
    except Exception as error:
        return None, error  # the caller that waits for it raises it


def _settle(outcomes: Sequence[tuple[asyncio.Future[object], object, Exception | None]]) -> None:
    """Wake the callers, each on its own loop, with one wake-up per loop."""
    loops = {future.get_loop() for future, _, _ in outcomes}
    for loop in loops:
        mine = [outcome for outcome in outcomes if outcome[0].get_loop() is loop]
        try:
            loop.call_soon_threadsafe(_wake, mine)
        except RuntimeError:
            pass  # the loop is closed: nobody waits any more


def _wake(outcomes: Sequence[tuple[asyncio.Future[object], object, Exception | None]]) -> None:
    for future, result, error in outcomes:
        if future.done():
            continue
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)
