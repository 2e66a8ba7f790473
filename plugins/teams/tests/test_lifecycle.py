"""The bot comes and goes, and Teams says many things that are no messages."""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent_framework_hosting import ChannelIdentity, ResponseTarget
from agent_framework_hosting.testing import EchoAgent
from host_channel_teams.parsing import BadActivity, parse
from host_channel_teams.testing import People, Room
from host_channel_teams.testing.microsoft import TENANT


def joined(microsoft, ada, chat) -> dict[str, object]:
    return microsoft.write.activity("conversationUpdate", ada, chat, membersAdded=[microsoft.write.bot])


def installed(microsoft, ada, chat, action: str = "add") -> dict[str, object]:
    return microsoft.write.activity("installationUpdate", ada, chat, action=action)


def bytes_of(state: Path) -> bytes:
    return b"".join(each.read_bytes() for each in state.rglob("*") if each.is_file())


@pytest.mark.requirement("teams.lifecycle")
@pytest.mark.anyio
async def test_a_newcomer_is_welcomed_once_whatever_teams_sends(run, ada, chat, microsoft, tmp_path) -> None:
    for _ in range(2):
        async with run(welcome="Welcome!", state_dir=tmp_path) as bot, asyncio.timeout(10):
            assert (await bot.send(installed(microsoft, ada, chat))).status == 200
            assert (await bot.send(joined(microsoft, ada, chat))).status == 200
            assert (await bot.send(installed(microsoft, ada, chat, "add-upgrade"))).status == 200
            await microsoft.connector.wait_for_messages(1)
    assert [post.text for post in microsoft.connector.messages] == ["Welcome!"]


@pytest.mark.anyio
async def test_who_installs_again_is_welcomed_again(run, ada, chat, microsoft) -> None:
    async with run(welcome="Welcome!") as bot, asyncio.timeout(10):
        for action in ("add", "remove", "add"):
            assert (await bot.send(installed(microsoft, ada, chat, action))).status == 200
        await microsoft.connector.wait_for_messages(2)


@pytest.mark.anyio
async def test_members_of_a_team_are_not_welcomed_one_by_one(run, ada, thread, microsoft) -> None:
    async with run() as bot, asyncio.timeout(10):
        people = [{"id": f"29:{number}"} for number in range(50)]
        await bot.send(microsoft.write.activity("conversationUpdate", ada, thread, membersAdded=people))
        await bot.send(microsoft.write.message("hello", ada, thread))
        replies = await microsoft.connector.wait_for_messages(1)
    assert [reply.text for reply in replies] == ["1: hello"]


@pytest.mark.anyio
async def test_an_uninstalled_bot_is_silent_until_it_is_installed_again(run, ada, chat, microsoft) -> None:
    person = ResponseTarget.identity(ChannelIdentity("teams", f"{TENANT}/{ada.aad_id}"))
    async with run(welcome="") as bot, asyncio.timeout(10):
        await bot.send(installed(microsoft, ada, chat))
        await bot.host.deliver("one", person)
        await microsoft.connector.wait_for_messages(1)
        await bot.send(installed(microsoft, ada, chat, "remove"))
        await bot.host.deliver("two", person)
    async with run(welcome="") as bot, asyncio.timeout(10):
        await bot.send(installed(microsoft, ada, chat))
        await bot.host.deliver("three", person)
        await microsoft.connector.wait_for_messages(2)
    assert [(post.room, post.text) for post in microsoft.connector.messages] == [(chat.id, "one"), (chat.id, "three")]


@pytest.mark.requirement("teams.forget")
@pytest.mark.anyio
@pytest.mark.parametrize("alive", [True, False], ids=["live", "stopped and without the channel"])
async def test_who_is_forgotten_is_in_no_byte_and_others_stay(
    run, ada, bob, chat, group, microsoft, tmp_path, alive: bool
) -> None:
    eve, state = People("eve", TENANT), tmp_path / "state"
    eves, bobs = Room("a:eve", "personal", TENANT), Room("a:bob", "personal", TENANT)
    microsoft.connector.rooms |= {eves.id, bobs.id}
    people = [(ada, chat), (eve, eves), (bob, bobs)]
    async with run(welcome="Welcome!", state_dir=state) as bot, asyncio.timeout(40):
        for who, room in people:
            await bot.send(installed(microsoft, who, room))
            await bot.send(microsoft.write.message("hello", who, room))
            await bot.send(microsoft.write.message("/whoami", who, room))
            liked = microsoft.write.activity("messageReaction", who, room, reactionsAdded=[{"type": "like"}])
            await bot.send({**liked, "replyToId": "m1"})
        await bot.send(microsoft.write.message("hello all", bob, group))
        await bot.send(microsoft.write.message("hello all", ada, group))
        await microsoft.connector.wait_for_messages(11)
        await bot.send(installed(microsoft, ada, chat, "remove"))
    names = [name.encode() for who in (ada, eve) for name in (who.aad_id, who.account)] + [b"a:ada", b"a:eve"]
    assert all(name in bytes_of(state) for name in names)
    async with AsyncExitStack() as life, asyncio.timeout(40):
        if alive:
            await life.enter_async_context(run(welcome="Welcome!", state_dir=state))
        for who in (ada, eve):
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "agent_host", "identities", "forget", f"teams:{TENANT}/{who.aad_id}"),
                *("--yes", "--json", "--state-dir", str(state)),
                stdout=asyncio.subprocess.PIPE,
            )
            out, _ = await process.communicate()
            assert (process.returncode, json.loads(out)["left"]) == (0, [])
    assert not [name for name in names if name in bytes_of(state)]
    async with run(welcome="", state_dir=state) as bot, asyncio.timeout(40):
        before = len(microsoft.connector.messages)
        person = ResponseTarget.identity(ChannelIdentity("teams", f"{TENANT}/{bob.aad_id}"))
        await bot.host.deliver("still there", person)
        posts = await microsoft.connector.wait_for_messages(before + 1)
    assert (posts[-1].room, posts[-1].text) == (bobs.id, "still there")


@pytest.mark.anyio
async def test_edits_and_deletions_start_nothing(run, ada, chat, microsoft) -> None:
    agent = EchoAgent()
    async with run(agent) as bot, asyncio.timeout(10):
        sent = microsoft.write.message("hello", ada, chat)
        await bot.send(sent)
        await microsoft.connector.wait_for_messages(1)
        for event in ("editMessage", "undeleteMessage", "softDeleteMessage"):
            kind = "messageDelete" if event.startswith("soft") else "messageUpdate"
            data = {"tenant": {"id": TENANT}, "eventType": event}
            assert (await bot.send({**sent, "type": kind, "text": "changed", "channelData": data})).status == 200
    assert agent.texts == ["hello"]
    assert len(microsoft.connector.messages) == 1


@pytest.mark.anyio
@pytest.mark.parametrize(
    "kind",
    ["trace", "handoff", "endOfConversation", "event", "typing", "command", "commandResult", "brand/new", "", None, 7],
)
async def test_an_unknown_type_is_acknowledged_and_ignored(run, ada, chat, microsoft, kind: object) -> None:
    agent = EchoAgent()
    async with run(agent) as bot:
        answer = await bot.send({**microsoft.write.message("hello", ada, chat), "type": kind})
    assert answer.status == 200
    assert agent.heard == []
    assert microsoft.connector.asked == 0


TYPES = [
    "message", "messageUpdate", "messageDelete", "messageReaction", "conversationUpdate", "installationUpdate",
    "typing", "event", "invoke",
]  # fmt: skip
NAMES = st.sampled_from(["id", "type", "text", "name", "tenant", "data", "action", "mentioned", "content"])
SIMPLE = st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(max_size=20)
ANYTHING = st.recursive(
    SIMPLE | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=8,
)
FIELDS = st.sampled_from([
    "id", "from", "recipient", "conversation", "channelData", "text", "entities", "attachments", "value", "name",
    "membersAdded", "membersRemoved", "reactionsAdded", "replyToId", "action", "locale",
])  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(kind=st.sampled_from(TYPES), changes=st.dictionaries(FIELDS, ANYTHING, max_size=4))
def test_parsing_takes_anything(kind: str, changes: dict[str, object]) -> None:
    base = {
        "type": kind, "id": "1", "serviceUrl": "https://x", "from": {"id": "29:a"}, "recipient": {"id": "28:b"},
        "conversation": {"id": "a:c", "tenantId": TENANT}, "text": "hi",
    }  # fmt: skip
    try:
        found = parse({**base, **changes})
    except BadActivity:
        return
    assert found.reference.conversation_id
    assert found.reference.user_id


@pytest.mark.anyio
async def test_two_hundred_odd_activities_never_make_a_500(run, ada, chat, microsoft) -> None:
    odd: list[dict[str, object]] = []

    @settings(max_examples=200, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(kind=st.sampled_from(TYPES), changes=st.dictionaries(FIELDS, ANYTHING, max_size=4))
    def collect(kind: str, changes: dict[str, object]) -> None:
        odd.append({**microsoft.write.message("hi", ada, chat), "type": kind, **changes})

    collect()
    async with run() as bot:
        statuses = {(await bot.send(activity)).status for activity in odd}
    assert statuses <= {200, 400, 403, 412, 501}
    assert 200 in statuses


@pytest.mark.anyio
async def test_commands_answer_and_are_not_run_twice(run, ada, chat, microsoft) -> None:
    agent = EchoAgent()
    async with run(agent) as bot, asyncio.timeout(10):
        await bot.send(microsoft.write.message("one", ada, chat))
        await microsoft.connector.wait_for_messages(1)
        new = microsoft.write.message("/new", ada, chat)
        assert [(await bot.send(new)).status for _ in range(2)] == [200, 200]
        await microsoft.connector.wait_for_messages(2)
        await bot.send(microsoft.write.message("two", ada, chat))
        await microsoft.connector.wait_for_messages(3)
        await bot.send(microsoft.write.message("/help", ada, chat))
        posts = await microsoft.connector.wait_for_messages(4)
    assert [post.text for post in posts[:3]] == ["1: one", "Done. We start afresh.", "1: two"]
    actions = posts[3].body["attachments"][0]["content"]["actions"]
    assert "/new" in [action["title"] for action in actions]
    assert agent.texts == ["one", "two"]


@pytest.mark.anyio
async def test_stop_ends_the_turn_under_way(run, ada, chat, speaker, microsoft) -> None:
    async with run(speaker) as bot, asyncio.timeout(15):
        await bot.send(microsoft.write.message("work", ada, chat))
        await speaker.started.wait()
        await bot.send(microsoft.write.message("/stop", ada, chat))
        await microsoft.connector.wait_for_messages(1)
        await bot.send(microsoft.write.message("/stop", ada, chat))
        posts = await microsoft.connector.wait_for_messages(2)
    assert [post.text for post in posts] == ["Stopped.", "There is nothing to stop."]


@pytest.mark.anyio
async def test_a_command_in_a_group_counts_when_it_is_for_the_bot(run, ada, group, microsoft) -> None:
    async with run() as bot, asyncio.timeout(10):
        await bot.send(microsoft.write.message("/new", ada, group, mention=False))
        await bot.send(microsoft.write.message("/new", ada, group))
        await bot.send(microsoft.write.message("hello", ada, group))
        await microsoft.connector.wait_for(lambda posts: any(post.text == "1: hello" for post in posts))
    assert sorted(post.text for post in microsoft.connector.messages) == ["1: hello", "Done. We start afresh."]
