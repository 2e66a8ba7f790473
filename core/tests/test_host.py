from __future__ import annotations

import logging
from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.routing import Route
from starlette.types import Message

from agent_framework_hosting import AgentFrameworkHost, ChannelContext, ChannelContribution, hookimpl
from agent_framework_hosting.errors import HostConfigurationError
from agent_framework_hosting.testing import EchoAgent, InboxChannel

AGENT = "from agent_framework_hosting.testing import EchoAgent, InboxChannel\nagent = EchoAgent()\n"
HOST = AGENT + "from agent_framework_hosting import AgentFrameworkHost\nhost = AgentFrameworkHost(agent, channels=[])\n"


def _file(directory: Path, name: str, source: str, content: str) -> Path:
    (directory / f"{name}.py").write_text(source)
    (directory / "host.toml").write_text(content)
    return directory / "host.toml"


def test_a_file_alone_makes_a_host(tmp_path: Path) -> None:
    path = _file(tmp_path, "whole_app", AGENT, 'target = "whole_app:agent"\n[channels.echo]\n')
    host = AgentFrameworkHost.from_config(path)
    assert [channel.name for channel in host.channels] == ["echo"]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("[channels.echo]\n", "names no target"),
        ('target = "lonely_app:agent"\n', "no channel is enabled"),
        ('target = "finished_app:host"\n[channels.echo]\n', "is a host already"),
    ],
)
def test_a_file_that_says_too_little_is_refused(tmp_path: Path, content: str, sentence: str) -> None:
    _file(tmp_path, "lonely_app", AGENT, content)
    path = _file(tmp_path, "finished_app", HOST, content)
    with pytest.raises(HostConfigurationError, match=sentence):
        AgentFrameworkHost.from_config(path)


def test_a_bare_string_of_channels_is_refused() -> None:
    with pytest.raises(TypeError, match=r"channels=\['echo'\]"):
        AgentFrameworkHost(object(), channels="echo", config={})  # type: ignore[arg-type]


def test_all_problems_of_a_configuration_come_at_once() -> None:
    with pytest.raises(HostConfigurationError) as refused:
        AgentFrameworkHost(
            EchoAgent(), channels=["echo"], config={"sate_dir": "x", "channels": {"echo": {"tokn": "t"}}}
        )
    assert "state_dir" in str(refused.value)
    assert "token" in str(refused.value)


@pytest.mark.anyio
async def test_debug_logs_more_and_shows_no_traceback() -> None:
    def broken(_: Request) -> None:
        raise RuntimeError("the text of an exception")

    class Broken(InboxChannel):
        @hookimpl
        def contribute_routes(self, context: ChannelContext) -> ChannelContribution:
            return ChannelContribution(routes=[Route("/", broken)])

    log = logging.getLogger("agent_framework_hosting")
    level = log.level
    served: list[bytes] = []

    async def send(message: Message) -> None:
        served.append(message.get("body", b""))

    try:
        async with AgentFrameworkHost(EchoAgent(), channels=[Broken()], config={}, debug=True) as host:
            assert log.level == logging.DEBUG
            scope = {"type": "http", "method": "GET", "path": "/inbox", "headers": [], "query_string": b""}
            with pytest.raises(RuntimeError):
                await host.app(scope, never, send)
    finally:
        log.setLevel(level)
    assert b"the text of an exception" not in b"".join(served)
    assert b"Internal Server Error" in b"".join(served)


async def never() -> Message:
    raise AssertionError("no body is read")
