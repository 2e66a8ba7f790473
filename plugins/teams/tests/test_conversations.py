"""Who is answered where, and who remembers what."""

from __future__ import annotations

import asyncio

import pytest

from agent_framework_hosting import LinkedClaimAllowlist, NativeIdAllowlist
from agent_framework_hosting.testing import EchoAgent
from host_channel_teams.testing import People, Room
from host_channel_teams.testing.microsoft import TENANT

OTHER_THREAD = Room("19:room@thread.tacv2;messageid=1732299999999", "channel", TENANT)


class Held:
    """An agent's pause: it waits until it is told to go on."""

    def __init__(self) -> None:
        self.started = asyncio.Event()
        self.go_on = asyncio.Event()

    async def __call__(self, _: str) -> None:
        self.started.set()
        await self.go_on.wait()


@pytest.mark.anyio
async def test_a_personal_message_is_answered_at_the_connector(run, ada, chat) -> None:
    async with run() as bot, asyncio.timeout(10):
        sent = bot.microsoft.write.message("hello", ada, chat)
        answer = await bot.send(sent)
        assert (answer.status, answer.body) == (200, b"")
        (reply,) = await bot.microsoft.connector.wait_for_messages(1)
    assert (reply.room, reply.text) == ("a:ada", "1: hello")
    assert reply.body["from"] == {"id": sent["recipient"]["id"]}
    assert reply.body["recipient"]["id"] == "29:ada"
    assert reply.body["textFormat"] == "markdown"


@pytest.mark.requirement("teams.ack")
@pytest.mark.anyio
async def test_the_200_does_not_wait_for_the_turn(run, ada, chat) -> None:
    pause = Held()
    async with run(EchoAgent(pause)) as bot, asyncio.timeout(10):
        answer = await bot.send(bot.microsoft.write.message("hello", ada, chat))
        assert answer.status == 200
        assert bot.microsoft.connector.messages == []
        await pause.started.wait()
        pause.go_on.set()
        (reply,) = await bot.microsoft.connector.wait_for_messages(1)
    assert reply.text == "1: hello"


@pytest.mark.anyio
async def test_the_same_activity_is_answered_once(run, ada, chat) -> None:
    agent = EchoAgent()
    async with run(agent) as bot, asyncio.timeout(10):
        activity = bot.microsoft.write.message("hello", ada, chat)
        answers = await asyncio.gather(*(bot.send(activity) for _ in range(5)))
        await bot.microsoft.connector.wait_for_messages(1)
        answers.append(await bot.send(activity))
        await bot.send(bot.microsoft.write.message("again", ada, chat))
        replies = await bot.microsoft.connector.wait_for_messages(2)
    assert [answer.status for answer in answers] == [200] * 6
    assert [reply.text for reply in replies] == ["1: hello", "2: again"]
    assert agent.texts == ["hello", "again"]


@pytest.mark.anyio
async def test_the_same_id_in_another_conversation_is_another_activity(run, ada, bob, chat, group) -> None:
    async with run() as bot, asyncio.timeout(10):
        first = bot.microsoft.write.message("hello", ada, chat)
        await bot.send(first)
        await bot.send({**bot.microsoft.write.message("hello", bob, group), "id": first["id"]})
        assert len(await bot.microsoft.connector.wait_for_messages(2)) == 2


@pytest.mark.anyio
async def test_a_duplicate_is_known_after_a_restart(run, ada, chat, tmp_path) -> None:
    agent = EchoAgent()
    async with run(agent, state_dir=tmp_path) as bot, asyncio.timeout(10):
        activity = bot.microsoft.write.message("hello", ada, chat)
        await bot.send(activity)
        await bot.microsoft.connector.wait_for_messages(1)
    async with run(agent, state_dir=tmp_path) as bot:
        assert (await bot.send(activity)).status == 200
    assert agent.texts == ["hello"]
    assert len(bot.microsoft.connector.messages) == 1


@pytest.mark.requirement("teams.conversations")
@pytest.mark.anyio
async def test_people_and_rooms_remember_apart(run, ada, bob, chat, group, thread) -> None:
    """Private stays private; in a group and in each thread everybody has a conversation of their own."""
    async with run() as bot, asyncio.timeout(20):
        script = [
            ("p1", ada, chat), ("p2", ada, chat), ("g1", ada, group), ("g1", bob, group), ("g2", ada, group),
            ("t1", ada, thread), ("t2", ada, thread), ("o1", ada, OTHER_THREAD), ("p3", ada, chat),
        ]  # fmt: skip
        for text, who, room in script:
            await bot.send(bot.microsoft.write.message(text, who, room))
        replies = await bot.microsoft.connector.wait_for_messages(len(script))
    told = sorted((reply.room, reply.text) for reply in replies)
    assert told == sorted([
        (chat.id, "1: p1"), (chat.id, "2: p2"), (chat.id, "3: p3"), (group.id, "1: g1"), (group.id, "1: g1"),
        (group.id, "2: g2"), (thread.id, "1: t1"), (thread.id, "2: t2"), (OTHER_THREAD.id, "1: o1"),
    ])  # fmt: skip


@pytest.mark.anyio
async def test_a_shared_conversation_is_everybodys(run, ada, bob, thread) -> None:
    async with run(conversation_scope="per_conversation") as bot, asyncio.timeout(10):
        await bot.send(bot.microsoft.write.message("one", ada, thread))
        await bot.microsoft.connector.wait_for_messages(1)
        await bot.send(bot.microsoft.write.message("two", bob, thread))
        replies = await bot.microsoft.connector.wait_for_messages(2)
    assert [reply.text for reply in replies] == ["1: one", "2: two"]


@pytest.mark.anyio
async def test_a_new_post_in_a_channel_is_answered_in_its_own_thread(run, ada, microsoft) -> None:
    microsoft.connector.rooms.add("19:room@thread.tacv2")
    bare = Room("19:room@thread.tacv2", "channel", TENANT)
    async with run() as bot, asyncio.timeout(10):
        sent = microsoft.write.message("hello", ada, bare)
        await bot.send(sent)
        (reply,) = await microsoft.connector.wait_for_messages(1)
    assert reply.room == f"19:room@thread.tacv2;messageid={sent['id']}"
    assert reply.body["replyToId"] == sent["id"]


@pytest.mark.anyio
async def test_only_what_mentions_the_bot_is_answered_in_a_group(run, ada, group, thread) -> None:
    agent = EchoAgent()
    async with run(agent) as bot, asyncio.timeout(10):
        for room in (group, thread):
            assert (await bot.send(bot.microsoft.write.message("not you", ada, room, mention=False))).status == 200
        await bot.send(bot.microsoft.write.message("you", ada, group))
        await bot.microsoft.connector.wait_for_messages(1)
    assert agent.texts == ["you"]


@pytest.mark.anyio
async def test_every_message_is_answered_where_the_operator_wants_it(run, ada, group) -> None:
    async with run(accept_in_group="all") as bot, asyncio.timeout(10):
        await bot.send(bot.microsoft.write.message("anyone?", ada, group, mention=False))
        (reply,) = await bot.microsoft.connector.wait_for_messages(1)
    assert reply.text == "1: anyone?"


@pytest.mark.anyio
async def test_only_the_bots_own_mention_is_taken_out(run, ada, group) -> None:
    agent = EchoAgent()
    async with run(agent) as bot, asyncio.timeout(10):
        own = {"type": "mention", "mentioned": bot.microsoft.write.bot, "text": "<at>Bot</at>"}
        other = {"type": "mention", "mentioned": {"id": "29:bob", "name": "Bob"}, "text": "<at>Bob</at>"}
        message = bot.microsoft.write.message("", ada, group)
        message |= {"text": "<at>Bot</at> ask <at>Bob</at> about <b>", "entities": [own, other]}
        await bot.send(message)
        spoof = bot.microsoft.write.message("", ada, group) | {"text": "<at>Bot</at> hi", "entities": [other]}
        await bot.send(spoof)
        await bot.microsoft.connector.wait_for_messages(1)
    assert agent.texts == ["ask Bob about <b>"]


@pytest.mark.anyio
async def test_groups_see_typing_and_one_message_and_no_stream(run, ada, group, thread) -> None:
    pause = Held()
    async with run(EchoAgent(pause)) as bot, asyncio.timeout(10):
        for room in (group, thread):
            await bot.send(bot.microsoft.write.message("hello", ada, room))
        await bot.microsoft.connector.wait_for(lambda posts: len([p for p in posts if p.kind == "typing"]) >= 2)
        pause.go_on.set()
        await bot.microsoft.connector.wait_for_messages(2)
    kinds = {(post.room, post.kind) for post in bot.microsoft.connector.posts}
    assert kinds == {(room.id, kind) for room in (group, thread) for kind in ("typing", "message")}


@pytest.mark.anyio
async def test_an_allowlist_knows_people_by_tenant_and_directory_id(run, ada, bob, chat, microsoft) -> None:
    microsoft.connector.rooms.add("a:bob")
    agent = EchoAgent()
    async with run(agent, allowlist=NativeIdAllowlist([f"{TENANT}/{ada.aad_id}"])) as bot, asyncio.timeout(10):
        assert (await bot.send(microsoft.write.message("me", ada, chat))).status == 200
        await microsoft.connector.wait_for_messages(1)
        assert (await bot.send(microsoft.write.message("me too", bob, Room("a:bob", "personal", TENANT)))).status == 200
        refusal = (await microsoft.connector.wait_for_messages(2))[1]
    assert agent.texts == ["me"]
    assert (refusal.room, refusal.text) == ("a:bob", "You are not allowed to talk to this agent.")


@pytest.mark.anyio
async def test_claims_are_verified_and_a_guest_has_none(run, ada, chat, microsoft) -> None:
    agent = EchoAgent()
    async with run(agent, allowlist=LinkedClaimAllowlist("oid", [ada.aad_id])) as bot, asyncio.timeout(10):
        await bot.send(microsoft.write.message("me", ada, chat))
        await microsoft.connector.wait_for_messages(1)
        guest = People("guest", TENANT, None)
        named = People(f"{TENANT}/{ada.aad_id}", TENANT, None)
        for who in (guest, named):
            assert (await bot.send(microsoft.write.message("me", who, chat))).status == 200
    assert agent.texts == ["me"]


@pytest.mark.anyio
async def test_a_guest_without_a_directory_id_is_answered_and_is_nobody_else(run, ada, chat) -> None:
    agent = EchoAgent()
    async with run(agent) as bot, asyncio.timeout(10):
        await bot.send(bot.microsoft.write.message("one", ada, chat))
        await bot.microsoft.connector.wait_for_messages(1)
        await bot.send(bot.microsoft.write.message("two", People("guest", TENANT, None), chat))
        replies = await bot.microsoft.connector.wait_for_messages(2)
    assert [reply.text for reply in replies] == ["1: one", "1: two"]
    identities = [heard.additional_properties["hosting"]["identity"]["native_id"] for heard in agent.heard]
    assert identities == [f"{TENANT}/{ada.aad_id}", f"{TENANT}/account:29:guest"]


@pytest.mark.anyio
async def test_two_hundred_conversations_at_once(run, microsoft) -> None:
    people = [People(f"p{number}", TENANT) for number in range(200)]
    rooms = [Room(f"a:p{number}", "personal", TENANT) for number in range(200)]
    microsoft.connector.rooms |= {room.id for room in rooms}
    async with run() as bot, asyncio.timeout(50):
        sent = [microsoft.write.message(f"from {who.name}", who, room) for who, room in zip(people, rooms, strict=True)]
        answers = await asyncio.gather(*(bot.send(activity) for activity in sent))
        replies = await microsoft.connector.wait_for_messages(200)
    assert {answer.status for answer in answers} == {200}
    assert sorted((reply.room, reply.text) for reply in replies) == sorted(
        (room.id, f"1: from {who.name}") for who, room in zip(people, rooms, strict=True)
    )
    assert microsoft.token_hits == 1
    assert microsoft.keys_hits == 1
