"""Outlast a sick store: what was promised is kept as soon as it can be written down."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from ..errors import StoreError

logger = logging.getLogger(__name__)

_FIRST_PAUSE = 0.25
_LONGEST_PAUSE = 10.0


async def outlast(work: Callable[[], Awaitable[None]]) -> None:
    """Do work that commits to a store, again and again until the store takes it."""
    pause = _FIRST_PAUSE
    while True:
        try:
            return await work()
        except StoreError as error:
            logger.warning("A turn waits for its store: %s", error)
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)
