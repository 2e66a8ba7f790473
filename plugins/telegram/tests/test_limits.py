"""Floods, faults and refusals: final answers are exact, nothing is sent twice."""

from __future__ import annotations

import asyncio

import pytest

from agent_framework_hosting import ChannelIdentity, ResponseTarget
from host_channel_telegram.testing import Fault

pytestmark = pytest.mark.anyio

LONG = "\n\n".join(f"Part {number}. " + "word " * 700 for number in range(3))


def joined(texts: list[str]) -> str:
    return " ".join("\n".join(texts).split())


@pytest.mark.requirement("telegram.floods")
async def test_a_flood_on_each_call_loses_nothing_and_delays_nobody_else(api, talker, serving, soon) -> None:
    async with serving(api, talker(lambda text, _: [LONG if text == "long" else "short"])):
        api.fail("sendMessage", *[Fault.flood(1, chat_id=42)] * 3)
        api.fail("sendChatAction", Fault.flood(2, chat_id=42))
        await api.people.say("long", user=42)
        await soon(api.until(lambda: bool(api.calls("sendMessage"))))
        api.methods.limiter = None
        await api.people.say("quick", user=43)
        await soon(api.until(lambda: api.texts(43) == ["short"]))
        assert joined(api.texts(42)) != joined([LONG])  # that takes three floods and two gaps, five seconds
        await soon(api.until(lambda: joined(api.texts(42)) == joined([LONG])))
    assert len(api.texts(42)) == 3


@pytest.mark.requirement("telegram.uncertain")
@pytest.mark.parametrize("kind", ["apply_then_drop", "apply_then_html"])
async def test_a_send_with_a_lost_answer_is_not_repeated(api, talker, serving, soon, idle, kind) -> None:
    async with serving(api, talker(), streaming="off") as hosted:
        api.fail("sendMessage", Fault(kind))
        await api.people.say("hello")
        await soon(api.until(lambda: api.texts(42) == ["1: hello"]))
        await idle(hosted)
        assert hosted.host.durable_task_runner.counts().get("unknown") == 1
        await api.people.say("next")
        await soon(api.until(lambda: api.texts(42) == ["1: hello", "2: next"]))


@pytest.mark.requirement("telegram.uncertain")
async def test_an_unknown_part_does_not_hold_back_the_others(api, talker, serving, soon, idle) -> None:
    async with serving(api, talker(lambda *_: [LONG]), streaming="off") as hosted:
        api.fail("sendMessage", Fault("apply_then_html"))
        await api.people.say("hello")
        await soon(api.until(lambda: joined(api.texts(42)) == joined([LONG])))
        await idle(hosted)
        assert len(api.texts(42)) == 3
        assert hosted.host.durable_task_runner.counts().get("unknown") == 1


@pytest.mark.requirement("telegram.uncertain")
async def test_an_edit_with_a_lost_answer_is_repeated(api, talker, serving, soon) -> None:
    hold = asyncio.Event()
    async with serving(api, talker(lambda *_: ["The beginning of an answer ", hold, "and its end."])):
        await api.people.say("hello")
        await soon(api.until(lambda: len(api.texts(42)) == 1))
        api.fail("editMessageText", Fault("apply_then_drop"), Fault("html"), Fault("drop"))
        hold.set()
        await soon(api.until(lambda: len(api.calls("editMessageText")) == 4))
    assert api.texts(42) == ["The beginning of an answer and its end."]


async def test_a_connection_that_never_came_about_is_tried_again(api, talker, serving, soon) -> None:
    async with serving(api, talker(), streaming="off"):
        api.fail("sendMessage", Fault("drop"))
        await api.people.say("hello")
        await soon(api.until(lambda: len(api.calls("sendMessage")) == 1))
        await api.people.say("next", user=43)
        await soon(api.until(lambda: api.texts(43) == ["1: next"]))
    assert api.texts(42) == []  # it began, so nobody knows: it is left to the operator


@pytest.mark.requirement("telegram.unreachable")
async def test_a_blocked_user_is_remembered_until_they_write_again(api, talker, serving, soon, idle) -> None:
    async with serving(api, talker()) as hosted:
        await api.people.say("hello")
        await soon(api.until(lambda: api.texts(42) == ["1: hello"]))
        api.world.blocked.add(42)
        to = ResponseTarget.identity(ChannelIdentity("telegram", "42"))
        await hosted.host.deliver("are you there?", to)
        await soon(api.until(lambda: len(api.calls("sendMessage")) == 2))
        await idle(hosted)
        await hosted.host.deliver("and now?", to)
        await idle(hosted)
        assert len(api.calls("sendMessage")) == 2
        api.world.blocked.clear()
        await api.people.say("back")
        await soon(api.until(lambda: api.texts(42) == ["1: hello", "2: back"]))


@pytest.mark.requirement("telegram.text")
async def test_a_text_that_is_refused_goes_out_plain(api, talker, serving, soon) -> None:
    async with serving(api, talker(lambda *_: ["**bold**"]), streaming="off"):
        api.fail("sendMessage", Fault("refuse", 400, "Bad Request: can't parse entities: something"))
        await api.people.say("hello")
        await soon(api.until(lambda: api.texts(42) == ["bold"]))
    assert "entities" in api.calls("sendMessage")[0]
    assert "entities" not in api.calls("sendMessage")[1]


@pytest.mark.requirement("telegram.push")
async def test_pushes_reach_users_chats_and_topics_with_a_receipt(api, talker, serving, soon) -> None:
    async with serving(api, talker()) as hosted:
        api.world.chats |= {42, -100777}
        silent = ChannelIdentity("telegram", "42", {"silent": True})
        topic = ChannelIdentity("telegram", "-100777", {"message_thread_id": 5})
        for to in (silent, topic, ChannelIdentity("telegram", "42")):
            await hosted.host.deliver("news", ResponseTarget.identity(to))
        await soon(api.until(lambda: len(api.world.messages) == 3))
    assert [(each.thread_id, each.silent) for each in api.shown(-100777)] == [(5, False)]
    assert [each.silent for each in api.shown(42)] == [True, False] or [each.silent for each in api.shown(42)] == [
        False,
        True,
    ]


@pytest.mark.requirement("telegram.split")
async def test_an_answer_of_many_messages_becomes_a_file(api, talker, serving, soon) -> None:
    answer = "\n\n".join(f"Part {number}. " + "word " * 700 for number in range(12))
    async with serving(api, talker(lambda *_: [answer]), max_parts=4):
        await api.people.say("everything")
        await soon(api.until(lambda: [each.kind for each in api.shown(42)] == ["text", "document"]))
    assert joined([api.shown(42)[1].file.decode()]) == joined([answer])
