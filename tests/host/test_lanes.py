"""Whose turn it is: where a moved message waits, who runs when somebody goes away, how long messages are gathered."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace

import pytest

from agent_framework_hosting import (
    AgentFrameworkHost,
    ChannelIdentity,
    ChannelRequest,
    ChannelSession,
    Reply,
    hookimpl,
    result_text,
)
from agent_framework_hosting.testing import EchoAgent, InboxChannel

PATIENCE_SECONDS = 20.0


class Turns:
    """Hold every turn of an agent until its text is let go; say which texts run."""

    def __init__(self) -> None:
        self.running: list[str] = []
        self.most_running = 0
        self._changed = asyncio.Condition()
        self._gates: dict[str, asyncio.Event] = defaultdict(asyncio.Event)

    async def __call__(self, text: str) -> None:
        async with self._changed:
            self.running.append(text)
            self.most_running = max(self.most_running, len(self.running))
            self._changed.notify_all()
        try:
            await self._gates[text].wait()
        finally:
            self.running.remove(text)

    async def until(self, *texts: str) -> None:
        """Wait until these texts are running."""
        async with self._changed:
            await self._changed.wait_for(lambda: set(texts) <= set(self.running))

    def let_go(self, *texts: str) -> None:
        for text in texts:
            self._gates[text].set()


def request(text: str, user: str = "ada", **fields: object) -> ChannelRequest:
    return ChannelRequest("inbox", "message.create", text, identity=ChannelIdentity("inbox", user), **fields)


class Mover(InboxChannel):
    """Take what is said about the project into the project's own conversation."""

    @hookimpl
    def run_hook(self, request: ChannelRequest) -> ChannelRequest | None:
        if "project" not in str(request.input):
            return None
        return replace(request, session=ChannelSession(isolation_key="project"))


@pytest.mark.anyio
@pytest.mark.requirement("sessions.lane")
@pytest.mark.parametrize("later", [False, True], ids=["dispatch", "admit"])
async def test_a_message_that_a_hook_moves_waits_where_it_was_moved_to(later: bool) -> None:
    turns, inbox = Turns(), Mover()

    async def send(text: str, user: str) -> None:
        await (inbox.context.admit if later else inbox.context.dispatch)(request(text, user))

    async with (
        AgentFrameworkHost(EchoAgent(turns), channels=[inbox], config={}),
        asyncio.TaskGroup() as tasks,
        asyncio.timeout(PATIENCE_SECONDS),
    ):
        tasks.create_task(send("project one", "ada"))
        await turns.until("project one")
        tasks.create_task(send("project two", "bob"))  # another person's, and the same conversation
        tasks.create_task(send("of her own", "ada"))  # the same person's, and another conversation
        tasks.create_task(send("of his own", "bob"))
        await turns.until("project one", "of her own", "of his own")
        assert "project two" not in turns.running
        turns.let_go("of her own", "of his own", "project one")
        await turns.until("project two")
        turns.let_go("project two")
    assert turns.most_running == 3


@pytest.mark.anyio
@pytest.mark.requirement("sessions.lane")
async def test_whoever_goes_away_while_all_places_are_taken_takes_none_with_them() -> None:
    turns, inbox = Turns(), InboxChannel()

    async def ask(text: str) -> str:
        outcome = await inbox.context.dispatch(request(text, user=text))
        assert isinstance(outcome, Reply)
        return result_text(outcome.result)

    config = {"max_concurrent_turns": 1}
    async with (
        AgentFrameworkHost(EchoAgent(turns), channels=[inbox], config=config),
        asyncio.timeout(PATIENCE_SECONDS),
    ):
        first = asyncio.create_task(ask("first"))
        await turns.until("first")
        gone, last = asyncio.create_task(ask("gone")), asyncio.create_task(ask("last"))
        for _ in range(10):  # both wait, each first in its own conversation
            await asyncio.sleep(0)
        gone.cancel()
        await asyncio.wait([gone])
        turns.let_go("first", "last")
        assert await asyncio.gather(first, last) == ["1: first", "1: last"]
    assert gone.cancelled()
    assert turns.most_running == 1


# Gathering


class Steered(asyncio.SelectorEventLoop):
    """An event loop whose time stands still until it is moved."""

    now = 1000.0

    def time(self) -> float:
        return self.now

    async def pass_by(self, seconds: float) -> None:
        """Let time pass, and everything happen that is due."""
        self.now += seconds
        for _ in range(200):
            await asyncio.sleep(0)


class Pieces(InboxChannel):
    """A platform that cuts long texts: what belongs together comes within five seconds."""

    def settle(self, request: ChannelRequest) -> float:
        return 5.0

    def merge(self, requests: Sequence[ChannelRequest]) -> ChannelRequest:
        return replace(requests[-1], input="".join(str(each.input) for each in requests))


def gathered(play: Callable[[Callable[[str], Coroutine[None, None, None]], EchoAgent, Steered], Coroutine]) -> None:
    """Run a play on a loop whose time is steered: it gets what sends a piece, the agent, and the loop."""

    async def run() -> None:
        agent, pieces, loop = EchoAgent(), Pieces(), asyncio.get_running_loop()
        assert isinstance(loop, Steered)

        async def send(text: str) -> None:
            await pieces.context.admit(request(text))

        async with AgentFrameworkHost(agent, channels=[pieces], config={}):
            await play(send, agent, loop)

    with asyncio.Runner(loop_factory=Steered) as runner:
        runner.run(run())


@pytest.mark.requirement("sessions.gathering")
def test_what_belongs_together_is_one_turn_once_it_has_been_quiet() -> None:
    async def play(send, agent: EchoAgent, loop: Steered) -> None:
        await send("a")
        await loop.pass_by(2.0)
        await send("b")
        await loop.pass_by(4.75)
        assert agent.texts == []
        await loop.pass_by(0.5)
        assert agent.texts == ["ab"]

    gathered(play)


@pytest.mark.requirement("sessions.gathering")
def test_twelve_messages_are_gathered_and_no_more() -> None:
    async def play(send, agent: EchoAgent, loop: Steered) -> None:
        for letter in "abcdefghijk":
            await send(letter)
        await loop.pass_by(0.0)
        assert agent.texts == []
        await send("l")
        await loop.pass_by(0.0)
        assert agent.texts == ["abcdefghijkl"]
        await send("m")
        await loop.pass_by(5.25)
        assert agent.texts == ["abcdefghijkl", "m"]

    gathered(play)


@pytest.mark.requirement("sessions.gathering")
def test_messages_are_gathered_for_seven_and_a_half_seconds_and_no_longer() -> None:
    async def play(send, agent: EchoAgent, loop: Steered) -> None:
        for letter in "abc":
            await send(letter)
            await loop.pass_by(3.5 if letter != "c" else 0.25)
        assert agent.texts == []  # 7.25 seconds after the first
        await send("d")
        await loop.pass_by(0.5)
        assert agent.texts == ["abcd"]

    gathered(play)
