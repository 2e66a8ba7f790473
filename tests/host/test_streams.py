"""However the reader of a stream ends, the lane, the bindings and the journal are let go, and the next turn runs."""

from __future__ import annotations

import asyncio
import gc
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from agent_framework import ContextProvider

from agent_framework_hosting import AgentFrameworkHost, ChannelIdentity, ChannelRequest, Reply, hookimpl, result_text
from agent_framework_hosting.errors import TurnFailed
from agent_framework_hosting.testing import EchoAgent, InboxChannel, call
from host_channel_echo import EchoChannel

pytestmark = pytest.mark.anyio

TEXT = "one two three"
Stream = Any


async def read(stream: Stream) -> None:
    assert "".join([update.text async for update in stream]) == f"1: {TEXT}"


async def read_in_a_block(stream: Stream) -> None:
    async with stream:
        async for _ in stream:
            pass


async def await_the_end(stream: Stream) -> None:
    assert result_text(await stream.get_final_response()) == f"1: {TEXT}"


async def leave_a_block_early(stream: Stream) -> None:
    async with stream:
        async for _ in stream:
            break


async def close_unread(stream: Stream) -> None:
    await stream.close()


async def close_twice(stream: Stream) -> None:
    await anext(stream)
    await stream.close()
    await stream.close()


async def drop_unread(stream: Stream) -> None:
    """Let the caller's reference be the last one."""


async def drop_half_read(stream: Stream) -> None:
    await anext(stream)


async def cancel_while_waiting(stream: Stream) -> None:
    async def consume() -> None:
        async for _ in stream:
            pass

    consumer = asyncio.create_task(consume())
    await asyncio.sleep(0)
    consumer.cancel()
    with pytest.raises(asyncio.CancelledError):
        await consumer


async def cancel_between_pieces(stream: Stream) -> None:
    got = asyncio.Event()

    async def consume() -> None:
        async for _ in stream:
            got.set()
            await asyncio.Event().wait()

    consumer = asyncio.create_task(consume())
    await got.wait()
    consumer.cancel()
    with pytest.raises(asyncio.CancelledError):
        await consumer


async def throw_in_the_reader(stream: Stream) -> None:
    async def consume() -> None:
        async with stream:
            async for _ in stream:
                raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await consume()


ENDS = [
    read,
    read_in_a_block,
    await_the_end,
    leave_a_block_early,
    close_unread,
    close_twice,
    drop_unread,
    drop_half_read,
    cancel_while_waiting,
    cancel_between_pieces,
    throw_in_the_reader,
]


WALKS_AWAY = (drop_unread, drop_half_read, cancel_between_pieces)


@pytest.mark.requirement("agents.bindings-stream", "agents.bindings")
@pytest.mark.parametrize("hooked", [False, True], ids=["plain", "hooked"])
@pytest.mark.parametrize("event", [None, "e1"], ids=["unjournaled", "journaled"])
@pytest.mark.parametrize("end", ENDS, ids=lambda end: end.__name__)
async def test_the_next_turn_runs_however_a_stream_ended(
    served, end: Callable[[Stream], Awaitable[None]], event: str | None, hooked: bool
) -> None:
    class Audit:
        @hookimpl
        def response_hook(self, result):
            return None

    inbox = InboxChannel()
    plugins = [Audit()] if hooked else []
    waits = end is cancel_while_waiting
    served.model.holds = {TEXT} if waits else set()
    async with AgentFrameworkHost(served.agent, channels=[inbox], plugins=plugins, config={}) as host:
        who = ChannelIdentity("inbox", "ada")
        asked = ChannelRequest("inbox", "message.create", TEXT, identity=who, stream=True, event_id=event)

        kept: list[Stream] = []

        async def consume() -> None:
            reply = await inbox.context.dispatch(asked)
            assert isinstance(reply, Reply)
            if end not in WALKS_AWAY:
                kept.append(reply.stream)
            await end(reply.stream)

        await consume()
        gc.collect()
        served.model.holds.clear()
        async with asyncio.timeout(5):
            outcome = await inbox.context.dispatch(ChannelRequest("inbox", "message.create", "next", identity=who))
            assert isinstance(outcome, Reply)
            assert served.binder.most_held <= 1
            assert served.binder.held == 0
            while (turns := (await call(host.app, "GET", "/readiness")).json()["turns"])["open"]:
                await asyncio.sleep(0)
    assert turns["accepted"] == 2
    assert len(kept) == (end not in WALKS_AWAY)
    assert served.model.running == []


@pytest.mark.requirement("agents.bindings")
async def test_providers_are_bound_for_the_run_with_the_ids_of_the_wire(served) -> None:
    inbox = InboxChannel()
    async with AgentFrameworkHost(served.agent, channels=[inbox], config={}):
        who = ChannelIdentity("inbox", "ada")
        attributes = {"response_id": "resp_2", "previous_response_id": "resp_1"}
        await inbox.context.dispatch(
            ChannelRequest("inbox", "message.create", "hi", identity=who, attributes=attributes)
        )
        await inbox.context.dispatch(ChannelRequest("inbox", "message.create", "hi", identity=who))
    assert served.binder.bound[0] == ("resp_2", "resp_1")
    response_id, previous = served.binder.bound[1]
    assert (bool(response_id), previous) == (True, None)
    assert served.binder.held == 0


@pytest.mark.requirement("agents.bindings-stream")
async def test_a_provider_is_bound_while_the_stream_is_read_and_not_after(served) -> None:
    inbox = InboxChannel()
    async with AgentFrameworkHost(served.agent, channels=[inbox], config={}):
        who = ChannelIdentity("inbox", "ada")
        reply = await inbox.context.dispatch(ChannelRequest("inbox", "message.create", TEXT, identity=who, stream=True))
        assert served.binder.held == 0  # nothing starts before the first read
        await anext(reply.stream)
        assert served.binder.held == 1
        await reply.stream.get_final_response()
        assert served.binder.held == 0


async def send(url: str, body: str) -> socket.socket:
    """Send a request over a raw connection, so that closing it is all there is."""
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    content = body.encode()
    head = f"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {len(content)}\r\n\r\n"
    writer.write(head.encode() + content)
    await writer.drain()
    return reader, writer


@pytest.mark.requirement("agents.bindings-stream", "app.servers")
@pytest.mark.parametrize("hooked", [False, True], ids=["plain", "hooked"])
async def test_a_client_that_disconnects_in_mid_stream_frees_lane_and_bindings(served, server, http, hooked) -> None:
    class Audit:
        @hookimpl
        def response_hook(self, result):
            return None

    served.model.holds = {TEXT}
    host = AgentFrameworkHost(served.agent, channels=[EchoChannel()], plugins=[Audit()] if hooked else [], config={})
    async with server(host.app) as url, asyncio.timeout(20):
        reader, writer = await send(url, f'{{"text": "{TEXT}", "user": "ada", "stream": true, "event_id": "e1"}}')
        if not hooked:
            await reader.readuntil(b"partial")
        await served.model.reached(TEXT)
        writer.close()
        await served.binder.free.wait()
        answer = await http.post(f"{url}/echo", json={"text": "next", "user": "ada"})
        assert answer.json()["outcome"] == "reply"
        assert served.model.running == []
        while (await http.get(f"{url}/readiness")).json()["turns"]["open"]:
            pass


@pytest.mark.requirement("agents.bindings-stream", "app.servers")
async def test_a_client_that_disconnects_while_it_waits_in_the_lane_gives_its_place_back(served, server, http) -> None:
    served.model.holds = {"first"}
    host = AgentFrameworkHost(served.agent, channels=[EchoChannel()], config={})
    async with server(host.app) as url, asyncio.timeout(20):
        first = asyncio.create_task(http.post(f"{url}/echo", json={"text": "first", "user": "ada"}))
        await served.model.reached("first")
        waiting = [await send(url, f'{{"text": "w{n}", "user": "ada", "stream": true}}') for n in range(3)]
        for _, writer in waiting:
            writer.close()
        await served.model.let_go("first")
        assert (await first).json()["text"] == "1: first"
        assert (await http.post(f"{url}/echo", json={"text": "next", "user": "ada"})).json()["outcome"] == "reply"


class SlowRelease(ContextProvider):
    """A binding whose release has to wait for something."""

    def __init__(self) -> None:
        super().__init__("slow")
        self.released = 0

    def bind_request_context(self, *, response_id: str, previous_response_id: str | None):
        return self

    async def __aenter__(self) -> None:
        pass

    async def __aexit__(self, *_: object) -> None:
        await asyncio.sleep(0)
        self.released += 1


@pytest.mark.requirement("agents.bindings-stream")
@pytest.mark.parametrize("end", [read, drop_half_read, cancel_between_pieces], ids=lambda end: end.__name__)
async def test_a_binding_that_waits_is_released_to_its_end(served, end) -> None:
    inbox, slow, agent = InboxChannel(), SlowRelease(), served.agent
    agent.context_providers.append(slow)
    async with AgentFrameworkHost(agent, channels=[inbox], config={}):
        who = ChannelIdentity("inbox", "ada")

        async def consume() -> None:
            reply = await inbox.context.dispatch(
                ChannelRequest("inbox", "message.create", TEXT, identity=who, stream=True)
            )
            await end(reply.stream)

        await consume()
        gc.collect()
        async with asyncio.timeout(5):
            await inbox.context.dispatch(ChannelRequest("inbox", "message.create", "next", identity=who))
            while slow.released < 2:
                await asyncio.sleep(0)
    assert slow.released == 2


@pytest.mark.requirement("agents.bindings-stream")
async def test_a_deferred_turn_releases_what_it_bound(served) -> None:
    inbox = InboxChannel()
    async with AgentFrameworkHost(served.agent, channels=[inbox], config={}):
        await inbox.context.admit(
            ChannelRequest("inbox", "message.create", "hi", identity=ChannelIdentity("inbox", "ada"))
        )
        assert await inbox.wait_for(1) == [("ada", "1: hi")]
    assert (len(served.binder.bound), served.binder.held) == (1, 0)


async def test_agents_without_streaming_or_providers_stream_all_the_same(ask) -> None:
    async with AgentFrameworkHost(EchoAgent(), channels=[EchoChannel()], config={}) as host:
        _, lines = await ask(host, TEXT, stream=True)
    assert lines[-1]["text"] == f"1: {TEXT}"


async def test_the_answer_of_a_stream_that_was_closed_early_is_an_error(served) -> None:
    inbox = InboxChannel()
    async with AgentFrameworkHost(served.agent, channels=[inbox], config={}):
        asked = ChannelRequest("inbox", "message.create", TEXT, identity=ChannelIdentity("inbox", "ada"), stream=True)
        for pulls in (0, 1):
            stream = (await inbox.context.dispatch(asked)).stream
            for _ in range(pulls):
                await anext(stream)
            await stream.close()
            with pytest.raises(TurnFailed, match="before its end"):
                await stream.get_final_response()
