"""Answers shown while they are written: shape, pace, and one whole answer whatever happens."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from host_channel_teams.testing import Fault, Post


def streaminfo(post: Post) -> dict[str, object]:
    (info,) = [entity for entity in post.body["entities"] if entity["type"] == "streaminfo"]
    return {name: value for name, value in info.items() if name != "type"}


def count(kind: str, number: int):
    return lambda posts: len([post for post in posts if post.kind == kind]) >= number


async def first_words(bot, clock, speaker, ada, chat, text: str = "Hello") -> None:
    """Let the status and one frame through."""
    await bot.send(bot.microsoft.write.message("hi", ada, chat))
    await speaker.started.wait()
    await clock.step(0.25)
    await bot.microsoft.connector.wait_for(count("frame", 1))
    speaker.say(text)
    await clock.step(1.5)
    await bot.microsoft.connector.wait_for(count("frame", 2))


@pytest.mark.anyio
async def test_a_stream_has_a_status_growing_text_and_an_end(run, stepped, clock, speaker, ada, chat) -> None:
    async with run(speaker) as bot, asyncio.timeout(10):
        await first_words(bot, clock, speaker, ada, chat)
        speaker.say(", wor", "ld")
        await clock.step(1.5)
        await stepped.connector.wait_for(count("frame", 3))
        speaker.say("!")
        speaker.done()
        await clock.step(1.5)
        posts = await stepped.connector.wait_for(count("final", 1))
    status, first, second, *_ = posts
    final = posts[-1]
    assert [post.kind for post in posts] in (["frame"] * 3 + ["final"], ["frame"] * 4 + ["final"])
    assert streaminfo(status) == {"streamType": "informative", "streamSequence": 1}
    assert streaminfo(first) == {"streamId": status.id, "streamType": "streaming", "streamSequence": 2}
    assert streaminfo(second) == {"streamId": status.id, "streamType": "streaming", "streamSequence": 3}
    assert streaminfo(final) == {"streamId": status.id, "streamType": "final"}
    assert (status.text, first.text) == ("Working on it…", "Hello")
    assert (second.text, final.text) == ("Hello, world", "Hello, world!")
    assert [post.body["type"] for post in (status, first, final)] == ["typing", "typing", "message"]
    assert all(later.at - earlier.at >= 1.0 for earlier, later in pairwise(posts))
    labels = [entity for entity in final.body["entities"] if entity["type"] == "https://schema.org/Message"]
    assert [label["additionalType"] for label in labels] == [["AIGeneratedContent"]]
    shown = [entity["type"] for post in (status, first, second) for entity in post.body["entities"]]
    assert shown == ["streaminfo"] * 3


@pytest.mark.anyio
async def test_in_real_time_there_is_a_second_between_any_two(run, ada, chat, speaker, microsoft) -> None:
    async with run(speaker, stream_interval_seconds=1.0) as bot, asyncio.timeout(20):
        await bot.send(microsoft.write.message("hi", ada, chat))
        for number in range(3):
            speaker.say(f"word{number} ")
            await microsoft.connector.wait_for(count("frame", number + 1))
        speaker.say("end")
        speaker.done()
        posts = await microsoft.connector.wait_for(count("final", 1))
    assert all(later.at - earlier.at >= 1.0 for earlier, later in pairwise(posts))
    assert [post.text for post in microsoft.connector.messages] == ["word0 word1 word2 end"]
    assert microsoft.connector.asked == len(posts)


@pytest.mark.anyio
async def test_an_answer_that_is_quick_is_one_message(run, stepped, speaker, ada, chat) -> None:
    speaker.say("At once.")
    speaker.done()
    async with run(speaker) as bot, asyncio.timeout(10):
        await bot.send(stepped.write.message("hi", ada, chat))
        (reply,) = await stepped.connector.wait_for_messages(1)
    assert (reply.kind, reply.text) == ("message", "At once.")
    assert len(stepped.connector.posts) == 1


REFUSALS = {
    "exceeded": "Content stream finished due to exceeded streaming time.",
    "not allowed": "Streaming is not allowed for this conversation.",
    "completed": "Content stream is not allowed on an already completed streamed message.",
    "previous": "The streamed content must contain previous text.",
    "size": "Message size too large",
    "unknown": "Something else.",
}


@pytest.mark.requirement("teams.streaming")
@pytest.mark.anyio
@pytest.mark.parametrize("text", REFUSALS.values(), ids=REFUSALS.keys())
@pytest.mark.parametrize("on", ["frame", "final"])
async def test_a_refused_stream_ends_in_one_whole_message(run, stepped, clock, speaker, ada, chat, text, on) -> None:
    async with run(speaker) as bot, asyncio.timeout(10):
        await first_words(bot, clock, speaker, ada, chat)
        stepped.connector.faults.append(Fault(on, 403, "ContentStreamNotAllowed", text))
        speaker.say(" there")
        if on == "frame":
            await clock.step(1.5)
            await stepped.connector.wait_for(lambda _: not stepped.connector.faults)
        speaker.say(", all of you")
        speaker.done()
        if on == "final":
            await clock.step(1.5)
        replies = await stepped.connector.wait_for_messages(1)
    assert [(reply.kind, reply.text) for reply in replies] == [("message", "Hello there, all of you")]


@pytest.mark.anyio
async def test_where_streams_are_not_allowed_none_is_tried_again(run, stepped, clock, speaker, ada, chat) -> None:
    stepped.connector.faults.append(Fault("frame", 403, "ContentStreamNotAllowed", "Streaming is not allowed."))
    async with run(speaker) as bot, asyncio.timeout(10):
        await bot.send(stepped.write.message("hi", ada, chat))
        await clock.step(0.25)
        await stepped.connector.wait_for(lambda _: not stepped.connector.faults)
        speaker.say("one")
        speaker.done()
        await stepped.connector.wait_for_messages(1)
        await bot.send(stepped.write.message("hi", ada, chat))
        speaker.say("two")
        speaker.done()
        await stepped.connector.wait_for_messages(2)
    assert [post.text for post in stepped.connector.messages] == ["one", "two"]
    assert not [post for post in stepped.connector.posts if post.kind == "frame"]


@pytest.mark.anyio
async def test_who_presses_stop_gets_nothing_more(run, stepped, clock, speaker, ada, chat) -> None:
    async with run(speaker) as bot, asyncio.timeout(10):
        await first_words(bot, clock, speaker, ada, chat)
        text = "Content stream was cancelled by user."
        stepped.connector.faults.append(Fault("frame", 403, "ContentStreamNotAllowed", text))
        speaker.say(" there")
        await clock.step(1.5)
        await stepped.connector.wait_for(lambda _: not stepped.connector.faults)
        await bot.send(stepped.write.message("next", ada, chat))
        speaker.say("Fine.")
        speaker.done()
        replies = await stepped.connector.wait_for_messages(1)
    assert [reply.text for reply in replies] == ["Fine."]


@pytest.mark.anyio
async def test_after_two_minutes_the_answer_is_a_message_of_its_own(run, stepped, clock, speaker, ada, chat) -> None:
    async with run(speaker) as bot, asyncio.timeout(10):
        await first_words(bot, clock, speaker, ada, chat)
        clock.advance(119)
        speaker.say(" and more")
        speaker.done()
        (reply,) = await clock.until(stepped.connector.wait_for_messages(1))
    assert (reply.kind, reply.text) == ("message", "Hello and more")
    frames = [post for post in stepped.connector.posts if post.kind == "frame"]
    assert max(post.at for post in frames) - min(post.at for post in frames) < 120


@pytest.mark.anyio
async def test_429_on_a_frame_widens_the_gap_and_on_the_final_waits(run, stepped, clock, speaker, ada, chat) -> None:
    async with run(speaker) as bot, asyncio.timeout(10):
        await first_words(bot, clock, speaker, ada, chat)
        stepped.connector.faults.append(Fault("frame", 429, headers={"Retry-After": "1"}))
        stepped.connector.faults.append(Fault("final", 429, headers={"Retry-After": "0"}))
        speaker.say(" there")
        await clock.step(1.5)
        await stepped.connector.wait_for(lambda _: len(stepped.connector.faults) == 1)
        speaker.say("!")
        speaker.done()
        await clock.step(3)
        (reply,) = await stepped.connector.wait_for_messages(1)
    assert (reply.kind, reply.text) == ("final", "Hello there!")


@pytest.mark.anyio
async def test_a_frame_of_unknown_effect_ends_no_answer(run, stepped, clock, speaker, ada, chat) -> None:
    async with run(speaker) as bot, asyncio.timeout(10):
        await first_words(bot, clock, speaker, ada, chat)
        stepped.connector.faults.append(Fault("frame", 502, applied=True))
        speaker.say(" there")
        await clock.step(1.5)
        await stepped.connector.wait_for(lambda _: not stepped.connector.faults)
        speaker.say("!")
        speaker.done()
        await clock.step(1.5)
        (reply,) = await stepped.connector.wait_for_messages(1)
    assert reply.text == "Hello there!"


@pytest.mark.anyio
async def test_a_final_of_unknown_effect_is_not_sent_again(run, stepped, clock, speaker, ada, chat) -> None:
    async with run(speaker) as bot, asyncio.timeout(10):
        await first_words(bot, clock, speaker, ada, chat)
        stepped.connector.faults.append(Fault("final", 502, applied=True))
        speaker.done()
        await clock.step(1.5)
        await stepped.connector.wait_for_messages(1)
        await bot.send(stepped.write.message("next", ada, chat))
        speaker.say("Next.")
        speaker.done()
        await stepped.connector.wait_for_messages(2)
    assert [post.text for post in stepped.connector.messages] == ["Hello", "Next."]


@pytest.mark.anyio
async def test_an_agent_that_fails_half_way_ends_its_stream_safely(run, stepped, clock, speaker, ada, chat) -> None:
    async with run(speaker) as bot, asyncio.timeout(10):
        await first_words(bot, clock, speaker, ada, chat)
        speaker.say(RuntimeError("the-secret-reason"))
        await clock.step(1.5)
        (reply,) = await stepped.connector.wait_for_messages(1)
    assert reply.kind == "final"
    assert reply.text.startswith("Hello\n\n")
    assert "the-secret-reason" not in str([post.body for post in stepped.connector.posts])


@pytest.mark.anyio
async def test_no_words_are_one_message_too(run, stepped, clock, speaker, ada, chat) -> None:
    async with run(speaker) as bot, asyncio.timeout(10):
        await bot.send(stepped.write.message("hi", ada, chat))
        await clock.step(0.25)
        await stepped.connector.wait_for(count("frame", 1))
        speaker.done()
        await clock.step(1.5)
        (reply,) = await stepped.connector.wait_for_messages(1)
    assert reply.kind == "final"
    assert reply.text


@pytest.mark.anyio
async def test_a_long_answer_is_streamed_as_far_as_it_goes(run, stepped, clock, speaker, ada, chat) -> None:
    paragraphs = [f"Paragraph {number}. " + "word " * 100 for number in range(120)]
    async with run(speaker) as bot, asyncio.timeout(10):
        await first_words(bot, clock, speaker, ada, chat, "\n\n".join(paragraphs[:40]))
        speaker.say("\n\n" + "\n\n".join(paragraphs[40:]))
        speaker.done()
        await clock.step(1.5)
        posts = await stepped.connector.wait_for(lambda posts: "Paragraph 119" in posts[-1].text)
    finals = [post for post in posts if post.kind == "final"]
    told = " ".join(post.text for post in stepped.connector.messages)
    assert len(finals) == 1
    assert told.split() == "\n\n".join(paragraphs).split()
    assert max(len(post.text.encode()) for post in posts) <= 24 * 1024
