"""What belongs together is one commit: a message as it is accepted, and all of its end."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from agent_framework_hosting import (
    AgentFrameworkHost,
    ChannelIdentity,
    ChannelRequest,
    DiskStore,
    InProcessTaskRunner,
    MemoryStore,
    Put,
    Reply,
    StoreError,
    Write,
    result_text,
)
from agent_framework_hosting.testing import EchoAgent, InboxChannel, call

pytestmark = [pytest.mark.anyio, pytest.mark.requirement("records.one-commit")]


class Watched(DiskStore):
    """A disk that remembers which tables each commit wrote."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.commits: list[set[str]] = []

    async def commit(self, writes: Sequence[Write]) -> int:
        self.commits.append({table for write in writes if (table := getattr(write, "table", None))})
        return await super().commit(writes)


def said(text: str, event_id: str, **fields: object) -> ChannelRequest:
    identity = ChannelIdentity("inbox", f"user-{event_id}")
    return ChannelRequest("inbox", "message.create", text, identity=identity, event_id=event_id, **fields)


async def test_a_dispatched_message_takes_three_commits(tmp_path: Path) -> None:
    store, inbox = Watched(tmp_path / "runner"), InboxChannel()
    runner = InProcessTaskRunner(store=store)
    async with AgentFrameworkHost(EchoAgent(), channels=[inbox], config={}, durable_task_runner=runner):
        store.commits.clear()
        assert (await inbox.context.dispatch(said("hello", "1"))).status_code == 200
        turn = [tables for tables in store.commits if tables]
    assert turn == [{"identities", "turns", "events"}, {"turns"}, {"snapshots", "turns", "turns.ended"}]


async def test_an_admitted_message_takes_three_and_its_delivery_two(tmp_path: Path) -> None:
    store, inbox = Watched(tmp_path / "runner"), InboxChannel()
    runner = InProcessTaskRunner(store=store)
    async with AgentFrameworkHost(EchoAgent(), channels=[inbox], config={}, durable_task_runner=runner):
        store.commits.clear()
        await inbox.context.admit(said("hello", "1", background=True))
        await inbox.wait_for(1)
    turn = [tables for tables in store.commits if tables & {"identities", "turns", "turns.ended", "tasks"}]
    assert turn == [
        {"identities", "turns", "events", "continuations"},
        {"turns", "continuations"},
        {"snapshots", "tasks", "turns", "turns.ended", "continuations"},
        {"tasks"},
        {"tasks", "receipts"},
    ]


class Slow(DiskStore):
    """A disk on which sessions wait until the test lets them through."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.waits, self.goes_on = asyncio.Event(), asyncio.Event()

    async def commit(self, writes: Sequence[Write]) -> int:
        if any(isinstance(write, Put) and write.table == "snapshots" for write in writes):
            self.waits.set()
            await self.goes_on.wait()
        return await super().commit(writes)


@pytest.mark.requirement("turn.failure")
@pytest.mark.parametrize("event_id", [None, "e1"])
async def test_a_caller_that_goes_away_while_the_end_is_committed_leaves_no_turn_open(
    tmp_path: Path, event_id: str | None
) -> None:
    store, inbox = Slow(tmp_path / "runner"), InboxChannel()
    runner = InProcessTaskRunner(store=store)
    async with AgentFrameworkHost(EchoAgent(), channels=[inbox], config={}, durable_task_runner=runner) as host:
        request = ChannelRequest(
            "inbox", "message.create", "hello", identity=ChannelIdentity("inbox", "ada"), event_id=event_id
        )
        turn = asyncio.create_task(inbox.context.dispatch(request))
        async with asyncio.timeout(10):
            await store.waits.wait()
            turn.cancel()
            await asyncio.wait([turn])
            store.goes_on.set()
            while (await call(host.app, "GET", "/readiness")).json()["turns"]["open"]:
                await asyncio.sleep(0)
        assert turn.cancelled()
        assert (await inbox.context.dispatch(replace(request, event_id="e2"))).status_code == 200


class Full(MemoryStore):
    """Refuses sessions while it is full."""

    full = True

    async def commit(self, writes: Sequence[Write]) -> int:
        if self.full and any(isinstance(write, Put) and write.table == "snapshots" for write in writes):
            raise StoreError("The disk is full.")
        return await super().commit(writes)


@pytest.mark.requirement("turn.failure")
async def test_a_session_that_waited_for_its_store_does_not_undo_a_reset() -> None:
    store, inbox = Full(), InboxChannel()
    async with AgentFrameworkHost(EchoAgent(), channels=[inbox], config={}, store=store) as host:
        request = ChannelRequest("inbox", "message.create", "hello", identity=ChannelIdentity("inbox", "ada"))
        assert isinstance(await inbox.context.dispatch(request), Reply)
        await inbox.context.reset_session("inbox:ada")
        store.full = False
        async with asyncio.timeout(10):
            while (await call(host.app, "GET", "/readiness")).json()["turns"]["open"]:
                await asyncio.sleep(0)
        assert await store.count("snapshots") == 0
        again = await inbox.context.dispatch(request)
        assert result_text(again.result) == "1: hello"
