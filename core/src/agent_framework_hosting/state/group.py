"""One thread for everything that blocks, and one transaction for everything that waits."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from ..ports import Write

ResultT = TypeVar("ResultT")


class GroupWorker:
    """Run jobs on one thread of its own; commits that wait at the same time are handed over together.

    ``commit_all`` gets a list of commits and returns, for each, its version or the error of its caller. Commits go
    before other jobs, so that a read sees every write that was awaited before it. A caller that is cancelled stops
    waiting; what it asked for still happens.
    """

    def __init__(self, name: str, commit_all: Callable[[Sequence[Sequence[Write]]], Sequence[int | Exception]]) -> None:
        self._commit_all = commit_all
        self._executor = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._mutex = threading.Lock()
        self._commits: list[tuple[asyncio.Future[int], Sequence[Write]]] = []
        self._jobs: list[Callable[[], None]] = []
        self._busy = False

    def commit(self, writes: Sequence[Write]) -> asyncio.Future[int]:
        """Hand over one commit; await what is returned for its transaction and its version."""
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        with self._mutex:
            self._commits.append((future, writes))
            self._set_to_work()
        return future

    def run(self, job: Callable[[], ResultT]) -> asyncio.Future[ResultT]:
        """Hand over a job for the thread; await what is returned for its result."""
        future: asyncio.Future[ResultT] = asyncio.get_running_loop().create_future()
        with self._mutex:
            self._jobs.append(lambda: _settle([(future, _outcome_of(job))]))
            self._set_to_work()
        return future

    def stop(self) -> None:
        """Let the thread end once its queue is empty."""
        self._executor.shutdown(wait=False)

    def _set_to_work(self) -> None:
        if not self._busy:
            self._busy = True
            self._executor.submit(self._drain)

    def _drain(self) -> None:
        while True:
            with self._mutex:
                commits, self._commits = self._commits, []
                jobs, self._jobs = self._jobs, []
                self._busy = bool(commits or jobs)
            if not commits and not jobs:
                return
            if commits:
                _settle(self._commit(commits))
            for job in jobs:
                job()

    def _commit(
        self, commits: Sequence[tuple[asyncio.Future[int], Sequence[Write]]]
    ) -> Sequence[tuple[asyncio.Future[int], int | Exception]]:
        try:
            outcomes = self._commit_all([writes for _, writes in commits])
        except Exception as error:
            outcomes = [error] * len(commits)
        return [(future, outcome) for (future, _), outcome in zip(commits, outcomes, strict=True)]


def _outcome_of(job: Callable[[], ResultT]) -> ResultT | Exception:
    try:
        return job()
    except Exception as error:
        return error  # the caller that waits for it raises it


def _settle(outcomes: Sequence[tuple[asyncio.Future[ResultT], ResultT | Exception]]) -> None:
    """Wake the callers, each on its own loop, with one wake-up per loop."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[ResultT], ResultT | Exception]]] = {}
    for outcome in outcomes:
        by_loop.setdefault(outcome[0].get_loop(), []).append(outcome)
    for loop, mine in by_loop.items():
        try:
            loop.call_soon_threadsafe(_wake, mine)
        except RuntimeError:
            pass  # the loop is closed: nobody waits any more


def _wake(outcomes: Sequence[tuple[asyncio.Future[ResultT], ResultT | Exception]]) -> None:
    for future, outcome in outcomes:
        if future.done():
            continue
        if isinstance(outcome, Exception):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)
