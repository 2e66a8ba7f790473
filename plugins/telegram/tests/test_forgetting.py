"""A person who is forgotten is in none of the channel's tables, and not in its memory."""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import asynccontextmanager

import pytest
from agent_framework import Content

from agent_framework_hosting import ChannelCommand, ChannelIdentity, DiskStore, ResponseTarget

pytestmark = pytest.mark.anyio

ADA, BOB = 815_202_601, 815_202_602
GROUP = -100_815
TABLES = ("approvals", "controls", "dead", "live", "moved", "sending", "taken")


def asks(text: str, turn: int) -> list[object]:
    if "pay" not in text:
        return [f"{turn}: {text}"]
    return [Content.from_function_approval_request("1", Content.from_function_call("c", "pay", arguments="{}"))]


@asynccontextmanager
async def kept_in(state):
    store = DiskStore(str(state / "runner"))
    await store.open()
    try:
        yield {table: await store.scan(f"of.telegram.{table}") for table in TABLES}
    finally:
        await store.close()


def naming(kept, person: int) -> set[str]:
    """Return the tables with a record that names a person."""
    return {table for table, rows in kept.items() for key, stored in rows if str(person) in f"{key} {stored}"}


async def forget(state, person: int) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "agent_host", "identities", "forget", f"telegram:{person}", "--yes"),
        *("--state-dir", str(state), "--json"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert json.loads(out)["left"] == [], err
    assert process.returncode == 0, err


@pytest.mark.requirement("telegram.forget")
async def test_a_stopped_host_forgets_a_person_in_every_table(api, talker, serving, soon, idle, tmp_path) -> None:
    state = tmp_path / "state"
    acted: list[str] = []

    async def never(command) -> None:
        acted.append(command.request.identity.native_id)
        await asyncio.Event().wait()

    held = asyncio.Event()

    def script(text: str, turn: int) -> list[object]:
        return ["Half of an answer, and", held] if text == "hold" else asks(text, turn)

    commands = [ChannelCommand("never", "Never ends", never)]
    numbers: dict[int, int] = {}
    async with serving(api, talker(script), host_options={"state_dir": state}, commands=commands) as hosted:
        for user in (ADA, BOB):
            await api.people.say("pay", user=user)
            await soon(api.until(lambda user=user: len(api.shown(user)) == 1))
            await api.people.say("pay @fake_bot", user=user, chat=GROUP)
            numbers[user] = await api.people.say("/never", user=user)
        await soon(api.until(lambda: len(api.shown(GROUP)) == 2))
        await api.people.say("hold", user=ADA)
        await soon(api.until(lambda: len(api.shown(ADA)) == 2))
        api.world.blocked |= {ADA, BOB}
        for user in (ADA, BOB):
            await hosted.host.deliver("news", ResponseTarget.identity(ChannelIdentity("telegram", str(user))))
        await soon(api.until(lambda: sum(each["chat_id"] in (ADA, BOB) for each in api.calls("sendMessage")) >= 5))
    async with kept_in(state) as before:
        assert naming(before, ADA) >= {"approvals", "controls", "dead", "live"}
    await forget(state, ADA)
    async with kept_in(state) as after:
        assert naming(after, ADA) == set()
        assert naming(after, BOB) == {"approvals", "controls", "dead"}
        assert after["taken"] == before["taken"]
        assert {json.loads(text)["data"]["user"] for _, text in after["approvals"]} == {str(BOB)}
    api.world.blocked.clear()
    async with serving(api, talker(), host_options={"state_dir": state}, commands=commands):
        await api.people.say("/never", user=ADA, update_id=numbers[ADA])
        await api.people.say("hello", user=ADA)
        await soon(api.until(lambda: "1: hello" in api.texts(ADA)))
    assert acted == [str(ADA), str(BOB)]


@pytest.mark.requirement("telegram.forget")
async def test_a_running_bot_forgets_what_it_remembers(api, talker, serving, soon, idle, tmp_path) -> None:
    agent, state = talker(), tmp_path / "state"
    async with serving(api, agent, group_context=5, host_options={"state_dir": state}) as hosted:
        hosted.channel.accept_in_group = "mentions"
        await api.people.say("hello", user=ADA)
        await soon(api.until(lambda: api.texts(ADA) == ["1: hello"]))
        await api.people.say("mine alone", user=ADA, chat=GROUP)
        await api.people.say("for all", user=BOB, chat=GROUP)
        api.world.blocked.add(ADA)
        ada = ChannelIdentity("telegram", str(ADA))
        for calls in (2, 2, 3):
            if calls == 3:
                await forget(state, ADA)
            await hosted.host.deliver("news", ResponseTarget.identity(ada))
            await idle(hosted)
            assert len(api.calls("sendMessage")) == calls
        await api.people.say("hi @fake_bot", user=BOB, chat=GROUP)
        await soon(api.until(lambda: len(api.texts(GROUP)) == 1))
    assert "for all" in agent.texts[-1]
    assert "mine alone" not in agent.texts[-1]
