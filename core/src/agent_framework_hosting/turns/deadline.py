"""A time limit over a stream that is read piece by piece."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Generic, Self, TypeVar

UpdateT = TypeVar("UpdateT")


class Deadline(Generic[UpdateT]):
    """Read a stream for at most ``seconds`` in all, with one timer however many pieces there are.

    A pull that is under way when time is up raises ``TimeoutError``, and so does the next one; a reader that is busy
    with a piece is never interrupted.
    """

    def __init__(self, stream: AsyncIterator[UpdateT], seconds: float | None) -> None:
        self._stream = stream
        self._seconds = seconds
        self._timer: asyncio.TimerHandle | None = None
        self._puller: asyncio.Task[object] | None = None
        self._expired = False

    def __enter__(self) -> Self:
        """Start the clock."""
        if self._seconds is not None:
            self._timer = asyncio.get_running_loop().call_later(self._seconds, self._expire)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the clock."""
        if self._timer is not None:
            self._timer.cancel()

    def __aiter__(self) -> Self:
        """Read on."""
        return self

    async def __anext__(self) -> UpdateT:
        """Return the next piece."""
        if self._expired:
            raise TimeoutError
        puller = self._puller = asyncio.current_task()
        try:
            return await self._stream.__anext__()
        except asyncio.CancelledError:
            if self._expired and puller is not None and puller.uncancel() == 0:
                raise TimeoutError from None
            raise
        finally:
            self._puller = None

    def _expire(self) -> None:
        self._expired = True
        if self._puller is not None:
            self._puller.cancel()
