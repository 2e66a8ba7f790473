from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from agent_framework_hosting.turns.running import Deadline, Preview

pytestmark = pytest.mark.anyio


async def _pieces(*pieces: str, then: asyncio.Event | None = None) -> AsyncIterator[str]:
    for piece in pieces:
        yield piece
    if then is not None:
        await then.wait()


async def test_reads_a_quick_stream_to_its_end() -> None:
    with Deadline(_pieces("a", "b"), 60) as pieces:
        assert [piece async for piece in pieces] == ["a", "b"]


async def test_a_stream_that_never_ends_is_cut_off() -> None:
    with Deadline(_pieces("a", then=asyncio.Event()), 0.01) as pieces:
        assert await anext(pieces) == "a"
        with pytest.raises(TimeoutError):
            await anext(pieces)
    current = asyncio.current_task()
    assert current is not None
    assert current.cancelling() == 0


async def test_a_busy_reader_is_not_interrupted() -> None:
    with Deadline(_pieces("a", "b"), 0.0) as pieces:
        first = await anext(pieces)
        fired = asyncio.Event()
        asyncio.get_running_loop().call_later(0.01, fired.set)
        await fired.wait()
        with pytest.raises(TimeoutError):
            await anext(pieces)
    assert first == "a"


async def test_a_cancelled_reader_stays_cancelled() -> None:
    started = asyncio.Event()

    async def read() -> None:
        with Deadline(_pieces(then=asyncio.Event()), 60) as pieces:
            started.set()
            await anext(pieces)

    reader = asyncio.create_task(read())
    await started.wait()
    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader


async def test_without_a_limit_it_waits() -> None:
    with Deadline(_pieces("a"), None) as pieces:
        assert [piece async for piece in pieces] == ["a"]


# Previews


class Live:
    """A reply that can be slow or broken."""

    def __init__(self, *, broken: bool = False) -> None:
        self.shown: list[str] = []
        self.broken = broken
        self.busy = asyncio.Event()
        self.go_on = asyncio.Event()

    async def update(self, text: str) -> None:
        if self.broken:
            raise OSError
        self.shown.append(text)
        self.busy.set()
        await self.go_on.wait()

    async def finish(self, result: object) -> None:
        raise NotImplementedError

    async def fail(self, reason: str) -> None:
        raise NotImplementedError


async def test_while_an_update_is_under_way_only_the_latest_text_waits() -> None:
    live = Live()
    async with Preview(live) as preview:
        preview.feed("a")
        await live.busy.wait()
        for text in ("b", "", "c"):
            preview.feed(text)
        live.busy.clear()
        live.go_on.set()
        await live.busy.wait()
    assert live.shown == ["a", "abc"]


async def test_on_the_way_out_the_update_under_way_is_waited_for_and_no_other_begins() -> None:
    live = Live()
    async with Preview(live) as preview:
        preview.feed("a")
        await live.busy.wait()
        preview.feed("b")
        live.go_on.set()
    assert live.shown == ["a"]


async def test_a_preview_that_fails_is_dropped_and_the_turn_goes_on() -> None:
    live = Live(broken=True)
    async with Preview(live) as preview:
        for text in "abc":
            preview.feed(text)
            await asyncio.sleep(0)
    assert live.shown == []
