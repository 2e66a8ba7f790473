"""An answer while it grows."""

from __future__ import annotations

import asyncio

import pytest

from host_channel_telegram.testing import Fault

pytestmark = pytest.mark.anyio


WORDS = [f"word{number} " for number in range(40)]
ALL = "".join(WORDS).strip()


@pytest.fixture
def once(api, soon):
    """Make a step of a script: wait until something holds at the Bot API."""

    def step(condition):
        return lambda: soon(api.until(condition))

    return step


@pytest.mark.requirement("telegram.streaming")
async def test_a_growing_answer_is_one_message_at_telegrams_pace(api, talker, serving, soon, once) -> None:
    def shown(number: int):
        return once(lambda: any(WORDS[number].strip() in text for text in api.texts(42)))

    script = [*WORDS[:10], shown(9), *WORDS[10:20], shown(19), *WORDS[20:30], shown(29), *WORDS[30:]]
    async with serving(api, talker(lambda *_: script)):
        await api.people.say("count")
        await soon(api.until(lambda: api.texts(42) == [ALL]))
    assert len(api.shown(42)) == 1
    assert len(api.shown(42)[0].history) >= 4
    assert api.limiter.refusals == 0
    assert len(api.calls("sendMessage")) == 1


@pytest.mark.requirement("telegram.floods")
async def test_a_flood_during_the_preview_costs_frames_and_nothing_else(api, talker, serving, soon, once) -> None:
    script = [
        *[*WORDS[:10], once(lambda: bool(api.calls("sendMessage")))],
        *[*WORDS[10:20], once(lambda: bool(api.shown(42)))],
        *[*WORDS[20:25], once(lambda: len(api.calls("editMessageText")) == 1)],
        *[*WORDS[25:30], once(lambda: len(api.calls("editMessageText")) == 2)],
        *WORDS[30:],
    ]
    async with serving(api, talker(lambda *_: script)):
        api.fail("sendMessage", Fault.flood(1))
        api.fail("editMessageText", Fault.flood(2), Fault.flood(1))
        await api.people.say("count")
        await soon(api.until(lambda: api.texts(42) == [ALL]))
    assert len(api.shown(42)) == 1


@pytest.mark.requirement("telegram.streaming")
async def test_a_preview_of_unknown_fate_never_endangers_the_answer(api, talker, serving, soon) -> None:
    hold = asyncio.Event()
    async with serving(api, talker(lambda *_: ["A good beginning of it all", hold, " - done"])):
        api.fail("sendMessage", Fault("apply_then_html"))
        await api.people.say("hello")
        await soon(api.until(lambda: len(api.texts(42)) == 1))
        hold.set()
        await soon(api.until(lambda: "A good beginning of it all - done" in api.texts(42)))
    assert len(api.texts(42)) == 2


@pytest.mark.requirement("telegram.streaming")
async def test_a_preview_that_vanished_is_sent_anew(api, talker, serving, soon) -> None:
    hold = asyncio.Event()
    async with serving(api, talker(lambda *_: ["A good beginning of it all", hold, " - done"])):
        await api.people.say("hello")
        await soon(api.until(lambda: len(api.texts(42)) == 1))
        api.world.messages.clear()
        hold.set()
        await soon(api.until(lambda: api.texts(42) == ["A good beginning of it all - done"]))


@pytest.mark.requirement("telegram.manners")
async def test_typing_is_shown_until_there_is_text(api, talker, serving, soon) -> None:
    hold = asyncio.Event()
    async with serving(api, talker(lambda *_: [hold, "ready"])):
        await api.people.say("think")
        await soon(api.until(lambda: bool(api.calls("sendChatAction"))))
        assert api.texts(42) == []
        hold.set()
        await soon(api.until(lambda: api.texts(42) == ["ready"]))


@pytest.mark.requirement("telegram.stop")
@pytest.mark.parametrize("how", ["command", "button"])
async def test_a_growing_answer_can_be_stopped(api, talker, serving, soon, how) -> None:
    hold = asyncio.Event()
    agent = talker(
        lambda text, turn: ["The beginning of something long", hold, "never"] if text == "go" else [f"{turn}: {text}"]
    )
    async with serving(api, agent, stop_button=how == "button"):
        await api.people.say("go")
        await soon(api.until(lambda: len(api.texts(42)) == 1))
        if how == "command":
            await api.people.say("/stop")
        else:
            await api.people.press(api.shown(42)[0], "Stop")
        await soon(api.until(lambda: api.texts(42) == ["The beginning of something long\n\nStopped."]))
        assert api.shown(42)[0].keyboard is None
        await api.people.say("next")
        await soon(api.until(lambda: any("next" in text for text in api.texts(42))))
        await api.people.say("/stop")
        await soon(api.until(lambda: "There is nothing to stop." in api.texts(42)))


@pytest.mark.requirement("telegram.manners")
async def test_an_error_after_some_text_is_told_in_its_place(api, talker, serving, soon) -> None:
    hold = asyncio.Event()
    async with serving(api, talker(lambda *_: ["The beginning of something", hold, ValueError("inner")])):
        await api.people.say("go")
        await soon(api.until(lambda: len(api.texts(42)) == 1))
        hold.set()
        await soon(api.until(lambda: "went wrong" in api.texts(42)[0]))
    assert api.texts(42)[0].startswith("The beginning of something\n\nSorry")


@pytest.mark.requirement("telegram.drafts")
async def test_drafts_are_used_when_wanted_and_given_up_when_refused(api, talker, serving, soon, once) -> None:
    taken = [*WORDS[:10], once(lambda: bool(api.world.drafts)), *WORDS[10:]]
    refused = [
        *[*WORDS[:10], once(lambda: any(call["chat_id"] == 43 for call in api.calls("sendMessageDraft")))],
        *[*WORDS[10:20], once(lambda: bool(api.shown(43)))],
        *WORDS[20:],
    ]
    async with serving(api, talker(lambda text, _: taken if text == "drafts" else refused), streaming="draft"):
        await api.people.say("drafts")
        await soon(api.until(lambda: api.texts(42) == [ALL]))
        api.fail("sendMessageDraft", Fault("refuse", 404, "Not Found: method not found"))
        await api.people.say("count", user=43)
        await soon(api.until(lambda: api.texts(43) == [ALL]))
    assert len(api.shown(43)[0].history) > 1


@pytest.mark.requirement("telegram.streaming")
async def test_a_slow_preview_is_not_overtaken_by_its_answer(api, talker, serving, soon) -> None:
    hold = asyncio.Event()
    async with serving(api, talker(lambda *_: ["The beginning of something", hold, " - end"])):
        api.fail("sendMessage", Fault("slow", seconds=1.0))
        await api.people.say("go")
        await soon(api.until(lambda: bool(api.calls("sendMessage"))))
        hold.set()
        await soon(api.until(lambda: api.texts(42) == ["The beginning of something - end"]))
