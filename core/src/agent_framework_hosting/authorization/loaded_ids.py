"""A set of ids that a developer's function supplies, asked again now and then."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeAlias

logger = logging.getLogger("agent_framework_hosting.authorization")

IdLoader: TypeAlias = Callable[[], Awaitable[Iterable[str | int]]]

RETRY_SECONDS = 5.0
LOAD_SECONDS = 30.0


def id_set(ids: Iterable[str | int]) -> frozenset[str]:
    """Return ids as a set of text. Raises ``TypeError`` for a bare string and for ids of another type."""
    if isinstance(ids, str | bytes):
        raise TypeError(f"native_ids takes a list of ids, and {type(ids).__name__} is one of letters; write [id].")
    return frozenset(map(_id_text, ids))


def _id_text(native_id: object) -> str:
    if isinstance(native_id, str) and native_id:
        return native_id
    if isinstance(native_id, int) and not isinstance(native_id, bool):
        return str(native_id)
    raise TypeError(f"native_ids holds a {type(native_id).__name__} that is no id; ids are strings that are not empty.")


class LoadedIds:
    """Cache what an id loader returns for ``refresh_seconds``; however many ask at once, it is called once.

    A refresh that fails keeps the last good set and is tried again after a few seconds. Without any good set there
    is none (None), and whoever asks must refuse.
    """

    def __init__(self, loader: IdLoader, refresh_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        if not refresh_seconds >= 0:
            raise ValueError("refresh_seconds must be 0 or more.")
        self._loader = loader
        self._refresh_seconds = refresh_seconds
        self._clock = clock
        self._ids: frozenset[str] | None = None
        self._fresh_until = float("-inf")
        self._loading: asyncio.Task[None] | None = None

    async def get(self) -> frozenset[str] | None:
        """Return the ids, loading them when they are due."""
        if self._clock() < self._fresh_until:
            return self._ids
        loading = self._loading
        if loading is None or loading.done() or loading.get_loop() is not asyncio.get_running_loop():
            loading = self._loading = asyncio.create_task(
                self._load(), name="allowlist refresh", context=contextvars.Context()
            )
        await asyncio.shield(loading)  # one caller that goes away must not take the list from the others
        return self._ids

    async def _load(self) -> None:
        try:
            async with asyncio.timeout(LOAD_SECONDS):
                self._ids = id_set(await self._loader())
        except Exception:
            kept = "everybody is refused until it succeeds" if self._ids is None else "the last good list stays"
            logger.exception("An allowlist could not be loaded; %s", kept)
            self._fresh_until = self._clock() + min(RETRY_SECONDS, self._refresh_seconds)
        else:
            self._fresh_until = self._clock() + self._refresh_seconds
