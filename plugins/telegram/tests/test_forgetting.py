"""A person who is forgotten is in none of the channel's tables, and not in its memory."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager

import pytest
from agent_framework import Content

from agent_framework_hosting import ChannelCommand, ChannelIdentity, ResponseTarget
from agent_framework_hosting.ports import Insert
from agent_framework_hosting.state.disk import DiskStore
from agent_framework_hosting.state.memory import MemoryStore
from agent_framework_hosting.state.namespace import StoreNamespace
from host_channel_telegram import TelegramChannel
from host_channel_telegram.progress import fallback_key

pytestmark = pytest.mark.anyio

ADA, BOB = 815_202_601, 815_202_602
GROUP = -100_815
TABLES = ("approvals", "controls", "dead", "live", "moved", "sending")


def asks(text: str, turn: int) -> list[object]:
    if "pay" not in text:
        return [f"{turn}: {text}"]
    return [Content.from_function_approval_request("1", Content.from_function_call("c", "pay", arguments="{}"))]


async def naming(store, person: int) -> set[str]:
    """Return the tables with a record that names a person."""
    return {table for table in TABLES for key, stored in await store.scan(table) if str(person) in f"{key} {stored}"}


@asynccontextmanager
async def kept_in(state):
    store = DiskStore(str(state / "sessions"))
    await store.open()
    try:
        yield StoreNamespace(store, "telegram")
    finally:
        await store.close()


@pytest.mark.requirement("telegram.forget")
async def test_a_stopped_host_forgets_a_person_in_every_table(api, talker, serving, soon, idle, tmp_path) -> None:
    state = tmp_path / "state"

    async def never(_: object) -> None:
        await asyncio.Event().wait()

    commands = [ChannelCommand("never", "Never ends", never)]
    async with serving(api, talker(asks), host_options={"state_dir": state}, commands=commands) as hosted:
        for user in (ADA, BOB):
            await api.people.say("pay", user=user)
            await soon(api.until(lambda user=user: len(api.shown(user)) == 1))
            await api.people.say("pay @fake_bot", user=user, chat=GROUP)
            await api.people.say("/never", user=user)
        await soon(api.until(lambda: len(api.shown(GROUP)) == 2))
        api.world.blocked |= {ADA, BOB}
        for user in (ADA, BOB):
            await hosted.host.deliver("news", ResponseTarget.identity(ChannelIdentity("telegram", str(user))))
        await soon(api.until(lambda: sum(each["chat_id"] in (ADA, BOB) for each in api.calls("sendMessage")) >= 4))
        await idle(hosted)
    async with kept_in(state) as store:
        notice = fallback_key({"channel": "telegram", "native_id": str(ADA), "attributes": {}}, "sorry")
        left = [Insert("live", f"{ADA} {ADA}", "{}"), Insert("sending", notice, '{"at":1.0}')]
        await store.commit(left)
        assert await naming(store, ADA) == {"approvals", "controls", "dead", "live", "sending"}
        before = {table: await store.scan(table) for table in TABLES}
        await TelegramChannel(bot_token=api.token).forget([ChannelIdentity("telegram", str(ADA))], store)
        assert await naming(store, ADA) == set()
        assert await naming(store, BOB) == {"approvals", "controls", "dead"}
        assert len(await store.scan("controls")) == len(before["controls"])
        of_bob = [row for row in before["approvals"] if json.loads(row[1])["user"] == str(BOB)]
        assert await store.scan("approvals") == of_bob


@pytest.mark.requirement("telegram.forget")
async def test_a_running_bot_forgets_what_it_remembers(api, talker, serving, soon, idle) -> None:
    agent = talker()
    async with serving(api, agent, group_context=5) as hosted:
        hosted.channel.accept_in_group = "mentions"
        await api.people.say("hello", user=ADA)
        await soon(api.until(lambda: api.texts(ADA) == ["1: hello"]))
        await api.people.say("mine alone", user=ADA, chat=GROUP)
        await api.people.say("for all", user=BOB, chat=GROUP)
        api.world.blocked.add(ADA)
        ada = ChannelIdentity("telegram", str(ADA))
        for calls in (2, 2, 3):
            if calls == 3:
                await hosted.channel.forget([ada], MemoryStore())
            await hosted.host.deliver("news", ResponseTarget.identity(ada))
            await idle(hosted)
            assert len(api.calls("sendMessage")) == calls
        await api.people.say("hi @fake_bot", user=BOB, chat=GROUP)
        await soon(api.until(lambda: len(api.texts(GROUP)) == 1))
    assert "for all" in agent.texts[-1]
    assert "mine alone" not in agent.texts[-1]
