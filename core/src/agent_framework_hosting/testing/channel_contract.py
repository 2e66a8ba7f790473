"""What every channel must do, as tests to subclass.

class TestMyChannel(ChannelContract):
    def make_channel(self):
        return MyChannel()

    def message(self, text, user):
        return WireMessage("POST", "/my-channel", {"text": text, "from": user})
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from ..authorization.allowlists import NativeIdAllowlist
from ..hookspecs import Channel
from ..host import AgentFrameworkHost
from ..model.verdict import DEFAULT_DENIAL
from .asgi import Answer, call
from .fakes import EchoAgent

SECRET = "the-text-of-an-exception"  # noqa: S105 - no secret, a marker that must not leak


@dataclass(frozen=True, slots=True)
class WireMessage:
    """One request as the platform would send it: ``body`` is sent as JSON."""

    method: str
    path: str
    body: object
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


class ChannelContract:
    """Subclass it, say how to make the channel and what a message looks like on its wire.

    ``answers_inline`` is False for platforms whose answer goes out as a push instead of in the response.
    """

    answers_inline: bool = True

    def make_channel(self) -> Channel:
        """Return a new, configured channel. Called once per test."""
        raise NotImplementedError("Return a new channel of yours from make_channel().")

    def message(self, text: str, user: str) -> WireMessage:
        """Return a valid message with this text from this user, as it comes over the wire."""
        raise NotImplementedError("Return a WireMessage from message().")

    async def _send(self, host: AgentFrameworkHost, sent: WireMessage) -> Answer:
        return await call(host.app, sent.method, sent.path, json_body=sent.body, headers=sent.headers)

    def test_has_a_name_and_a_path(self) -> None:
        channel = self.make_channel()
        assert channel.name
        assert channel.path == "" or channel.path.startswith("/")

    def test_two_instances_share_nothing_that_matters(self) -> None:
        assert self.make_channel() is not self.make_channel()

    @pytest.mark.anyio
    async def test_a_message_reaches_the_target(self) -> None:
        agent = EchoAgent()
        async with AgentFrameworkHost(agent, channels=[self.make_channel()], config={}) as host:
            answer = await self._send(host, self.message("hello there", "alice"))
        assert answer.status < 300
        assert agent.texts == ["hello there"]
        if self.answers_inline:
            assert "hello there" in answer.body.decode()

    @pytest.mark.anyio
    async def test_two_users_have_two_conversations(self) -> None:
        agent = EchoAgent()
        async with AgentFrameworkHost(agent, channels=[self.make_channel()], config={}) as host:
            for user in ("alice", "bob", "alice"):
                await self._send(host, self.message(f"from {user}", user))
        people = [
            json.dumps(heard.additional_properties["hosting"]["identity"], sort_keys=True) for heard in agent.heard
        ]
        assert people[0] == people[2]
        assert people[0] != people[1]

    @pytest.mark.anyio
    async def test_a_stranger_never_reaches_the_target(self) -> None:
        agent, channel = EchoAgent(), self.make_channel()
        channel.allowlist = NativeIdAllowlist([])
        async with AgentFrameworkHost(agent, channels=[channel], config={}) as host:
            answer = await self._send(host, self.message("let me in", "mallory"))
        assert agent.heard == []
        assert "let me in" not in answer.body.decode()
        if self.answers_inline:
            assert DEFAULT_DENIAL in answer.body.decode()

    @pytest.mark.anyio
    async def test_a_failing_agent_leaks_nothing(self) -> None:
        async def fail(_: str) -> None:
            raise RuntimeError(SECRET)

        async with AgentFrameworkHost(EchoAgent(fail), channels=[self.make_channel()], config={}) as host:
            answer = await self._send(host, self.message("break", "alice"))
        assert SECRET not in answer.body.decode()
        if self.answers_inline:
            assert answer.status >= 500

    @pytest.mark.anyio
    @pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'"text"', b"[" * 100_000, b"\xff\xfe"])
    async def test_a_malformed_body_is_the_senders_fault(self, body: bytes) -> None:
        agent = EchoAgent()
        sent = self.message("hello", "alice")
        async with AgentFrameworkHost(agent, channels=[self.make_channel()], config={}) as host:
            answer = await call(host.app, sent.method, sent.path, body=body, headers=sent.headers)
        assert 200 <= answer.status < 500
        assert agent.heard == []

    @pytest.mark.anyio
    async def test_the_host_starts_again_after_it_was_closed(self) -> None:
        agent = EchoAgent()
        host = AgentFrameworkHost(agent, channels=[self.make_channel()], config={})
        for text in ("first", "second"):
            async with host:
                await self._send(host, self.message(text, "alice"))
        assert agent.texts == ["first", "second"]
