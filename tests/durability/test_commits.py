"""What belongs together is one commit: a message as it is accepted, and all of its end."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from agent_framework_hosting import (
    AgentFrameworkHost,
    ChannelIdentity,
    ChannelRequest,
    DiskStore,
    InProcessTaskRunner,
    Write,
)
from agent_framework_hosting.testing import EchoAgent, InboxChannel

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
