"""The app around the channels: routes, start and stop, limits, readiness."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import pytest
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from agent_framework_hosting import (
    AgentFrameworkHost,
    Channel,
    ChannelContribution,
    ChannelIdentity,
    ChannelRequest,
    Failed,
    Reply,
    ResponseTarget,
    hookimpl,
)
from agent_framework_hosting.errors import HostingError, PluginError
from agent_framework_hosting.testing import EchoAgent, InboxChannel, call, listening
from host_channel_echo import EchoChannel

pytestmark = pytest.mark.anyio

Ask = Callable[..., Any]


class Noted(Channel):
    """Note every call of the host's in one list shared by all."""

    def __init__(self, name: str, log: list[str], *, fails: Sequence[str] = ()) -> None:
        self.name = name
        self.path = f"/{name}"
        self.log = log
        self.fails = fails

    @hookimpl
    def contribute_routes(self) -> ChannelContribution:
        self.log.append(f"{self.name} contributes")

        async def hello(_: object) -> PlainTextResponse:
            return PlainTextResponse(self.name)

        return ChannelContribution(
            [Route("/", hello, methods=["GET", "POST"])],
            on_startup=[self.callback("up 1"), self.callback("up 2")],
            on_shutdown=[self.callback("down 1"), self.callback("down 2")],
        )

    def callback(self, what: str) -> Callable[[], object]:
        async def later() -> None:
            self.log.append(f"{self.name} {what}")
            if what in self.fails:
                raise OSError(f"{self.name} {what} failed")

        def now() -> None:
            self.log.append(f"{self.name} {what}")
            if what in self.fails:
                raise OSError(f"{self.name} {what} failed")

        return later if what.endswith("1") else now


def noted(log: list[str], **fails: Sequence[str]) -> AgentFrameworkHost:
    channels = [Noted(name, log, fails=fails.get(name, ())) for name in ("a", "b", "c")]
    return AgentFrameworkHost(EchoAgent(), channels=channels, config={})


UP = [f"{name} up {number}" for name in "abc" for number in (1, 2)]
DOWN = [f"{name} down {number}" for name in "cba" for number in (1, 2)]
CONTRIBUTED = [f"{name} contributes" for name in "abc"]


@pytest.mark.requirement("app.lifespan", "app.without-server", "hooks.contribute_routes")
async def test_a_server_and_async_with_start_and_stop_exactly_the_same() -> None:
    with_server: list[str] = []
    host = noted(with_server)
    async with listening(host.app):
        pass
    without: list[str] = []
    async with noted(without) as other:
        assert other.app is other.app
    assert with_server == without == [*CONTRIBUTED, *UP, *DOWN]


@pytest.mark.requirement("app.restart", "app.without-server")
async def test_a_host_starts_again_and_contributes_once_in_its_life() -> None:
    log: list[str] = []
    host = noted(log)
    for _ in range(2):
        async with host:
            assert (await call(host.app, "GET", "/b")).body == b"b"
    async with listening(host.app):
        pass
    assert log == [*CONTRIBUTED, *(UP + DOWN) * 3]


@pytest.mark.requirement("app.restart")
async def test_a_host_cannot_run_twice_at_once() -> None:
    log: list[str] = []
    host = noted(log)
    async with host:
        with pytest.raises(RuntimeError, match="running already"):
            await host.__aenter__()
    starts = await asyncio.gather(host.__aenter__(), host.__aenter__(), return_exceptions=True)
    assert [type(outcome) for outcome in starts] == [AgentFrameworkHost, RuntimeError]
    await host.close()
    await asyncio.gather(host.close(), host.close())
    assert log == [*CONTRIBUTED, *(UP + DOWN) * 2]


@pytest.mark.requirement("app.lifespan", "app.rollback")
async def test_a_failed_start_tries_everything_names_every_failure_and_undoes_what_began(
    caplog: pytest.LogCaptureFixture,
) -> None:
    log: list[str] = []
    host = noted(log, a=["up 2"], b=["up 1", "up 2"], c=["down 1"])
    with pytest.raises(OSError, match="a up 2 failed"):
        async with host:
            raise NotImplementedError
    assert log == [*CONTRIBUTED, *UP, "c down 1", "c down 2", "a down 1", "a down 2"]
    failed = [r for r in caplog.records if r.levelno >= logging.ERROR]
    assert [r.__dict__["channel"] for r in failed] == ["a", "b", "b", "c"]
    assert (await call(host.app, "GET", "/readiness")).status == 503
    assert (await call(host.app, "GET", "/healthz")).json() == {"status": "alive"}


@pytest.mark.requirement("app.rollback")
async def test_a_host_that_failed_to_start_can_be_started_once_it_is_repaired() -> None:
    log: list[str] = []
    host = noted(log, b=["up 1", "up 2"])
    with pytest.raises(OSError):
        await host.__aenter__()
    host.channels[1].fails = ()
    async with host:
        assert (await call(host.app, "GET", "/readiness")).status == 200


@pytest.mark.requirement("app.rollback")
async def test_a_start_that_is_cancelled_is_undone() -> None:
    log: list[str] = []
    reached = asyncio.Event()

    class Slow(Noted):
        def callback(self, what: str) -> Callable[[], object]:
            if what != "up 2":
                return super().callback(what)

            async def wait() -> None:
                reached.set()
                await asyncio.Event().wait()

            return wait

    host = AgentFrameworkHost(EchoAgent(), channels=[Noted("a", log), Slow("b", log)], config={})
    start = asyncio.create_task(host.__aenter__())
    await reached.wait()
    start.cancel()
    with pytest.raises(asyncio.CancelledError):
        await start
    assert log[4:] == ["b up 1", "b down 1", "b down 2", "a down 1", "a down 2"]
    assert (await call(host.app, "GET", "/readiness")).status == 503


@pytest.mark.requirement("app.lifespan")
async def test_every_shutdown_callback_runs_and_the_first_error_is_raised() -> None:
    log: list[str] = []
    host = noted(log, b=["down 1"], a=["down 2"])
    with pytest.raises(OSError, match="b down 1 failed"):
        async with host:
            pass
    assert log == [*CONTRIBUTED, *UP, *DOWN]
    async with noted(log):
        pass


@pytest.mark.requirement("app.lifespan")
async def test_a_server_says_that_the_host_did_not_start() -> None:
    host = noted([], b=["up 1"])
    with pytest.raises(HostingError, match="did not start"):
        async with listening(host.app):
            raise NotImplementedError


@pytest.mark.requirement("app.route-clash")
async def test_a_route_that_is_taken_is_refused_and_plugins_are_not_asked_again() -> None:
    log: list[str] = []
    first, second = Noted("a", log), Noted("b", log)
    second.path = "/a"
    host = AgentFrameworkHost(EchoAgent(), channels=[first, second], config={})
    for _ in range(2):
        with pytest.raises(PluginError, match=r"/a of 'b' is already taken by 'a'"):
            _ = host.app
    assert log == ["a contributes", "b contributes"]


@pytest.mark.requirement("app.routes", "app.servers")
async def test_a_post_to_a_channels_path_is_answered_without_a_redirect(server, http) -> None:
    async with server(noted([]).app) as url:
        answer = await http.post(f"{url}/b", follow_redirects=False)
        assert (answer.status_code, answer.text) == (200, "b")
        assert (await http.get(f"{url}/healthz")).json() == {"status": "alive"}


# Readiness


class Sick(InboxChannel):
    faults: Sequence[str] = ()

    async def check(self) -> Sequence[str]:
        if self.faults == ("raise",):
            raise RuntimeError("secret")
        return self.faults


@pytest.mark.requirement("app.health")
async def test_readiness_says_each_channels_state() -> None:
    sick, well = Sick(name="sick"), InboxChannel(name="well")
    host = AgentFrameworkHost(EchoAgent(), channels=[sick, well], config={})
    assert (await call(host.app, "GET", "/readiness")).status == 503
    async with host:
        answer = await call(host.app, "GET", "/readiness")
        assert (answer.status, answer.json()["status"]) == (200, "ready")
        sick.faults = ("The token was revoked.",)
        answer = await call(host.app, "GET", "/readiness")
        assert (answer.status, answer.json()["status"]) == (503, "not_ready")
        assert answer.json()["channels"] == {
            "sick": {"healthy": False, "faults": ["The token was revoked."]},
            "well": {"healthy": True, "faults": []},
        }
        sick.faults = ("raise",)
        answer = await call(host.app, "GET", "/readiness")
        assert answer.status == 503
        assert "secret" not in answer.body.decode()
    assert (await call(host.app, "GET", "/readiness")).status == 503


# Limits


@pytest.mark.requirement("app.limits", "app.servers")
async def test_a_body_that_is_too_large_is_refused_over_a_real_connection(server, http) -> None:
    agent = EchoAgent()
    config = {"max_body_bytes": 2000}
    async with server(AgentFrameworkHost(agent, channels=[EchoChannel()], config=config).app) as url:

        async def drops() -> AsyncIterator[bytes]:
            for _ in range(30):
                yield b"x" * 100

        assert (await http.post(f"{url}/echo", content=b"x" * 2001)).status_code == 413
        assert (await http.post(f"{url}/echo", content=drops())).status_code == 413
        body = {"text": "x" * 1900, "user": "a"}
        assert (await http.post(f"{url}/echo", json=body)).status_code == 200
    assert len(agent.heard) == 1


@pytest.mark.requirement("app.limits", "app.servers")
async def test_a_body_that_does_not_arrive_is_refused_over_a_real_connection(server) -> None:
    config = {"body_timeout_seconds": 0.05}
    async with server(AgentFrameworkHost(EchoAgent(), channels=[EchoChannel()], config=config).app) as url:
        host, port = url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{")
        status = await reader.readline()
        writer.close()
    assert b" 408 " in status


class Stamp:
    def __init__(self, app: ASGIApp, seen: list[str]) -> None:
        self.app = app
        self.seen = seen

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.seen.append(scope["type"])
        await self.app(scope, receive, send)


async def test_host_level_middleware_wraps_every_channel(ask: Ask) -> None:
    seen: list[str] = []
    channels = [EchoChannel(), Noted("b", [])]
    middleware = [Middleware(Stamp, seen=seen)]
    host = AgentFrameworkHost(EchoAgent(), channels=channels, middleware=middleware, config={})
    async with host:
        await ask(host, "hi")
        await call(host.app, "GET", "/b")
    assert seen == ["http", "http"]


# Stopping


@pytest.mark.requirement("app.drain")
async def test_closing_waits_for_turns_under_way_and_takes_no_new_ones(ask: Ask, served, tmp_path) -> None:
    served.model.holds = {"here", "later"}
    inbox = InboxChannel()
    host = AgentFrameworkHost(served.agent, channels=[EchoChannel(), inbox], config={}, state_dir=tmp_path)
    await host.__aenter__()
    here = asyncio.create_task(ask(host, "here", event_id="e1"))
    who = ChannelIdentity("inbox", "ada")
    await inbox.context.admit(ChannelRequest("inbox", "message.create", "later", identity=who))
    await served.model.reached("here", "later")
    closing = asyncio.create_task(host.close())
    for _ in range(5):
        await asyncio.sleep(0)
    refused = await inbox.context.dispatch(ChannelRequest("inbox", "message.create", "new", identity=who))
    command = await inbox.context.invoke_command(
        "x", ChannelRequest("inbox", "message.create", "/x", identity=who), print
    )
    await served.model.let_go("here", "later")
    assert (await here)[1]["text"] == "1: here"
    await closing
    assert isinstance(refused, Failed)
    assert (refused.code, refused.status_code) == ("unavailable", 503)
    assert command == refused
    assert inbox.inbox == [("ada", "1: later")]
    assert sorted(served.model.finished) == ["here", "later"]


@pytest.mark.requirement("app.drain")
@pytest.mark.parametrize("stream", [False, True])
async def test_closing_waits_for_a_turn_whose_wire_still_waits(ask: Ask, served, tmp_path, stream: bool) -> None:
    served.model.holds = {"here"}
    host = AgentFrameworkHost(served.agent, channels=[EchoChannel()], config={}, state_dir=tmp_path)
    await host.__aenter__()
    here = asyncio.create_task(ask(host, "here", stream=stream))
    await served.model.reached("here")
    closing = asyncio.create_task(host.close())
    await asyncio.wait([closing], timeout=0.2)
    assert not closing.done()
    await served.model.let_go("here")
    await closing
    assert (await here)[0] == 200
    assert served.model.finished == ["here"]


@pytest.mark.requirement("app.without-server")
async def test_deliveries_go_out_of_a_host_that_was_never_started() -> None:
    inbox = InboxChannel()
    host = AgentFrameworkHost(EchoAgent(), channels=[inbox], config={})
    assert await host.deliver("hello", ResponseTarget.identity(ChannelIdentity("inbox", "ada")))
    assert await inbox.wait_for(1) == [("ada", "hello")]
    await host.close()


async def test_a_host_in_one_event_loop_after_another() -> None:
    def once() -> str:
        return asyncio.run(turn())

    host = AgentFrameworkHost(EchoAgent(), channels=[inbox := InboxChannel()], config={})

    async def turn() -> str:
        async with host:
            asked = [
                ChannelRequest("inbox", "message.create", f"t{number}", identity=ChannelIdentity("inbox", "ada"))
                for number in range(5)
            ]
            outcomes = await asyncio.gather(*(inbox.context.dispatch(each) for each in asked))
            assert all(isinstance(outcome, Reply) for outcome in outcomes)
            await inbox.context.admit(asked[0])
            return (await inbox.wait_for(len(inbox.inbox) + 1))[-1][1]

    assert [await asyncio.to_thread(once) for _ in range(3)] == ["6: t0", "12: t0", "18: t0"]
