"""Several hosts on one store serve one bot: one polls, and each leaves alone what another is at work on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from agent_framework import AgentResponse, Message

from agent_framework_hosting import (
    ChannelCommand,
    ChannelIdentity,
    HostedRunResult,
    MemoryStore,
    RetryLater,
    StoreError,
)
from agent_framework_hosting.testing import HandClock
from host_channel_telegram.testing import Fault

pytestmark = [pytest.mark.anyio, pytest.mark.requirement("telegram.shared")]

LEASE_SECONDS = 1.5
FIRST, SECOND = 49, 48
"""How long the polls of each host are, which tells them apart."""


class Cable:
    """One host's way to a shared store; once cut, nothing gets through."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self.cut = False

    @property
    def durable(self) -> bool:
        return self._store.durable

    def now(self) -> float:
        return self._store.now()

    def __getattr__(self, name: str) -> Callable[..., Awaitable[object]]:
        reach = getattr(self._store, name)

        async def through(*given: object, **named: object) -> object:
            if self.cut and name != "close":
                raise StoreError("The cable is cut.")
            return await reach(*given, **named)

        return through


class Shared:
    """A store that hosts share, and its time."""

    def __init__(self) -> None:
        self.clock = HandClock()
        self.store = MemoryStore(clock=self.clock)

    def cable(self) -> Cable:
        return Cable(self.store)

    def options(self, cable: Cable) -> dict[str, object]:
        return {"store": cable, "config": {"lease_seconds": LEASE_SECONDS}}

    def kill(self, cable: Cable) -> None:
        """Let a host be silent until it counts as dead."""
        cable.cut = True
        self.clock.advance(LEASE_SECONDS + 1)


@pytest.fixture
def shared() -> Shared:
    return Shared()


def polls(api, seconds: int) -> int:
    return sum(call["timeout"] == seconds for call in api.calls("getUpdates"))


def notice(text: str) -> HostedRunResult:
    return HostedRunResult(AgentResponse(messages=[Message("assistant", [text])]))


async def test_one_polls_and_the_other_takes_over_when_it_stops(api, talker, serving, soon, shared) -> None:
    first, second = talker(), talker()
    on_first, on_second = ({"host_options": shared.options(shared.cable())} for _ in range(2))
    stopping = serving(api, first, poll_seconds=FIRST, **on_first)
    await stopping.__aenter__()
    async with serving(api, second, poll_seconds=SECOND, **on_second) as waiting:
        for number, text in enumerate(("one", "two"), start=1):
            await api.people.say(text)
            await soon(api.until(lambda number=number: len(api.texts(42)) == number))
        assert (await waiting.get("/readiness")).json()["channels"]["telegram"]["healthy"]
        assert polls(api, SECOND) == 0
        await stopping.__aexit__(None, None, None)
        await soon(api.until(lambda: polls(api, SECOND) > 0))
        await api.people.say("three")
        await soon(api.until(lambda: len(api.texts(42)) == 3))
    assert api.texts(42) == ["1: one", "2: two", "3: three"]
    assert (first.texts, second.texts) == (["one", "two"], ["three"])


async def test_a_poller_that_was_silent_loses_the_bot_and_polls_no_more(api, talker, serving, soon, shared) -> None:
    first, second, cable = talker(), talker(), shared.cable()
    async with (
        serving(api, first, poll_seconds=FIRST, host_options=shared.options(cable)),
        serving(api, second, poll_seconds=SECOND, host_options=shared.options(shared.cable())),
    ):
        await api.people.say("one")
        await soon(api.until(lambda: api.texts(42) == ["1: one"]))
        shared.kill(cable)
        await soon(api.until(lambda: polls(api, SECOND) > 0))
        cable.cut = False
        await api.people.say("two")
        await soon(api.until(lambda: api.texts(42) == ["1: one", "2: two"]))
        before = polls(api, FIRST)
        for number in range(3, 6):
            await api.people.say(str(number))
            await soon(api.until(lambda number=number: len(api.texts(42)) == number))
        assert polls(api, FIRST) <= before + 1
    assert second.texts == ["two", "3", "4", "5"]


@pytest.fixture
def never() -> tuple[ChannelCommand, list[str], asyncio.Event]:
    """A command that never ends, what it was called with, and that it has begun."""
    acted: list[str] = []
    begun = asyncio.Event()

    async def act(command) -> None:
        acted.append(command.request.input)
        begun.set()
        await asyncio.Event().wait()

    return ChannelCommand("never", "Never ends", act), acted, begun


def apologies(api) -> int:
    return sum("I was interrupted" in text for text in api.texts(42))


async def test_who_takes_over_the_poll_takes_up_the_command(api, talker, serving, soon, shared, never) -> None:
    (command, acted, _), cable = never, shared.cable()
    api.world.chats.add(42)
    async with (
        serving(api, talker(), poll_seconds=FIRST, commands=[command], host_options=shared.options(cable)),
        serving(api, talker(), poll_seconds=SECOND, commands=[command], host_options=shared.options(shared.cable())),
    ):
        await api.people.say("/never")
        await api.people.say("hello")
        await soon(api.until(lambda: api.texts(42) == ["1: hello"]))
        shared.kill(cable)
        await soon(api.until(lambda: apologies(api) == 1))
    assert acted == ["/never"]
    assert apologies(api) == 1


async def test_a_command_at_work_is_left_alone_until_its_host_is_dead(
    api, talker, serving, soon, shared, never
) -> None:
    (command, acted, begun), cable = never, shared.cable()
    api.world.chats.add(42)
    options = {"commands": [command], "transport": "webhook", "keep_webhook": True}
    async with serving(api, talker(), host_options=shared.options(cable), **options):
        await api.people.say("/never")
        await soon(begun.wait())
        for number, dead in ((2, False), (3, True)):
            if dead:
                shared.kill(cable)
            async with serving(api, talker(), host_options=shared.options(shared.cable()), **options):
                await soon(api.until(lambda number=number: len(api.calls("setWebhook")) == number))
                await api.people.say("hello")
                await soon(api.until(lambda number=number: f"{number - 1}: hello" in api.texts(42)))
                await soon(api.until(lambda dead=dead: apologies(api) == dead))
    assert acted == ["/never"]


async def test_half_an_answer_becomes_the_apology_of_the_host_that_takes_over(
    api, talker, serving, soon, shared
) -> None:
    noted, held, cable = asyncio.Event(), asyncio.Event(), shared.cable()
    slow = talker(lambda text, turn: ["Half of an answer, and", noted, " some more", held])
    async with (
        serving(api, slow, poll_seconds=FIRST, host_options=shared.options(cable)),
        serving(api, talker(), poll_seconds=SECOND, host_options=shared.options(shared.cable())) as second,
    ):
        await api.people.say("hello")
        await soon(api.until(lambda: api.texts(42) == ["Half of an answer, and"]))
        noted.set()
        await soon(api.until(lambda: api.texts(42) == ["Half of an answer, and some more"]))
        await second.channel.push(ChannelIdentity("telegram", "42"), notice("by the way"))
        assert api.texts(42) == ["Half of an answer, and some more", "by the way"]
        shared.kill(cable)
        await soon(api.until(lambda: "I was interrupted" in api.texts(42)[0]))
        assert len(api.texts(42)) == 2


async def test_what_another_host_is_sending_is_not_sent_beside_it(api, talker, serving, soon, shared) -> None:
    ada, cable = ChannelIdentity("telegram", "42"), shared.cable()
    api.world.chats.add(42)
    async with (
        serving(api, talker(), poll_seconds=FIRST, host_options=shared.options(cable)) as first,
        serving(api, talker(), poll_seconds=SECOND, host_options=shared.options(shared.cable())) as second,
    ):
        api.fail("sendMessage", Fault("slow_answer", seconds=600.0))
        sending = asyncio.create_task(first.channel.push(ada, notice("news")))
        await soon(api.until(lambda: api.texts(42) == ["news"]))
        with pytest.raises(RetryLater):
            await second.channel.push(ada, notice("news"))
        assert len(api.calls("sendMessage")) == 1
        sending.cancel()
        await asyncio.wait([sending])


async def test_a_chat_that_one_host_gave_up_is_revived_for_all(api, talker, serving, soon, shared) -> None:
    ada = ChannelIdentity("telegram", "42")
    async with (
        serving(api, talker(), poll_seconds=FIRST, host_options=shared.options(shared.cable())),
        serving(api, talker(), poll_seconds=SECOND, host_options=shared.options(shared.cable())) as second,
    ):
        await api.people.say("hello")
        await soon(api.until(lambda: api.texts(42) == ["1: hello"]))
        api.world.blocked.add(42)
        for _ in range(2):
            with pytest.raises(Exception, match="blocked"):
                await second.channel.push(ada, notice("news"))
        assert len(api.calls("sendMessage")) == 2
        api.world.blocked.clear()
        await api.people.say("back again")
        await soon(api.until(lambda: "2: back again" in api.texts(42)))
        await second.channel.push(ada, notice("news"))
    assert api.texts(42)[-1] == "news"
