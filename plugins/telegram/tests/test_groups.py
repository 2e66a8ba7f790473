"""Groups, topics and who speaks in them."""

from __future__ import annotations

import pytest

from agent_framework_hosting import NativeIdAllowlist

pytestmark = pytest.mark.anyio

GROUP = -1001234567890


@pytest.mark.requirement("telegram.groups")
async def test_in_a_group_only_what_is_meant_for_the_bot_is_answered(api, talker, serving, soon) -> None:
    agent = talker()
    async with serving(api, agent):
        await api.people.say("talking among ourselves", chat=GROUP)
        await api.people.say("/weather@another_bot", chat=GROUP)
        await api.people.say("hi @fake_botanist", chat=GROUP, entities=[{"type": "mention", "offset": 3, "length": 13}])
        await api.people.say(
            "😀😀 @Fake_Bot hello", chat=GROUP, entities=[{"type": "mention", "offset": 5, "length": 9}]
        )
        await soon(api.until(lambda: len(api.texts(GROUP)) == 1))
        mine = api.shown(GROUP)[0]
        reply = {**mine.to_json(), "from": {"id": 123456, "is_bot": True, "first_name": "Fake"}}
        await api.people.say("and this?", chat=GROUP, reply_to_message=reply)
        await soon(api.until(lambda: len(api.texts(GROUP)) == 2))
        entity = {"type": "text_mention", "offset": 0, "length": 3, "user": {"id": 123456}}
        await api.people.say("bot you there", chat=GROUP, entities=[entity])
        await soon(api.until(lambda: len(api.texts(GROUP)) == 3))
    assert agent.texts == ["😀😀  hello", "and this?", "you there"]
    assert mine.reply_to is not None


@pytest.mark.requirement("telegram.groups")
async def test_people_in_a_group_have_their_own_conversations_unless_the_room_shares_one(
    api, talker, serving, soon
) -> None:
    async with serving(api, talker(), conversation_scope="per_conversation"):
        await api.people.say("@fake_bot one", chat=GROUP, user=1)
        await soon(api.until(lambda: len(api.texts(GROUP)) == 1))
        await api.people.say("@fake_bot two", chat=GROUP, user=2)
        await soon(api.until(lambda: len(api.texts(GROUP)) == 2))
        await api.people.say("/new", chat=GROUP, user=2)
        await api.people.say("@fake_bot three", chat=GROUP, user=1)
        await soon(api.until(lambda: "1: three" in api.texts(GROUP)))
    assert api.texts(GROUP)[:2] == ["1: one", "2: two"]


@pytest.mark.requirement("telegram.order")
async def test_a_topic_is_a_conversation_and_gets_its_own_answers(api, talker, serving, soon) -> None:
    async with serving(api, talker()):
        await api.people.say("@fake_bot in seven", chat=GROUP, topic=7)
        await api.people.say("@fake_bot in nine", chat=GROUP, topic=9)
        await api.people.say("@fake_bot general", chat=GROUP, topic=1)
        await soon(api.until(lambda: len(api.texts(GROUP)) == 3))
        await api.people.say("@fake_bot again", chat=GROUP, topic=7)
        await soon(api.until(lambda: len(api.texts(GROUP)) == 4))
    assert {(each.thread_id, each.text) for each in api.shown(GROUP)} == {
        (7, "1: in seven"),
        (9, "1: in nine"),
        (None, "1: general"),
        (7, "2: again"),
    }


@pytest.mark.requirement("telegram.moved")
async def test_a_closed_topic_is_answered_outside_of_it(api, talker, serving, soon) -> None:
    api.world.closed_topics.add((GROUP, 7))
    async with serving(api, talker()):
        await api.people.say("@fake_bot hello", chat=GROUP, topic=7)
        await soon(api.until(lambda: [each.thread_id for each in api.shown(GROUP)] == [None]))


@pytest.mark.requirement("telegram.moved")
async def test_a_group_that_moves_takes_its_conversation_along(api, talker, serving, soon) -> None:
    old, new = -4321, -1004321
    async with serving(api, talker()):
        await api.people.say("@fake_bot one", chat=old)
        await soon(api.until(lambda: api.texts(old) == ["1: one"]))
        await api.people.update(message={**api.people.message("", chat=old), "migrate_to_chat_id": new})
        api.world.migrated[old] = new
        await api.people.say("@fake_bot two", chat=new)
        await soon(api.until(lambda: api.texts(new) == ["2: two"]))


@pytest.mark.requirement("telegram.moved")
async def test_a_send_finds_out_that_a_group_moved(api, talker, serving, soon) -> None:
    old, new = -4322, -1004322
    async with serving(api, talker()):
        await api.people.say("@fake_bot one", chat=old)
        api.world.migrated[old] = new
        api.world.chats.add(new)
        await soon(api.until(lambda: api.texts(new) == ["1: one"]))
        await api.people.say("@fake_bot two", chat=new)
        await soon(api.until(lambda: api.texts(new) == ["1: one", "2: two"]))


@pytest.mark.requirement("telegram.senders")
async def test_chats_that_speak_as_themselves_are_known_by_their_own_id(api, talker, serving, soon) -> None:
    agent = talker()
    channel_id = -100999
    stand_in = {"id": 1087968824, "is_bot": True, "first_name": "Group"}
    async with serving(api, agent, allowlist=NativeIdAllowlist([str(GROUP)])):
        await api.people.say(
            "@fake_bot as admin", chat=GROUP, **{"from": stand_in, "sender_chat": {"id": GROUP, "title": "G"}}
        )
        await soon(api.until(lambda: api.texts(GROUP) == ["1: as admin"]))
        await api.people.say(
            "@fake_bot as channel", chat=GROUP, **{"from": stand_in, "sender_chat": {"id": channel_id, "title": "C"}}
        )
        await api.people.say("@fake_bot nobody", chat=GROUP, **{"from": stand_in})
        await api.people.say("@fake_bot bot", chat=GROUP, **{"from": {"id": 5, "is_bot": True, "first_name": "B"}})
        await api.people.say(
            "@fake_bot again", chat=GROUP, **{"from": stand_in, "sender_chat": {"id": GROUP, "title": "G"}}
        )
        await soon(api.until(lambda: len(api.texts(GROUP)) == 2))
    assert agent.texts == ["as admin", "again"]


@pytest.mark.requirement("telegram.groups")
async def test_what_others_said_is_given_as_context_when_wanted(api, talker, serving, soon) -> None:
    api.world.reads_everything = True
    agent = talker()
    async with serving(api, agent, group_context=5):
        await api.people.say("the meeting is at nine", chat=GROUP, user=7)
        await api.people.say("@fake_bot when is it?", chat=GROUP, user=8)
        await soon(api.until(lambda: len(api.texts(GROUP)) == 1))
    assert "> User7: the meeting is at nine" in agent.texts[0]
    assert agent.texts[0].endswith("when is it?")


@pytest.mark.requirement("telegram.privacy")
async def test_privacy_mode_is_explained_when_every_message_is_wanted(api, talker, serving) -> None:
    async with serving(api, talker(), accept_in_group="all") as hosted:
        assert "BotFather" in (await hosted.get("/readiness")).text


@pytest.mark.requirement("telegram.merge")
async def test_an_album_in_a_group_is_meant_for_the_bot_as_a_whole(api, talker, serving, soon) -> None:
    agent = talker()
    png = b"\x89PNG\r\n\x1a\n"
    async with serving(api, agent):
        await api.people.send("photo", png + b"1", caption="@fake_bot look", chat=GROUP, media_group_id="a")
        await api.people.send("photo", png + b"2", chat=GROUP, media_group_id="a")
        await soon(api.until(lambda: len(api.texts(GROUP)) == 1))
    assert [content.type for content in agent.heard[0].contents] == ["text", "data", "data"]
