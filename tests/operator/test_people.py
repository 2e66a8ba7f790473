"""Who is known, and how a person is forgotten: no byte of their id is left in the state directory."""

from __future__ import annotations

import re

import pytest

pytestmark = pytest.mark.anyio

ADA, BOB = "ada-lovelace-1815", "bob-the-other-one"


async def busy_day(site, platform) -> str:
    """Let two people use everything that leaves something behind; return the id of a stored response."""
    for user in (ADA, BOB):
        for number in range(3):
            await site.say(f"{user} says {number}", user=user)
        await site.say("in the group", user=user, group=True, conversation="group-7")
        await site.say("in the room", "/rooms", user=user, group=True, conversation="room-9")
        await site.say("boom", user=user, callback=platform.callback(user), later=True, event_id=f"boom of {user}")
        await site.until(1, "--status", "succeeded", "--to", user)
        platform.refuses = True
        await site.say("for later", user=user, callback=platform.callback(user), later=True)
        await site.until(1, "--status", "dead", "--to", user)
        platform.refuses = False
    response = await site.http.post(
        f"{site.url}/v1/responses",
        json={"model": "m", "input": f"I am {ADA}", "store": True},
        headers={"authorization": "Bearer key-of-ada"},
    )
    assert response.status_code == 200, response.text
    return response.json()["id"]


@pytest.mark.requirement("operator.identities")
async def test_who_is_known_where_and_since_when(site, platform) -> None:
    await site.start()
    await busy_day(site, platform)
    for live in (True, False):
        people = (await site.asked("identities", "list"))["people"]
        assert {person["isolation_key"] for person in people} == {
            *(f"echo:{ADA}", f"echo:{BOB}", f"rooms:{ADA}", f"rooms:{BOB}", f"responses:key:{ADA}")
        }
        rooms = await site.asked("identities", "list", "--channel", "rooms", "--limit", "1")
        assert ([person["isolation_key"] for person in rooms["people"]], rooms["known"]) == ([f"rooms:{BOB}"], 2)
        ada = await site.asked("identities", "show", f"echo:{ADA}")
        assert [(each["conversation_id"], each["is_group"]) for each in ada["addresses"]] == [
            (None, False),
            ("group-7", True),
        ]
        assert all(each["since"] <= each["last_seen"] for each in ada["addresses"])
        nobody = await site.operate("identities", "show", "echo:nobody")
        assert (nobody.code, nobody.err) == (
            1,
            "Error: Nobody is known as 'echo:nobody'. See agent-host identities list.\n",
        )
        if live:
            await site.stop()


@pytest.mark.requirement("operator.forget")
@pytest.mark.parametrize("live", [True, False], ids=["live", "stopped"])
async def test_no_byte_of_a_forgotten_person_is_left(site, platform, live: bool) -> None:
    await site.start()
    response_id = await busy_day(site, platform)
    asked = await site.operate("identities", "forget", f"echo:{ADA}")
    assert (asked.code, "for good?" in asked.err) == (1, True)
    if not live:
        await site.stop()
    assert site.files_naming(ADA)
    gone = await site.asked("identities", "forget", f"echo:{ADA}", "--yes")
    assert gone["accounts"] == [{"channel": "echo", "native_id": ADA}]
    assert (gone["deliveries"], gone["left"]) == (2, [])
    gone = await site.asked("identities", "forget", f"rooms:{ADA}", "--yes")
    assert gone["shared_conversations"] == ["rooms:conversation:room-9"]
    await site.asked("identities", "forget", f"responses:key:{ADA}", "--yes")
    if live:
        stored = f"{site.url}/v1/responses/{response_id}"
        assert (await site.http.get(stored, headers={"authorization": "Bearer key-of-ada"})).status_code == 404
        await site.stop()
    assert site.files_naming(ADA) == []
    assert site.files_naming(BOB)
    await site.start()
    assert (await site.say("still here", user=BOB))["text"] == "5: still here"
    room = await site.say("anybody", "/rooms", user=BOB, group=True, conversation="room-9")
    assert room["text"] == "1: anybody"
    assert (await site.say("who am I", user=ADA))["text"] == "1: who am I"
    assert (await site.say("boom", user=ADA, callback=platform.callback(ADA), later=True, event_id=f"boom of {ADA}"))[
        "outcome"
    ] == "accepted"


@pytest.mark.requirement("operator.forget")
async def test_what_only_a_channel_keeps_is_named_when_it_cannot_be_asked(site, platform) -> None:
    await site.start()
    await site.say("hello")
    await site.stop()
    host_toml = site.folder / "host.toml"
    host_toml.write_text('state_dir = ".agent-host"\n')
    gone = await site.operate("identities", "forget", f"echo:{ADA}", "--yes")
    assert gone.code == 1
    assert "host.toml has no table [channels.echo]" in gone.err
    assert site.files_naming(ADA) == []


@pytest.mark.requirement("operator.links")
@pytest.mark.parametrize("live", [True, False], ids=["live", "stopped"])
async def test_a_revoked_link_separates_memory(site, platform, live: bool) -> None:
    (site.folder / "host.toml").unlink()
    await site.start("app:host")
    await link(site, platform)
    assert (await site.say("together", "/desk", user=BOB))["text"] == "1: together"
    assert (await site.say("together", user=ADA))["text"] == "2: together"
    where = ("--state-dir", str(site.state))
    if not live:
        await site.stop()
    links = await site.asked("links", "list", *where)
    assert [(each["isolation_key"], len(each["accounts"])) for each in links["links"]] == [(f"echo:{ADA}", 2)]
    person = await site.asked("identities", "show", f"desk:{BOB}", *where)
    assert person["isolation_key"] == f"echo:{ADA}"
    revoked = await site.asked("links", "revoke", f"desk:{BOB}", "--yes", *where)
    assert {each["channel"] for each in revoked["accounts"]} == {"echo", "desk"}
    assert (await site.asked("links", "list", *where)) == {"links": [], "known": 0}
    again = await site.operate("links", "revoke", f"desk:{BOB}", "--yes", *where)
    assert (again.code, "is linked with nobody" in again.err) == (1, True)
    if not live:
        await site.start("app:host")
    assert (await site.say("alone", "/desk", user=BOB))["text"] == "1: alone"
    assert (await site.say("alone", user=ADA))["text"] == "3: alone"


@pytest.mark.requirement("operator.forget")
async def test_linked_accounts_are_forgotten_together(site, platform) -> None:
    (site.folder / "host.toml").unlink()
    await site.start("app:host")
    await site.say("before", "/desk", user=BOB)
    await link(site, platform)
    await site.say("/link", user=ADA, callback=platform.callback(ADA))  # one more code, which nobody uses
    where = ("--state-dir", str(site.state))
    gone = await site.asked("identities", "forget", f"desk:{BOB}", "--yes", *where)
    assert {each["native_id"] for each in gone["accounts"]} == {ADA, BOB}
    await site.stop()
    assert (site.files_naming(ADA), site.files_naming(BOB)) == ([], [])


async def link(site, platform) -> None:
    def found(pattern: str, text: object) -> str:
        match = re.search(pattern, str(text))
        assert match, text
        return match[1]

    offered = await site.say("/link", user=ADA, callback=platform.callback(ADA))
    code = found(r"([A-Z0-9]{5}-[A-Z0-9]{5})", offered["text"])
    await site.say(f"/link {code}", "/desk", user=BOB, callback=platform.callback(BOB))
    question = (await platform.wait_for(len(platform.finals) or 1))[-1]
    number = found(r"/link confirm (\d{4})", question["text"])
    assert "linked" in (await site.say(f"/link confirm {number}", user=ADA, callback=platform.callback(ADA)))["text"]
