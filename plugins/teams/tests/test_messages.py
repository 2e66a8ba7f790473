"""What answers look like in Teams, and what people send along."""

from __future__ import annotations

import asyncio
import base64
import json

import pytest
from agent_framework import AgentResponse, AgentResponseUpdate, Content, Message, ResponseStream
from hypothesis import given
from hypothesis import strategies as st

from agent_framework_hosting.testing import EchoAgent
from host_channel_teams.splitting import for_teams, settled, split

PICTURE = b"\x89PNG\r\n\x1a\nrest"


class Answering(EchoAgent):
    """An agent that always answers with the same contents."""

    def __init__(self, *contents: Content, **extra: object) -> None:
        super().__init__()
        self._contents = list(contents)
        self._extra = extra

    def run(self, messages=None, *, stream=False, session=None, **_):
        self.heard.append(messages[-1] if isinstance(messages, list) else messages)

        async def updates():
            said = {"contents": self._contents, "additional_properties": self._extra}
            yield AgentResponseUpdate(role="assistant", message_id="a", **said)

        async def whole():
            return AgentResponse(messages=[Message("assistant", self._contents)], additional_properties=self._extra)

        return ResponseStream(updates(), finalizer=AgentResponse.from_updates) if stream else whole()


async def answer_to(bot, who, room, **message: object):
    await bot.send(bot.microsoft.write.message("hello", who, room, **message))
    return (await bot.microsoft.connector.wait_for_messages(1))[0].body


def root_of(body: dict[str, object]) -> dict[str, object]:
    (root,) = [entity for entity in body["entities"] if entity["type"] == "https://schema.org/Message"]
    return root


@pytest.mark.anyio
async def test_an_answer_is_labelled_and_asks_for_opinions(run, ada, chat) -> None:
    async with run() as bot, asyncio.timeout(10):
        body = await answer_to(bot, ada, chat)
    assert root_of(body)["additionalType"] == ["AIGeneratedContent"]
    assert body["channelData"]["feedbackLoop"] == {"type": "default"}


@pytest.mark.anyio
async def test_label_and_feedback_can_be_left_out(run, ada, chat) -> None:
    async with run(ai_label=False, feedback="none") as bot, asyncio.timeout(10):
        body = await answer_to(bot, ada, chat)
    assert "entities" not in body
    assert "channelData" not in body


@pytest.mark.anyio
async def test_sources_become_at_most_twenty_citations_in_the_one_label(run, ada, chat) -> None:
    long = {"type": "citation", "snippet": "y" * 300}
    sources = [
        {**long, "title": f"Source {number} " + "x" * 100, "url": f"https://s.example/{number}"} for number in range(25)
    ]
    agent = Answering(Content.from_text("As told in [1].", annotations=[*sources, sources[0]]))
    async with run(agent) as bot, asyncio.timeout(10):
        body = await answer_to(bot, ada, chat)
    cited = root_of(body)["citation"]
    assert [each["position"] for each in cited] == list(range(1, 21))
    assert cited[0]["appearance"]["url"] == "https://s.example/0"
    assert body["text"].startswith("As told in [1]. [2][3]")
    assert body["text"].count("[1]") == 1


@pytest.mark.anyio
@pytest.mark.parametrize("form", ["text", "data"])
async def test_structured_content_becomes_an_adaptive_card(run, ada, chat, form: str) -> None:
    shown = [{"type": "TextBlock", "text": "x"}]
    card = json.dumps({"type": "AdaptiveCard", "version": "1.5", "fallbackText": "A card", "body": shown})
    as_data = Content.from_data(card.encode(), "application/vnd.microsoft.card.adaptive")
    async with run(Answering(Content.from_text(card) if form == "text" else as_data)) as bot, asyncio.timeout(10):
        body = await answer_to(bot, ada, chat)
    (attachment,) = body["attachments"]
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    assert attachment["content"]["body"] == [{"type": "TextBlock", "text": "x"}]
    assert body.get("text", "") == ("A card" if form == "text" else "")


@pytest.mark.anyio
async def test_tags_are_shown_and_mention_nobody(run, ada, chat) -> None:
    agent = Answering(Content.from_text("<at>Bob</at> use `<b>` if 1 < 2\n```html\n<i>\n```\n<script>"))
    async with run(agent) as bot, asyncio.timeout(10):
        body = await answer_to(bot, ada, chat)
    assert body["text"] == "&lt;at>Bob&lt;/at> use `<b>` if 1 < 2\n```html\n<i>\n```\n&lt;script>"


@pytest.mark.anyio
async def test_suggestions_are_for_one_person(run, ada, chat, group, microsoft) -> None:
    agent = Answering(Content.from_text("Pick."), suggested_actions=["Tea", "Coffee"])
    async with run(agent, streaming=False) as bot, asyncio.timeout(10):
        await bot.send(microsoft.write.message("hello", ada, chat))
        await microsoft.connector.wait_for_messages(1)
        await bot.send(microsoft.write.message("hello", ada, group))
        private, public = (post.body for post in await microsoft.connector.wait_for_messages(2))
    assert private["suggestedActions"]["to"] == [ada.account]
    assert [each["value"] for each in private["suggestedActions"]["actions"]] == ["Tea", "Coffee"]
    assert "suggestedActions" not in public


def file_of(microsoft, name: str, url: str | None = None) -> dict[str, object]:
    content = {"downloadUrl": url or f"{microsoft.url}/files/{name}", "uniqueId": "u", "fileType": "txt"}
    return {"contentType": "application/vnd.microsoft.teams.file.download.info", "name": name, "content": content}


@pytest.mark.anyio
async def test_a_file_is_fetched_without_the_bots_token(run, ada, chat, microsoft) -> None:
    microsoft.storage.files["notes.txt"] = b"remember the milk"
    agent = EchoAgent()
    duplicate = {"contentType": "text/html", "content": "<p>hello</p>"}
    async with run(agent) as bot, asyncio.timeout(10):
        await answer_to(bot, ada, chat, attachments=[file_of(microsoft, "notes.txt"), duplicate])
    text, data = agent.heard[0].contents
    assert text.text == "hello"
    assert data.media_type == "text/plain"
    assert base64.b64decode(data.uri.partition(",")[2]) == b"remember the milk"
    assert microsoft.storage.asked == [("GET", "notes.txt", None)]


@pytest.mark.anyio
async def test_a_picture_on_the_connector_is_fetched_with_the_token(run, ada, chat, microsoft) -> None:
    microsoft.storage.files["p.png"] = PICTURE
    agent = EchoAgent()
    picture = {"contentType": "image/*", "contentUrl": f"{microsoft.url}/files/p.png", "name": "p.png"}
    async with run(agent) as bot, asyncio.timeout(10):
        await answer_to(bot, ada, chat, attachments=[picture])
    assert agent.heard[0].contents[1].media_type == "image/png"
    ((_, _, authorization),) = microsoft.storage.asked
    assert authorization == f"Bearer {microsoft.desk.issued[0]}"


@pytest.mark.requirement("teams.files")
@pytest.mark.anyio
@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest",
        "http://127.0.0.1:1/x",
        "https://10.0.0.1/x",
        "https://evil.example/x",
        "file:///etc/passwd",
        "https://x.sharepoint.com.evil.example/x",
        "https://user@contoso.sharepoint.com/x",
        "http://contoso.sharepoint.com/x",
        "https://[::1]/x",
    ],
)
@pytest.mark.parametrize("kind", ["file", "picture"])
async def test_a_file_elsewhere_is_not_fetched(run, ada, chat, microsoft, url: str, kind: str) -> None:
    agent = EchoAgent()
    picture = {"contentType": "image/png", "contentUrl": url, "name": "x"}
    sent = picture if kind == "picture" else file_of(microsoft, "x", url)
    async with run(agent) as bot, asyncio.timeout(10):
        await answer_to(bot, ada, chat, attachments=[sent])
    assert agent.heard[0].contents[1].text == "(The file x is in a place I may not read.)"
    assert microsoft.storage.asked == []


@pytest.mark.anyio
async def test_a_file_too_large_or_redirected_is_not_taken(run, ada, chat, microsoft) -> None:
    microsoft.storage.files["big.txt"] = b"x" * 2000
    agent = EchoAgent()
    async with run(agent, max_file_bytes=1000) as bot, asyncio.timeout(10):
        await answer_to(bot, ada, chat, attachments=[file_of(microsoft, "big.txt")])
        microsoft.storage.redirect = "http://169.254.169.254/"
        await bot.send(microsoft.write.message("again", ada, chat, attachments=[file_of(microsoft, "big.txt")]))
        await microsoft.connector.wait_for_messages(2)
    assert "larger" in agent.heard[0].contents[1].text
    assert "could not be read" in agent.heard[1].contents[1].text


PARTS = ["```python\nx = 1\n", "```\n", "\n\n", "word ", "sentence. ", "日本語。", "🙂", "`a<b>`", "<at>x</at>", "\n"]
TEXTS = st.lists(st.sampled_from(PARTS), max_size=120).map("".join)


@given(TEXTS, st.integers(120, 600))
def test_every_piece_fits_and_no_word_is_lost(text: str, budget: int) -> None:
    pieces = split(text, budget)
    assert all(len(piece.encode()) <= budget + 8 for piece in pieces)
    fences = {"```", "```python"}
    words = [word for word in "\n".join(pieces).split() if word not in fences]
    assert "".join(words) == "".join(word for word in text.split() if word not in fences)


@given(TEXTS, st.integers(0, 2000))
def test_a_growing_text_only_grows_at_its_end(text: str, cut: int) -> None:
    assert for_teams(text).startswith(for_teams(settled(text[:cut])))
