from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest
from agent_framework import AgentSession, Message

from agent_framework_hosting import (
    AgentFrameworkHost,
    ChannelIdentity,
    PermanentPushError,
    ResponseTarget,
    TaskStatus,
)
from agent_framework_hosting.testing import EchoAgent, HandClock, InboxChannel

pytestmark = pytest.mark.anyio
pytest_plugins = ["agent_framework_hosting.testing.pytest_plugin"]


@pytest.mark.requirement("authors.fakes")
async def test_the_echo_agent_answers_what_it_heard_and_counts_turns_in_its_session(echo_agent: EchoAgent) -> None:
    session = echo_agent.create_session(session_id="s")
    assert (await echo_agent.run("hello")).text == "hello"
    assert (await echo_agent.run([Message("user", ["one"])], session=session)).text == "1: one"
    stream = echo_agent.run("two words", stream=True, session=session)
    assert [update.text async for update in stream] == ["2:", " two", " words"]
    assert (await stream.get_final_response()).text == "2: two words"
    assert echo_agent.texts == ["hello", "one", "two words"]
    assert echo_agent.get_session("service").service_session_id == "service"


async def test_the_echo_agent_can_be_held_and_made_to_fail() -> None:
    held = asyncio.Event()

    async def before(text: str) -> None:
        if text == "fail":
            raise ValueError
        await held.wait()

    agent = EchoAgent(before)
    waiting = asyncio.create_task(agent.run("hello", session=AgentSession()))
    with pytest.raises(ValueError):
        await agent.run("fail")
    assert not waiting.done()
    held.set()
    assert (await waiting).text == "1: hello"


@pytest.mark.requirement("authors.fakes")
async def test_the_inbox_keeps_pushes_in_order_and_fails_where_told(inbox_channel: InboxChannel) -> None:
    with pytest.raises(RuntimeError, match="not built its app"):
        _ = inbox_channel.context
    inbox_channel.failures.append(PermanentPushError("gone"))
    to = ResponseTarget.identity(ChannelIdentity("inbox", "ada"))
    async with AgentFrameworkHost(EchoAgent(), channels=[inbox_channel], config={}) as host:
        [lost] = await host.deliver("lost", to)
        waiting = asyncio.create_task(inbox_channel.wait_for(2))
        for text in ("one", "two"):
            await host.deliver(text, to)
        assert await waiting == [("ada", "one"), ("ada", "two")]
        assert await host.durable_task_runner.get(lost) is TaskStatus.FAILED
    assert inbox_channel.inbox == [("ada", "one"), ("ada", "two")]


@pytest.mark.requirement("authors.fakes")
def test_the_hand_clock_moves_when_told(hand_clock: HandClock) -> None:
    started = hand_clock()
    hand_clock.advance(90)
    assert hand_clock() - started == 90
    assert HandClock(datetime(2030, 1, 1, tzinfo=UTC))() == datetime(2030, 1, 1, tzinfo=UTC).timestamp()
