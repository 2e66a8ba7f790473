"""What every channel must do, as tests to subclass.

class TestMyChannel(ChannelContract):
    def make_channel(self):
        return MyChannel()

    def message(self, text, user):
        return WireMessage("POST", "/my-channel", {"text": text, "from": user})
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pytest

from ..authorization.allowlists import NativeIdAllowlist
from ..hookspecs import Channel, hookimpl
from ..host import AgentFrameworkHost
from ..model.identity import ChannelIdentity
from ..model.request import ChannelRequest
from ..model.target import ResponseTarget
from ..model.verdict import DEFAULT_DENIAL, LinkChallenge
from .asgi import Answer, call
from .fakes import EchoAgent

SECRET = "the-text-of-an-exception"  # noqa: S105 - no secret, a marker that must not leak
CHALLENGE = LinkChallenge("c1", url="https://link.example/c1", message="Please prove who you are.")
PATIENCE_SECONDS = 10


@dataclass(frozen=True, slots=True)
class WireMessage:
    """One request as the platform would send it: ``body`` is sent as JSON."""

    method: str
    path: str
    body: object
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


class ChannelContract:
    """Subclass it, say how to make the channel and what a message looks like on its wire.

    ``answers_inline`` is False for platforms whose answer goes out as a push instead of in the response. Say with
    ``repeatable`` and ``streamed`` what else the wire can do, and it is tested too. The users are alice, bob and
    mallory.
    """

    answers_inline: bool = True

    def make_channel(self) -> Channel:
        """Return a new, configured channel. Called once per test."""
        raise NotImplementedError("Return a new channel of yours from make_channel().")

    def message(self, text: str, user: str) -> WireMessage:
        """Return a valid message with this text from this user, as it comes over the wire."""
        raise NotImplementedError("Return a WireMessage from message().")

    def repeatable(self, text: str, user: str, event_id: str) -> WireMessage | None:  # noqa: ARG002 - for subclasses
        """Return a message with the platform's id of its delivery; None when the wire has no such id."""
        return None

    def streamed(self, text: str, user: str) -> WireMessage | None:  # noqa: ARG002 - for subclasses
        """Return a message that asks for its answer piece by piece; None when the wire has no such thing."""
        return None

    @pytest.fixture
    def anyio_backend(self) -> str:
        return "asyncio"

    async def _send(self, host: AgentFrameworkHost, sent: WireMessage, hang_up: asyncio.Event | None = None) -> Answer:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await call(
                host.app, sent.method, sent.path, json_body=sent.body, headers=sent.headers, hang_up=hang_up
            )

    def _accepted(self, answer: Answer, text: str) -> None:
        """Hold an answer to a message that was taken; ``text`` is what the agent heard."""
        assert answer.status < 300
        if self.answers_inline:
            assert text in answer.body.decode()

    # What it is

    def test_has_a_name_and_a_path(self) -> None:
        channel = self.make_channel()
        assert channel.name
        assert channel.path == "" or channel.path.startswith("/")
        assert self.message("hello", "alice").path.startswith(channel.path)

    @pytest.mark.anyio
    async def test_two_of_it_work_side_by_side_under_two_names(self) -> None:
        agent, first, second = EchoAgent(), self.make_channel(), self.make_channel()
        second.name, second.path = "second", f"/second{second.path}"
        sent = self.message("hello", "alice")
        async with AgentFrameworkHost(agent, channels=[first, second], config={}) as host:
            self._accepted(await self._send(host, sent), "hello")
            self._accepted(await self._send(host, replace(sent, path=f"/second{sent.path}")), "hello")
        assert [_person(agent, turn)["channel"] for turn in (0, 1)] == [first.name, "second"]

    # Messages

    @pytest.mark.anyio
    async def test_a_message_reaches_the_target(self) -> None:
        agent = EchoAgent()
        async with AgentFrameworkHost(agent, channels=[self.make_channel()], config={}) as host:
            answer = await self._send(host, self.message("hello there", "alice"))
        self._accepted(answer, "hello there")
        assert agent.texts == ["hello there"]

    @pytest.mark.anyio
    async def test_two_users_have_two_conversations(self) -> None:
        agent = EchoAgent()
        async with AgentFrameworkHost(agent, channels=[self.make_channel()], config={}) as host:
            for user in ("alice", "bob", "alice"):
                await self._send(host, self.message(f"from {user}", user))
        people = [json.dumps(_person(agent, turn), sort_keys=True) for turn in range(3)]
        assert people[0] == people[2]
        assert people[0] != people[1]

    @pytest.mark.anyio
    async def test_two_at_once_get_each_their_own_answer(self) -> None:
        both = asyncio.Barrier(2)

        async def together(_: str) -> None:
            await both.wait()

        async with AgentFrameworkHost(EchoAgent(together), channels=[self.make_channel()], config={}) as host:
            sent = [self.message(f"only for {user}", user) for user in ("alice", "bob")]
            answers = await asyncio.gather(*(self._send(host, each) for each in sent))
        for user, answer in zip(("alice", "bob"), answers, strict=True):
            self._accepted(answer, f"only for {user}")

    @pytest.mark.anyio
    async def test_a_repeated_delivery_is_run_once(self) -> None:
        sent = [self.repeatable(text, "alice", event) for text, event in (("one", "e1"), ("one", "e1"), ("two", "e2"))]
        agent = EchoAgent()
        async with AgentFrameworkHost(agent, channels=[self.make_channel()], config={}) as host:
            statuses = [(await self._send(host, each)).status for each in sent if each is not None]
        assert all(status < 300 for status in statuses)
        assert agent.texts == ["one", "two"][: len(statuses)]

    @pytest.mark.anyio
    @pytest.mark.parametrize("text", [" ", "\x00", "\u202e\U0001f600", "\ud83d", "x" * 100_000, "/", "null"])
    async def test_an_unusual_text_breaks_nothing(self, text: str) -> None:
        async with AgentFrameworkHost(EchoAgent(), channels=[self.make_channel()], config={}) as host:
            assert (await self._send(host, self.message(text, "alice"))).status < 500
            self._accepted(await self._send(host, self.message("hello", "alice")), "hello")

    @pytest.mark.anyio
    @pytest.mark.parametrize("body", [b"", b"{", b"{}", b"[]", b"null", b'"text"', b"[" * 100_000, b"\xff\xfe"])
    async def test_a_malformed_body_is_the_senders_fault(self, body: bytes) -> None:
        agent = EchoAgent()
        sent = self.message("hello", "alice")
        async with AgentFrameworkHost(agent, channels=[self.make_channel()], config={}) as host:
            answer = await call(host.app, sent.method, sent.path, body=body, headers=sent.headers)
        assert 200 <= answer.status < 500
        assert agent.heard == []

    # Whatever becomes of a message

    @pytest.mark.anyio
    async def test_a_stranger_never_reaches_the_target(self) -> None:
        agent, channel = EchoAgent(), self.make_channel()
        channel.allowlist = NativeIdAllowlist([])
        async with AgentFrameworkHost(agent, channels=[channel], config={}) as host:
            for sent in (self.message("let me in", "mallory"), self.streamed("let me in", "mallory")):
                if sent is None:
                    continue
                answer = await self._send(host, sent)
                assert "let me in" not in answer.body.decode()
                assert "allowlist" not in answer.body.decode()
                if self.answers_inline:
                    assert DEFAULT_DENIAL in answer.body.decode()
        assert agent.heard == []

    @pytest.mark.anyio
    async def test_who_must_link_is_shown_how(self) -> None:
        class AsksEveryone:
            async def resolve(self, _: ChannelIdentity, /) -> LinkChallenge:
                return CHALLENGE

        agent, channel = EchoAgent(), self.make_channel()
        channel.require_link = True
        host = AgentFrameworkHost(agent, channels=[channel], identity_linker=AsksEveryone(), config={})
        async with host:
            answer = await self._send(host, self.message("hello", "alice"))
        assert agent.heard == []
        assert answer.status < 500
        if self.answers_inline:
            assert str(CHALLENGE.message) in answer.body.decode()

    @pytest.mark.anyio
    async def test_a_failing_agent_leaks_nothing(self) -> None:
        async def fail(_: str) -> None:
            raise RuntimeError(SECRET)

        async with AgentFrameworkHost(EchoAgent(fail), channels=[self.make_channel()], config={}) as host:
            answer = await self._send(host, self.message("break", "alice"))
            pieces = self.streamed("break", "alice")
            streamed = None if pieces is None else await self._send(host, pieces)
        assert SECRET not in answer.body.decode()
        if self.answers_inline:
            assert answer.status >= 500
        assert streamed is None or SECRET not in streamed.body.decode()

    @pytest.mark.anyio
    async def test_an_answer_that_goes_elsewhere_is_no_failure(self) -> None:
        class Elsewhere:
            @hookimpl
            def run_hook(self, request: ChannelRequest) -> ChannelRequest:
                return replace(request, response_target=ResponseTarget.none)

        agent, channel = EchoAgent(), self.make_channel()
        async with AgentFrameworkHost(agent, channels=[channel], plugins=[Elsewhere()], config={}) as host:
            answer = await self._send(host, self.message("hello", "alice"))
        assert answer.status < 300
        assert agent.texts == ["hello"]

    @pytest.mark.anyio
    async def test_a_crowd_of_messages_is_answered_or_told_to_come_back(self) -> None:
        started, go = asyncio.Event(), asyncio.Event()

        async def hold(_: str) -> None:
            started.set()
            await go.wait()

        agent = EchoAgent(hold)
        async with AgentFrameworkHost(agent, channels=[self.make_channel()], config={}) as host:
            crowd = [
                asyncio.create_task(self._send(host, self.message(f"message {number}", "alice")))
                for number in range(40)
            ]
            await started.wait()
            await _settled()
            go.set()
            statuses = [(await task).status for task in crowd]
        assert max(statuses) < 500
        assert len(agent.heard) >= 33

    # Streams

    @pytest.mark.anyio
    async def test_a_streamed_answer_arrives_whole(self) -> None:
        sent = self.streamed("hello", "alice")
        if sent is not None:
            async with AgentFrameworkHost(EchoAgent(), channels=[self.make_channel()], config={}) as host:
                self._accepted(await self._send(host, sent), "hello")

    @pytest.mark.anyio
    async def test_a_client_that_goes_away_in_mid_stream_ends_the_run(self) -> None:
        started, ended = asyncio.Event(), asyncio.Event()

        async def hold(text: str) -> None:
            if text == "endless":
                started.set()
                try:
                    await asyncio.Event().wait()
                finally:
                    ended.set()

        sent = self.streamed("endless", "alice")
        if sent is not None:
            async with AgentFrameworkHost(EchoAgent(hold), channels=[self.make_channel()], config={}) as host:
                asking = asyncio.create_task(self._send(host, sent, started))
                async with asyncio.timeout(PATIENCE_SECONDS):
                    await ended.wait()
                await asyncio.wait([asking])
                self._accepted(await self._send(host, self.message("next", "alice")), "next")

    # Its life

    @pytest.mark.anyio
    async def test_the_host_starts_again_after_it_was_closed_and_leaves_nothing_running(self) -> None:
        agent, before = EchoAgent(), asyncio.all_tasks()
        host = AgentFrameworkHost(agent, channels=[self.make_channel()], config={})
        for text in ("first", "second"):
            async with host:
                await self._send(host, self.message(text, "alice"))
        await _settled()
        assert agent.texts == ["first", "second"]
        assert asyncio.all_tasks() <= before


def _person(agent: EchoAgent, turn: int) -> Mapping[str, object]:
    """Return who spoke, as the envelope of a message says; an anonymous one is nobody."""
    return agent.heard[turn].additional_properties["hosting"]["identity"] or {}


async def _settled() -> None:
    """Let everything that can go on do so."""
    for _ in range(100):
        await asyncio.sleep(0)
