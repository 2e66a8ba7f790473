"""The partition hints of a request are its own, on every path its turn takes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
import websockets
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from agent_framework_hosting import (
    AgentFrameworkHost,
    Channel,
    ChannelContext,
    ChannelContribution,
    ChannelIdentity,
    ChannelRequest,
    IsolationKeys,
    get_current_isolation_keys,
    hookimpl,
    result_text,
)
from agent_framework_hosting.testing import HttpInbox, listening
from host_channel_echo import EchoChannel

pytestmark = pytest.mark.anyio

Ask = Callable[..., Any]


def headers(user: str, chat: str = "") -> dict[str, str]:
    return {"x-agent-user-isolation-key": user, "x-agent-chat-isolation-key": chat}


@pytest.mark.requirement("sessions.contextvars", "app.isolation-headers")
@pytest.mark.parametrize("stream", [False, True])
async def test_two_requests_on_one_lane_keep_their_own_keys(ask: Ask, served, stream: bool) -> None:
    served.model.holds = {"one"}
    async with AgentFrameworkHost(served.agent, channels=[EchoChannel()], config={}) as host:
        one = asyncio.create_task(ask(host, "one", headers=headers("u1", "c1"), stream=stream))
        await served.model.reached("one")
        two = asyncio.create_task(ask(host, "two", headers=headers("u2"), stream=stream))
        three = asyncio.create_task(ask(host, "three", headers=headers("", ""), stream=stream))
        for _ in range(20):
            await asyncio.sleep(0)
        await served.model.let_go("one")
        await asyncio.gather(one, two, three)
        assert get_current_isolation_keys() is None
    per_turn = 2 if stream else 1
    expected = [IsolationKeys("u1", "c1"), IsolationKeys("u2", None), None]
    assert served.model.keys == [keys for keys in expected for _ in range(per_turn)]


@pytest.mark.requirement("sessions.contextvars")
async def test_a_turn_that_runs_after_its_request_has_the_requests_keys(ask: Ask, served) -> None:
    served.model.holds = {"later"}
    inbox = HttpInbox()
    host = AgentFrameworkHost(served.agent, channels=[EchoChannel()], config={})
    async with listening(inbox.app) as url, host:
        status, _ = await ask(host, "later", headers=headers("u1"), later=True, callback=url)
        assert status == 202
        await ask(host, "other", "bob", headers=headers("u2"))
        await served.model.reached("later")
        await served.model.let_go("later")
    assert IsolationKeys("u2") in served.model.keys
    assert IsolationKeys("u1") in served.model.keys
    assert set(served.model.keys) == {IsolationKeys("u1"), IsolationKeys("u2")}


@pytest.mark.requirement("sessions.contextvars")
async def test_requests_over_real_connections_keep_their_own_keys(served, server, http) -> None:
    host = AgentFrameworkHost(served.agent, channels=[EchoChannel()], config={})
    async with server(host.app) as url:

        async def post(number: int) -> None:
            given = headers(f"u{number}", f"c{number}") if number % 3 else {}
            body = {"text": f"t{number}", "user": f"user{number % 2}"}
            answer = await http.post(f"{url}/echo", json=body, headers=given)
            assert answer.status_code == 200

        await asyncio.gather(*(post(number) for number in range(20)))
    seen = dict(zip(served.model.finished, served.model.keys, strict=True))
    assert seen == {f"t{n}": IsolationKeys(f"u{n}", f"c{n}") if n % 3 else None for n in range(20)}


class SocketChannel(Channel):
    """Answer each text of a WebSocket."""

    name = "socket"
    path = "/socket"

    @hookimpl
    def contribute_routes(self, context: ChannelContext) -> ChannelContribution:
        async def serve(websocket: WebSocket) -> None:
            await websocket.accept()
            async for text in websocket.iter_text():
                identity = ChannelIdentity(self.name, websocket.path_params["user"])
                outcome = await context.dispatch(ChannelRequest(self.name, "message.create", text, identity=identity))
                keys = get_current_isolation_keys()
                shown = None if keys is None else [keys.user_key, keys.chat_key]
                await websocket.send_text(json.dumps([result_text(outcome.result), shown]))

        return ChannelContribution([WebSocketRoute("/{user}", serve)])


@pytest.mark.requirement("app.isolation-headers", "app.routes", "app.servers")
async def test_a_websocket_has_its_own_keys_for_as_long_as_it_lasts(served, server) -> None:
    host = AgentFrameworkHost(served.agent, channels=[SocketChannel()], config={})
    async with server(host.app) as url:
        address = f"{url.replace('http', 'ws')}/socket/"
        async with (
            websockets.connect(f"{address}ada", additional_headers=headers("u1", "")) as ada,
            websockets.connect(f"{address}bob", additional_headers=headers("", "")) as bob,
        ):
            heard = []
            for socket, text in ((ada, "one"), (bob, "two"), (ada, "three")):
                await socket.send(text)
                heard.append(json.loads(await socket.recv()))
    assert heard == [["1: one", ["u1", None]], ["1: two", None], ["2: three", ["u1", None]]]
    assert served.model.keys == [IsolationKeys("u1"), None, IsolationKeys("u1")]
