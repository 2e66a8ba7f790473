"""One accepted message, told from its admission to its receipt."""

from __future__ import annotations

import pytest

pytestmark = [pytest.mark.anyio, pytest.mark.requirement("operator.trace")]


def told(trace: dict) -> list[str]:
    return [moment["what"] for moment in trace["timeline"]]


async def traced(site, given: str) -> dict:
    (trace,) = (await site.asked("trace", given))["messages"]
    return trace


async def test_an_answered_message_is_found_by_every_id_it_has(site, platform) -> None:
    await site.start()
    accepted = await site.say("hi", callback=platform.callback("ada"), later=True, event_id="event-1")
    await platform.wait_for(1)
    (delivery,) = await site.until(1, "--status", "succeeded")
    trace = await traced(site, accepted["id"])
    assert (trace["status"], trace["channel"], trace["isolation_key"]) == ("answered", "echo", "echo:ada-lovelace-1815")
    assert set(told(trace)) == {
        *("admitted", "allowed as echo:ada-lovelace-1815", "started", "delivery accepted", "answered"),
        *("attempt 1", "delivered, receipt receipt-1"),
    }
    times = [moment["at"] for moment in trace["timeline"]]
    assert times == sorted(times)
    for live in (True, False):
        for given in ("event-1", delivery["id"]):
            assert await traced(site, given) == trace
        if live:
            await site.stop()
    unknown = await site.operate("trace", "nobody-knows")
    assert unknown.code == 1
    assert unknown.err.startswith("Error: No accepted message has the id 'nobody-knows'.")


async def test_a_failed_message_and_its_apology(site, platform) -> None:
    await site.start()
    accepted = await site.say("boom", callback=platform.callback("ada"), later=True)
    await platform.wait_for(1)
    await site.until(1, "--status", "succeeded")
    trace = await traced(site, accepted["id"])
    assert trace["status"] == "failed"
    assert "the agent broke" not in str(trace)
    assert {"started", "failed", "attempt 1"} <= set(told(trace))


async def test_a_message_that_came_twice_is_one_message(site, platform) -> None:
    await site.start()
    first = await site.say("hi", callback=platform.callback("ada"), later=True, event_id="twice")
    again = await site.say("hi", callback=platform.callback("ada"), later=True, event_id="twice")
    assert again["outcome"] == "duplicate"
    await site.until(1, "--status", "succeeded")
    assert (await traced(site, "twice"))["turn_id"] == first["id"]


async def test_each_attempt_is_told_also_those_before_a_replay(site, platform) -> None:
    await site.start()
    platform.refuses = True
    accepted = await site.say("hi", callback=platform.callback("ada"), later=True)
    await site.until(1, "--status", "dead")
    platform.refuses = False
    await site.asked("deliveries", "replay", "--all-dead")
    await site.until(1, "--status", "succeeded")
    trace = await traced(site, accepted["id"])
    assert told(trace)[-3:] == ["attempt 1 failed", "attempt 2", "delivered, receipt receipt-1"]
    shown = await site.operate("trace", accepted["id"])
    assert "attempt 1 failed" in shown.out
    assert "HTTP 403" in shown.out
