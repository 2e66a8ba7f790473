from __future__ import annotations

import asyncio

import pytest

from agent_framework_hosting.turns.preview import Preview

pytestmark = pytest.mark.anyio


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
