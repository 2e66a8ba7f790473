"""What a subclass of a store's contract says about its store, and how long the contract waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from inspect import isawaitable
from pathlib import Path
from typing import TypeAlias, cast

import pytest

from ..ports import Store

NO_TEXT = ["\0", "a\0b", "\ud800", "a\udfff"]
"""What no store keeps: NUL, and halves of surrogate pairs."""

NO_NAME = [*NO_TEXT, "\x1f", "a\nb", "\x01", "\x7f", "\x85"]
"""What names no table, field, lease or owner: that, and control characters."""


class StoreHooks:
    """What a subclass says about its store.

    ``patience_seconds`` is how long one call of the store may take.
    """

    patience_seconds: float = 20.0

    def make_store(self, tmp_path: Path) -> Store:
        """Return a new store, not opened; every call in one test names the same place (``tmp_path``)."""
        raise NotImplementedError("Return a new store of yours from make_store().")

    def advance(self, seconds: float) -> None:  # noqa: ARG002 - the subclass uses it
        """Move on the time that the stores of this test tell. Tests that need it are skipped where it is left out."""
        pytest.skip("This store's time cannot be moved by a test.")

    def made(self, tmp_path: Path) -> Store:
        """Make a store whose calls fail the test, by their name, when they take too long."""
        return cast("Store", _WaitedFor(self.make_store(tmp_path), self.patience_seconds))

    @asynccontextmanager
    async def opened(self, tmp_path: Path) -> AsyncGenerator[Store]:
        """Make a store and have it open."""
        store = self.made(tmp_path)
        await store.open()
        try:
            yield store
        finally:
            await store.close()


Page: TypeAlias = Sequence[tuple[str, str]]


async def keys_by_pages(page_after: Callable[[str], Awaitable[Page]], *, most: int) -> Sequence[str]:
    """Return the keys that pages bring until one is empty, each asked for after the last key of the one before.

    Raises ``AssertionError`` when they bring more than ``most`` keys: such paging may never end.
    """
    keys: list[str] = []
    while page := await page_after(keys[-1] if keys else ""):
        keys += [key for key, _ in page]
        if len(keys) > most:
            raise AssertionError(f"Waited for an empty page after {most} keys, all there are; the pages gave {keys}.")
    return keys


class _WaitedFor:
    """A store of which each call ends in time."""

    def __init__(self, store: Store, seconds: float) -> None:
        self._store = store
        self._seconds = seconds

    def __getattr__(self, name: str) -> object:
        member: object = getattr(self._store, name)
        if not callable(member):
            return member

        def call(*args: object, **options: object) -> object:
            answer: object = member(*args, **options)
            return self._wait(name, answer) if isawaitable(answer) else answer

        return call

    async def _wait(self, name: str, answer: Awaitable[object]) -> object:
        patience = asyncio.timeout(self._seconds)
        try:
            async with patience:
                return await answer
        except TimeoutError:
            if not patience.expired():
                raise
            raise AssertionError(f"Waited {self._seconds} s for {name}() of the store, which did not return.") from None
