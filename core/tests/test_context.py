from __future__ import annotations

from dataclasses import replace

import pytest
from agent_framework import AgentResponse, Message

from agent_framework_hosting import (
    AgentFrameworkHost,
    Allowed,
    ChannelIdentity,
    ChannelRequest,
    ChannelSession,
    Denied,
    HostedRunResult,
    NativeIdAllowlist,
    ResponseTarget,
    result_text,
)
from agent_framework_hosting.errors import TurnFailed
from agent_framework_hosting.ports import Put
from agent_framework_hosting.testing import EchoAgent, InboxChannel

pytestmark = pytest.mark.anyio

ADA = ChannelIdentity("inbox", "ada")
ASKED = ChannelRequest("inbox", "message.create", "hi", identity=ADA)


async def test_it_shows_the_target_and_a_store_with_tables_of_the_channels_own() -> None:
    agent, one, two = EchoAgent(), InboxChannel(name="one"), InboxChannel(name="two")
    async with AgentFrameworkHost(agent, channels=[one, two], config={}):
        assert one.context.target is agent
        await one.context.store.commit([Put("offsets", "k", "1")])
        await two.context.store.commit([Put("offsets", "k", "2")])
        assert await one.context.store.get("offsets", "k") == "1"
        assert await two.context.store.get("offsets", "k") == "2"
        assert await one.context.store.scan("offsets") == [("k", "1")]


async def test_authorize_decides_by_the_channels_own_rules_and_records_nothing() -> None:
    agent, shut, open_ = EchoAgent(), InboxChannel(name="shut"), InboxChannel(name="open")
    shut.allowlist = NativeIdAllowlist(["ada"])
    async with AgentFrameworkHost(agent, channels=[shut, open_], config={}) as host:
        assert isinstance(await shut.context.authorize(ChannelIdentity("shut", "eve")), Denied)
        assert await shut.context.authorize(ChannelIdentity("shut", "ada")) == Allowed("shut:ada")
        assert await open_.context.authorize(ChannelIdentity("open", "eve")) == Allowed("open:eve")
        with pytest.raises(ValueError, match="reached nobody"):
            await host.deliver("hi", ResponseTarget.channel("open"), isolation_key="open:eve")


async def test_an_identity_of_another_channel_is_not_believed() -> None:
    agent, one, two = EchoAgent(), InboxChannel(name="one"), InboxChannel(name="two")
    async with AgentFrameworkHost(agent, channels=[one, two], config={}):
        foreign = ChannelRequest("one", "message.create", "hi", identity=ChannelIdentity("two", "ada"))
        assert isinstance(await one.context.dispatch(foreign), Denied)
    assert agent.heard == []


async def test_run_delivers_nothing_whatever_the_target() -> None:
    inbox = InboxChannel()
    async with AgentFrameworkHost(EchoAgent(), channels=[inbox], config={}):
        elsewhere = replace(ASKED, response_target=ResponseTarget.identity(ChannelIdentity("inbox", "bob")))
        assert result_text(await inbox.context.run(elsewhere)) == "1: hi"
        stream = inbox.context.run_stream(elsewhere)
        assert [update.text async for update in stream] == ["2:", " hi"]
        assert result_text(await inbox.context.run(replace(ASKED, response_target=ResponseTarget.none))) == "3: hi"
    assert inbox.inbox == []


async def test_run_raises_what_is_safe_to_show() -> None:
    async def fail(_: str) -> None:
        raise RuntimeError("secret")

    inbox = InboxChannel()
    async with AgentFrameworkHost(EchoAgent(fail), channels=[inbox], config={}):
        with pytest.raises(TurnFailed) as failed:
            await inbox.context.run(ASKED)
        assert "secret" not in str(failed.value)
        with pytest.raises(TurnFailed) as failed:
            await inbox.context.run_stream(ASKED).get_final_response()
        assert "secret" not in str(failed.value)
        with pytest.raises(TurnFailed, match="conversation"):
            await inbox.context.run(replace(ASKED, session=ChannelSession(key="b", parent="a")))


async def test_deliver_response_sends_elsewhere_and_says_whether_the_origin_renders() -> None:
    inbox = InboxChannel()
    done = HostedRunResult(AgentResponse(messages=[Message("assistant", ["done"])]))
    bob = ChannelIdentity("inbox", "bob")
    async with AgentFrameworkHost(EchoAgent(), channels=[inbox], config={}):
        assert await inbox.context.deliver_response(ASKED, done)
        for target, here in (
            (ResponseTarget.none, False),
            (ResponseTarget.identity(bob), False),
            (ResponseTarget.identities([ADA, bob]), True),
            (ResponseTarget.channel("unknown"), True),
            (ResponseTarget.active, True),
        ):
            assert await inbox.context.deliver_response(replace(ASKED, response_target=target), done) is here
        assert await inbox.wait_for(2) == [("bob", "done"), ("bob", "done")]


async def test_a_reset_may_name_one_thread() -> None:
    inbox = InboxChannel()
    async with AgentFrameworkHost(EchoAgent(), channels=[inbox], config={}):
        thread = replace(ASKED, session=ChannelSession(key="t"))
        for request in (ASKED, thread):
            await inbox.context.run(request)
        await inbox.context.reset_session("inbox:ada", key="t")
        assert result_text(await inbox.context.run(thread)) == "1: hi"
        assert result_text(await inbox.context.run(ASKED)) == "2: hi"


async def test_stop_passes_the_gate() -> None:
    inbox = InboxChannel()
    inbox.allowlist = NativeIdAllowlist(["ada"])
    async with AgentFrameworkHost(EchoAgent(), channels=[inbox], config={}):
        refused = await inbox.context.stop(replace(ASKED, identity=ChannelIdentity("inbox", "eve")))
        assert isinstance(refused, Denied)
        stopped = await inbox.context.stop(ASKED)
        assert repr(stopped) == "Stopped(0)"
        assert (stopped.status_code, stopped.to_public_dict()) == (200, {"outcome": "stopped", "count": 0})
