"""Dead letters from the command line: of a live host and of a stopped one."""

from __future__ import annotations

import asyncio
import signal

import pytest

pytestmark = pytest.mark.anyio


async def dead_letter(site, platform, text: str = "are you there") -> dict:
    platform.refuses = True
    before = len((await site.asked("deliveries", "list", "--status", "dead"))["deliveries"])
    await site.say(text, callback=platform.callback("ada"), later=True)
    found = await site.until(before + 1, "--status", "dead")
    platform.refuses = False
    return found[-1]


@pytest.mark.requirement("operator.deliveries")
async def test_a_dead_letter_of_a_live_host_is_listed_shown_and_replayed(site, platform) -> None:
    await site.start()
    dead = await dead_letter(site, platform)
    assert (dead["channel"], dead["native_id"], dead["attempts"]) == ("echo", "ada-lovelace-1815", 1)
    assert "HTTP 403" in dead["last_error"]
    shown = await site.asked("deliveries", "show", dead["id"])
    assert shown["payload"]["answer"]
    assert [each["error"] for each in shown["tries"]] == [dead["last_error"]]
    replayed = await site.asked("deliveries", "replay", dead["id"])
    assert replayed == {"done": [dead["id"]], "refused": {}}
    (arrived,) = await platform.wait_for(1)
    assert arrived["text"] == "1: are you there"
    (delivered,) = await site.until(1, "--status", "succeeded")
    assert (delivered["id"], delivered["receipt"]) == (dead["id"], "receipt-1")


@pytest.mark.requirement("operator.deliveries")
async def test_a_dead_letter_of_a_stopped_host_is_replayed_at_its_next_start(site, platform) -> None:
    await site.start()
    dead = await dead_letter(site, platform)
    await site.stop()
    assert [each["id"] for each in await site.until(1, "--status", "dead")] == [dead["id"]]
    replayed = await site.operate("deliveries", "replay", "--all-dead")
    assert (replayed.code, replayed.out) == (0, "1 delivery replayed.\n")
    assert [each["id"] for each in await site.until(1, "--status", "pending")] == [dead["id"]]
    assert platform.finals == []
    await site.start()
    (arrived,) = await platform.wait_for(1)
    assert arrived["text"] == "1: are you there"


@pytest.mark.requirement("operator.deliveries")
async def test_what_is_dropped_or_purged_is_gone(site, platform) -> None:
    await site.start()
    first, second = await dead_letter(site, platform), await dead_letter(site, platform)
    await site.say("fine", callback=platform.callback("ada"), later=True)
    await site.until(1, "--status", "succeeded")
    asked_first = await site.operate("deliveries", "drop", first["id"])
    assert (asked_first.code, "for good?" in asked_first.err) == (1, True)
    assert (await site.asked("deliveries", "drop", first["id"], "--yes"))["done"] == [first["id"]]
    again = await site.operate("deliveries", "drop", first["id"], "--yes")
    assert again.code == 1
    assert f"No delivery {first['id']!r} is known." in again.err
    await site.stop()
    assert await site.asked("deliveries", "purge", "--older-than", "1h", "--yes") == {"removed": 0}
    assert await site.asked("deliveries", "purge", "--status", "dead", "--older-than", "0s", "--yes") == {"removed": 1}
    left = await site.asked("deliveries", "list")
    assert [each["status"] for each in left["deliveries"]] == ["succeeded"]
    assert second["id"] not in str(left)


@pytest.mark.requirement("operator.deliveries")
async def test_filters_and_pages(site, platform) -> None:
    await site.start()
    for who in ("ada", "bob", "cy"):
        for path in ("/echo", "/rooms"):
            await site.say("hello", path, user=who, callback=platform.callback(who), later=True)
    await platform.wait_for(6)
    await site.until(6, "--status", "succeeded")

    async def ids(*arguments: str) -> list[tuple[str, str]]:
        page = await site.asked("deliveries", "list", *arguments)
        return [(each["channel"], each["native_id"]) for each in page["deliveries"]]

    assert await ids("--to", "bob") == [("echo", "bob"), ("rooms", "bob")]
    assert await ids("--channel", "rooms") == [("rooms", "ada"), ("rooms", "bob"), ("rooms", "cy")]
    assert await ids("--status", "dead") == []
    assert len(await ids("--since", "1h")) == 6
    assert await ids("--since", "0s") == []
    page = await site.asked("deliveries", "list", "--limit", "4")
    assert (len(page["deliveries"]), page["more"]) == (4, True)
    rest = await site.asked("deliveries", "list", "--after", page["deliveries"][-1]["id"])
    assert (len(rest["deliveries"]), rest["more"]) == (2, False)


@pytest.mark.requirement("operator.contents")
async def test_contents_and_callbacks_secrets_are_not_in_tables(site, platform) -> None:
    await site.start()
    platform.refuses = True
    answer = await site.say(
        "my little secret", callback=platform.callback("hook-token-4711"), later=True, event_id="e\x1b[2J"
    )
    (dead,) = await site.until(1, "--status", "dead")
    trace = await site.operate("trace", answer["id"])
    for shown in (await site.operate("deliveries", "list"), trace, await site.operate("identities", "list")):
        assert shown.code == 0, shown.err
        assert "ada-lovelace-1815" in shown.out
        assert "little secret" not in shown.out
        assert "\x1b" not in shown.out
    detail = await site.operate("deliveries", "show", dead["id"])
    assert "my little secret" in detail.out
    for shown in (detail, await site.operate("deliveries", "show", dead["id"], "--json")):
        assert "hook-token-4711" not in shown.out


@pytest.mark.requirement("operator.socket")
async def test_operators_at_the_same_time_do_not_disturb_each_other(site, platform) -> None:
    await site.start()
    await dead_letter(site, platform)
    for _ in range(2):
        answers = await asyncio.gather(*(site.operate("deliveries", "list", "--json") for _ in range(4)))
        assert [answer.code for answer in answers] == [0] * 4, [answer.err for answer in answers]
        assert [len(answer.json["deliveries"]) for answer in answers] == [1] * 4
        if site.process is not None:
            await site.stop()  # and once more on its files


@pytest.mark.requirement("operator.deliveries")
async def test_a_killed_host_is_operated_through_its_files(site, platform) -> None:
    await site.start()
    dead = await dead_letter(site, platform)
    await site.stop(signal.SIGKILL)
    assert (site.state / "control.sock").exists()
    assert [each["id"] for each in await site.until(1, "--status", "dead")] == [dead["id"]]
    await site.start()
    assert (await site.asked("deliveries", "replay", "--all-dead", "--channel", "echo"))["done"] == [dead["id"]]
    await platform.wait_for(1)
