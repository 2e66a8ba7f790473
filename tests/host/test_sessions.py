"""Sessions, lanes and forks, seen through what a model is shown."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from agent_framework_hosting import (
    AgentFrameworkHost,
    ChannelIdentity,
    ChannelRequest,
    ChannelSession,
    Failed,
    Reply,
    hookimpl,
    result_text,
)
from agent_framework_hosting.testing import InboxChannel
from host_channel_echo import EchoChannel

pytestmark = pytest.mark.anyio

Ask = Callable[..., Any]
ADA = ChannelIdentity("inbox", "ada")


def asking(text: str, **fields: Any) -> ChannelRequest:
    return ChannelRequest("inbox", "message.create", text, **{"identity": ADA, **fields})


async def answer(inbox: InboxChannel, text: str, **fields: Any) -> str:
    outcome = await inbox.context.dispatch(asking(text, **fields))
    assert isinstance(outcome, Reply), outcome
    return result_text(outcome.result)


@pytest.mark.requirement("sessions.shared")
@pytest.mark.parametrize("kept", ["session", "diary"])
async def test_one_person_has_one_session_on_two_channels(ask: Ask, served, kept: str) -> None:
    async def one_ada(identity: ChannelIdentity) -> str | None:
        return "ada" if identity.native_id.startswith("ada") else None

    agent = served.agent if kept == "session" else served.agent_with_diary
    channels = [EchoChannel(), InboxChannel()]
    async with AgentFrameworkHost(agent, channels=channels, config={}, identity_resolver=one_ada) as host:
        assert (await ask(host, "one", "ada@work"))[1]["text"] == "1: one"
        assert await answer(channels[1], "two") == "2: two"
        assert (await ask(host, "three", "bob"))[1]["text"] == "1: three"
        assert (await ask(host, "four", "ada@home", stream=True))[1][-1]["text"] == "3: four"
    seen = [message.text for message in served.model.seen[-1]]
    assert seen == ["one", "1: one", "two", "2: two", "four"]


@pytest.mark.requirement("sessions.auto", "sessions.required", "sessions.disabled")
@pytest.mark.parametrize("stream", [False, True])
async def test_the_three_session_modes(served, stream: bool) -> None:
    inbox = InboxChannel()

    async def said(text: str, **fields: Any) -> str:
        outcome = await inbox.context.dispatch(asking(text, stream=stream, **fields))
        if not isinstance(outcome, Reply):
            return f"{outcome.status_code} {outcome.to_public_dict()['code']}"
        return result_text(await outcome.stream.get_final_response() if stream else outcome.result)

    async with AgentFrameworkHost(served.agent, channels=[inbox], config={}):
        assert await said("a") == "1: a"
        assert await said("b", session_mode="required") == "2: b"
        assert await said("c", session_mode="disabled") == "1: c"
        assert await said("d") == "3: d"
        assert await said("e", identity=None) == "1: e"
        assert await said("f", identity=None) == "1: f"
        assert await said("g", identity=None, session_mode="required") == "400 session_required"
    assert "g" not in served.model.finished


@pytest.mark.requirement("sessions.reset")
@pytest.mark.parametrize("kept", ["session", "diary"])
async def test_a_reset_starts_afresh_also_when_a_turn_is_running(ask: Ask, served, kept: str) -> None:
    agent = served.agent if kept == "session" else served.agent_with_diary
    async with AgentFrameworkHost(agent, channels=[EchoChannel()], config={}) as host:
        await ask(host, "one")
        await ask(host, "other", "bob")
        await host.reset_session("echo:ada")
        assert (await ask(host, "two"))[1]["text"] == "1: two"
        served.model.holds = {"slow"}
        slow = asyncio.create_task(ask(host, "slow"))
        await served.model.reached("slow")
        await host.reset_session("echo:ada")
        await served.model.let_go("slow")
        assert (await slow)[1]["text"] == "2: slow"
        assert (await ask(host, "three"))[1]["text"] == "1: three"
        assert (await ask(host, "more", "bob"))[1]["text"] == "2: more"


@pytest.mark.requirement("sessions.bounded")
async def test_live_sessions_are_bounded_and_a_history_provider_brings_them_back(ask: Ask, served) -> None:
    for agent, remembered in ((served.agent, "1: again"), (served.agent_with_diary, "2: again")):
        config = {"max_live_sessions": 2}
        async with AgentFrameworkHost(agent, channels=[EchoChannel()], config=config) as host:
            for user in ("ada", "bob", "ada", "cy"):
                await ask(host, "hello", user)
            assert (await ask(host, "again", "bob"))[1]["text"] == remembered
            assert (await ask(host, "again", "cy"))[1]["text"] == "2: again"


@pytest.mark.requirement("sessions.bounded")
async def test_with_snapshots_an_evicted_session_comes_back_and_a_restart_loses_none(
    ask: Ask, served, tmp_path
) -> None:
    config = {"max_live_sessions": 1, "snapshot_sessions": True}
    for expected in ("1", "3"):
        async with AgentFrameworkHost(
            served.agent, channels=[EchoChannel()], config=config, state_dir=tmp_path
        ) as host:
            assert (await ask(host, "a", "ada"))[1]["text"] == f"{expected}: a"
            await ask(host, "b", "bob")
            assert (await ask(host, "c", "ada"))[1]["text"] == f"{int(expected) + 1}: c"


@pytest.mark.requirement("sessions.fork")
@pytest.mark.requirement("sessions.shared")
@pytest.mark.parametrize("kept", ["session", "diary"])
async def test_forks_of_one_answer_know_nothing_of_each_other(served, kept: str) -> None:
    inbox = InboxChannel()
    agent = served.agent if kept == "session" else served.agent_with_diary

    async def turn(text: str, key: str, parent: str | None = None) -> list[str]:
        await answer(inbox, text, session=ChannelSession(key=key, parent=parent))
        return [message.text for message in served.model.seen[-1] if message.role == "user"]

    async with AgentFrameworkHost(agent, channels=[inbox], config={}):
        assert await turn("root", "r1") == ["root"]
        assert await turn("left", "r2", "r1") == ["root", "left"]
        assert await turn("right", "r3", "r1") == ["root", "right"]
        assert await turn("deeper", "r4", "r2") == ["root", "left", "deeper"]
        assert await turn("again", "r5", "r1") == ["root", "again"]
        assert await answer(inbox, "main") == "1: main"


@pytest.mark.requirement("sessions.unknown-parent")
@pytest.mark.parametrize("stream", [False, True])
async def test_an_unknown_parent_is_refused_before_anything_runs(served, stream: bool) -> None:
    inbox = InboxChannel()
    async with AgentFrameworkHost(served.agent, channels=[inbox], config={}):
        await answer(inbox, "mine", session=ChannelSession(key="r1"))
        bob = ChannelIdentity("inbox", "bob")
        for fields in (
            {"session": ChannelSession(key="r2", parent="nope")},
            {"session": ChannelSession(key="r2", parent="r1"), "identity": bob},
        ):
            outcome = await inbox.context.dispatch(asking("x", stream=stream, **fields))
            assert isinstance(outcome, Failed)
            assert (outcome.code, outcome.status_code) == ("unknown_parent", 400)
    assert served.model.finished == ["mine"]


# Lanes


@pytest.mark.requirement("sessions.lane")
async def test_turns_of_one_person_never_overlap_and_keep_their_order(ask: Ask, served) -> None:
    served.model.holds = {"first"}
    texts = [f"t{number}" for number in range(10)]
    async with AgentFrameworkHost(served.agent, channels=[EchoChannel()], config={}) as host:
        first = asyncio.create_task(ask(host, "first"))
        await served.model.reached("first")
        rest = [asyncio.create_task(ask(host, text, stream=index % 2 == 0)) for index, text in enumerate(texts)]
        for _ in range(50):
            await asyncio.sleep(0)
        assert served.model.running == ["first"]
        await served.model.let_go("first")
        await asyncio.gather(first, *rest)
    assert served.model.finished == ["first", *texts]
    assert served.model.most_running == 1


@pytest.mark.requirement("sessions.lane")
async def test_admitted_turns_keep_their_order_although_a_hook_is_slow_for_the_first(served) -> None:
    released = asyncio.Event()

    class Slow:
        @hookimpl
        async def run_hook(self, request):
            if request.input == "1":
                await released.wait()

    inbox = InboxChannel()
    async with AgentFrameworkHost(served.agent, channels=[inbox], plugins=[Slow()], config={}):
        for text in "123":
            await inbox.context.admit(asking(text))
        for _ in range(20):
            await asyncio.sleep(0)
        released.set()
        assert [text for _, text in await inbox.wait_for(3)] == ["1: 1", "2: 2", "3: 3"]


@pytest.mark.requirement("sessions.lane")
async def test_different_people_and_different_forks_run_side_by_side(ask: Ask, served) -> None:
    inbox = InboxChannel()
    served.model.holds = {"a", "b", "c", "d"}
    async with AgentFrameworkHost(served.agent, channels=[EchoChannel(), inbox], config={}) as host:
        tasks = [
            asyncio.create_task(ask(host, "a", "ada")),
            asyncio.create_task(ask(host, "b", "bob")),
            asyncio.create_task(answer(inbox, "c", session=ChannelSession(key="r1"))),
            asyncio.create_task(answer(inbox, "d", session=ChannelSession(key="r2"))),
        ]
        async with asyncio.timeout(5):
            await served.model.reached("a", "b", "c", "d")
        await served.model.let_go("a", "b", "c", "d")
        await asyncio.gather(*tasks)
    assert served.model.most_running == 4


@pytest.mark.requirement("sessions.busy")
@pytest.mark.parametrize("later", [False, True])
async def test_a_lane_queues_32_turns_and_then_says_busy(ask: Ask, served, later: bool) -> None:
    served.model.holds = {"first"}
    fields = {"later": True, "callback": "http://127.0.0.1:9/x"} if later else {}
    async with AgentFrameworkHost(served.agent, channels=[EchoChannel()], config={}) as host:
        first = asyncio.create_task(ask(host, "first"))
        await served.model.reached("first")
        crowd = [asyncio.create_task(ask(host, f"t{number}", **fields)) for number in range(33)]
        for _ in range(200):
            await asyncio.sleep(0)
        assert (await ask(host, "too much", **fields))[1]["outcome"] == "busy"
        assert (await ask(host, "somebody else", "bob"))[0] == 200
        await served.model.let_go("first")
        statuses = sorted([(await task)[0] for task in crowd])
        await first
        assert statuses == [202 if later else 200] * 32 + [429]
        assert (await ask(host, "after", "ada"))[0] == 200
    assert "too much" not in served.model.finished


@pytest.mark.requirement("sessions.busy")
async def test_a_burst_of_33_from_nothing_is_taken(ask: Ask, served) -> None:
    async with AgentFrameworkHost(served.agent, channels=[EchoChannel()], config={}) as host:
        answers = await asyncio.gather(*(ask(host, f"t{number}") for number in range(33)))
    assert [status for status, _ in answers] == [200] * 33


@pytest.mark.requirement("sessions.busy")
async def test_those_who_give_up_waiting_give_their_places_back(ask: Ask, served) -> None:
    served.model.holds = {"first"}
    async with AgentFrameworkHost(served.agent, channels=[EchoChannel()], config={}) as host:
        first = asyncio.create_task(ask(host, "first"))
        await served.model.reached("first")
        crowd = [asyncio.create_task(ask(host, f"t{number}")) for number in range(32)]
        for _ in range(200):
            await asyncio.sleep(0)
        assert (await ask(host, "x"))[0] == 429
        for task in crowd[:5]:
            task.cancel()
        await asyncio.wait(crowd[:5])
        more = [asyncio.create_task(ask(host, f"m{number}")) for number in range(5)]
        for _ in range(200):
            await asyncio.sleep(0)
        assert (await ask(host, "x"))[0] == 429
        await served.model.let_go("first")
        assert [(await task)[0] for task in [first, *crowd[5:], *more]] == [200] * 33
    assert [text for text in served.model.finished if text in ("t0", "t1", "t2", "t3", "t4")] == []


@pytest.mark.requirement("sessions.global-limit")
@pytest.mark.requirement("sessions.busy")
async def test_the_global_limit_queues_and_refuses_nobody(ask: Ask, served) -> None:
    config = {"max_concurrent_turns": 3}
    async with AgentFrameworkHost(served.agent, channels=[EchoChannel()], config=config) as host:
        served.model.holds = {"hello"}
        crowd = [asyncio.create_task(ask(host, "hello", f"user{number}")) for number in range(60)]
        for _ in range(200):
            await asyncio.sleep(0)
        assert served.model.running == ["hello"] * 3
        await served.model.let_go("hello")
        answers = await asyncio.gather(*crowd)
    assert [status for status, _ in answers] == [200] * 60
    assert served.model.most_running == 3


async def test_what_is_said_in_a_group_stays_out_of_the_private_chat(ask: Ask, served) -> None:
    async with AgentFrameworkHost(served.agent, channels=[EchoChannel()], config={}) as host:
        room = {"group": True, "conversation": "room"}
        await ask(host, "private")
        assert (await ask(host, "public", **room))[1]["text"] == "1: public"
        assert (await ask(host, "bob speaks", "bob", **room))[1]["text"] == "1: bob speaks"
        assert (await ask(host, "public again", **room))[1]["text"] == "2: public again"
        assert (await ask(host, "not meant", mentioned=False, **room))[1]["outcome"] == "accepted"
    assert "not meant" not in served.model.finished


async def test_a_hook_may_move_a_turn_to_another_conversation(served) -> None:
    class Move:
        @hookimpl
        def run_hook(self, request):
            if request.input.startswith("side"):
                return replace(request, session=ChannelSession(key="side"))
            return None

    inbox = InboxChannel()
    async with AgentFrameworkHost(served.agent, channels=[inbox], plugins=[Move()], config={}):
        assert await answer(inbox, "main") == "1: main"
        assert await answer(inbox, "side one") == "1: side one"
        assert await answer(inbox, "side two") == "2: side two"
        assert await answer(inbox, "main again") == "2: main again"
