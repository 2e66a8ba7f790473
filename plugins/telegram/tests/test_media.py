"""Files in and out."""

from __future__ import annotations

import base64

import pytest
from agent_framework import Content

from host_channel_telegram.testing import Fault

pytestmark = pytest.mark.anyio

PNG = b"\x89PNG\r\n\x1a\n" + b"\x00\xff" * 40
OGG = b"OggS" + b"\x01" * 60


def data_of(content: Content) -> bytes:
    return base64.b64decode(content.uri.partition(",")[2])


@pytest.mark.requirement("telegram.merge", "telegram.media-in")
@pytest.mark.parametrize("transport", ["polling", "webhook"])
async def test_an_album_is_one_turn_with_its_caption(api, talker, serving, soon, transport) -> None:
    agent = talker()
    async with serving(api, agent, transport=transport):
        for number in range(3):
            caption = "three of them" if number == 0 else ""
            await api.people.send("photo", PNG + bytes([number]), caption=caption, media_group_id="album")
        await soon(api.until(lambda: api.texts(42) == ["1: three of them"]))
    contents = agent.heard[0].contents
    assert [content.type for content in contents] == ["text", "data", "data", "data"]
    assert [data_of(content) for content in contents[1:]] == [PNG + bytes([number]) for number in range(3)]
    assert {content.media_type for content in contents[1:]} == {"image/png"}
    assert api.token not in repr([content.to_dict() for content in contents])


@pytest.mark.requirement("telegram.media-in")
@pytest.mark.parametrize("transport", ["polling", "webhook"])
async def test_a_voice_message_reaches_the_agent_as_bytes(api, talker, serving, soon, transport) -> None:
    agent = talker(lambda *_: ["heard"])
    async with serving(api, agent, transport=transport):
        await api.people.send("voice", OGG)
        await soon(api.until(lambda: api.texts(42) == ["heard"]))
    (content,) = agent.heard[0].contents
    assert (content.media_type, data_of(content)) == ("audio/ogg", OGG)


@pytest.mark.requirement("telegram.media-in")
async def test_a_file_that_is_too_large_is_told_to_both_sides(api, talker, serving, soon) -> None:
    agent = talker(lambda *_: ["I see"])
    async with serving(api, agent, max_file_bytes=1_000):
        await api.people.send("document", b"x" * 2_000, caption="read this")
        await soon(api.until(lambda: "I see" in api.texts(42)))
    assert any("I did not read document.bin" in text for text in api.texts(42))
    assert "which is larger than" in agent.texts[0]
    assert api.calls("getFile") == []


@pytest.mark.requirement("telegram.media-in")
async def test_a_file_that_cannot_be_fetched_is_told(api, talker, serving, soon) -> None:
    agent = talker(lambda *_: ["I see"])
    async with serving(api, agent):
        api.fail("getFile", Fault("refuse", 400, "Bad Request: file is too big"))
        await api.people.send("video", b"x" * 2_000)
        await soon(api.until(lambda: "I see" in api.texts(42)))
    assert "too large for me to fetch" in agent.texts[0]


async def test_places_and_people_are_described(api, talker, serving, soon) -> None:
    agent = talker()
    async with serving(api, agent):
        await api.people.say("", location={"latitude": 1.5, "longitude": 2.5})
        await soon(api.until(lambda: api.texts(42) == ["1: [location: 1.5, 2.5]"]))
        await api.people.say("", contact={"first_name": "Ada", "phone_number": "+1"}, user=43)
        await soon(api.until(lambda: api.texts(43) == ["1: [contact: Ada, +1]"]))


async def test_what_others_wrote_is_marked_as_such(api, talker, serving, soon) -> None:
    agent = talker(lambda *_: ["ok"])
    async with serving(api, agent):
        await api.people.say("buy now", forward_origin={"type": "user", "sender_user": {"id": 9, "first_name": "Eve"}})
        await soon(api.until(lambda: len(api.texts(42)) == 1))
        replied = {"message_id": 5, "from": {"id": 9, "first_name": "Eve"}, "text": "the plan"}
        await api.people.say("is it good?", reply_to_message=replied)
        await soon(api.until(lambda: len(api.texts(42)) == 2))
    assert agent.texts[0] == "[Forwarded from Eve:]\nbuy now"
    assert agent.texts[1] == "[In reply to what Eve wrote:]\n> the plan\n\nis it good?"


@pytest.mark.requirement("telegram.media-out")
async def test_pictures_files_and_sound_go_out_in_their_kind(api, talker, serving, soon) -> None:
    def file(data: bytes, media_type: str, name: str) -> Content:
        return Content.from_data(data, media_type, additional_properties={"filename": name})

    answers = {
        "picture": ["Look **here**", file(PNG, "image/png", "a.png")],
        "sound": [file(OGG, "audio/ogg", "a.ogg")],
        "paper": [file(b"%PDF-1", "application/pdf", "a.pdf")],
        "album": ["All of them. " * 90, *[file(PNG + bytes([n]), "image/png", f"{n}.png") for n in range(12)]],
    }
    async with serving(api, talker(lambda text, _: answers[text]), streaming="off"):
        for user, wish in enumerate(answers, 101):
            await api.people.say(wish, user=user)
        await soon(api.until(lambda: len(api.world.messages) == 3 + 13))
    (picture,), (sound,), (paper,) = (api.shown(user) for user in (101, 102, 103))
    assert (picture.kind, picture.text, picture.file) == ("photo", "Look here", PNG)
    assert picture.entities == [{"type": "bold", "offset": 5, "length": 4}]
    assert (sound.kind, sound.file) == ("voice", OGG)
    assert (paper.kind, paper.file) == ("document", b"%PDF-1")
    album = api.shown(104)
    assert [each.kind for each in album] == ["text"] + ["photo"] * 12
    assert [each.file for each in album[1:]] == [PNG + bytes([n]) for n in range(12)]
    assert len({each.album for each in album[1:]}) == 2


@pytest.mark.requirement("telegram.media-out")
async def test_a_picture_that_telegram_refuses_goes_as_a_document(api, talker, serving, soon) -> None:
    async with serving(api, talker(lambda *_: [Content.from_data(PNG, "image/png")])):
        api.fail("sendPhoto", Fault("refuse", 400, "Bad Request: PHOTO_INVALID_DIMENSIONS"))
        await api.people.say("draw")
        await soon(api.until(lambda: [each.kind for each in api.shown(42)] == ["document"]))


@pytest.mark.requirement("telegram.manners")
async def test_a_message_is_acknowledged_by_a_reaction_when_wanted(api, talker, serving, soon) -> None:
    async with serving(api, talker(), ack_reaction="👀"):
        await api.people.say("hello")
        await soon(api.until(lambda: api.texts(42) == ["1: hello"]))
        await soon(api.until(lambda: len(api.calls("setMessageReaction")) == 1))
