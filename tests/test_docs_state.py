"""What docs/state.md says of a conversation's memory."""

from __future__ import annotations

from pathlib import Path

import pytest
from agent_framework import Agent, BaseChatClient, ChatResponse, HistoryProvider, Message

pytestmark = pytest.mark.anyio


class Listening(BaseChatClient):
    """Answer with everything that stands in the conversation."""

    def _inner_get_response(self, *, messages, stream, options, **_):
        text = " ".join(message.text for message in messages if message.role == "user")

        async def whole() -> ChatResponse:
            return ChatResponse(messages=[Message("assistant", [text])])

        return whole()


class Pages(HistoryProvider):
    """Keep messages by session id, somewhere that outlives the process."""

    def __init__(self) -> None:
        super().__init__("pages")
        self.pages: dict[str | None, list[Message]] = {}

    async def get_messages(self, session_id, *, state=None, **_):
        return list(self.pages.get(session_id, []))

    async def save_messages(self, session_id, messages, *, state=None, **_):
        self.pages.setdefault(session_id, []).extend(messages)


@pytest.mark.requirement("docs.persists")
@pytest.mark.parametrize(
    ("stores", "snapshots", "remembered"),
    [(False, False, "two"), (False, True, "one two"), (True, False, "one two"), (True, True, "one two")],
)
async def test_a_chat_after_a_restart(hosted, tmp_path: Path, stores: bool, snapshots: bool, remembered: str) -> None:
    pages = Pages()

    def agent() -> Agent:
        return Agent(client=Listening(), context_providers=[pages] if stores else [])

    options = {"config": {"snapshot_sessions": snapshots}, "state_dir": tmp_path}
    async with hosted(agent(), **options) as wires:
        assert await wires.say("one") == "one"
    async with hosted(agent(), **options) as wires:
        assert await wires.say("two") == remembered
        await wires.host.reset_session("echo:ada")
        assert await wires.say("three") == "three"
    assert sorted(map(str, pages.pages)) == (["echo:ada", "echo:ada~1"] if stores else [])


@pytest.mark.requirement("docs.persists")
@pytest.mark.parametrize("stores", [False, True])
async def test_responses_after_a_restart(hosted, tmp_path: Path, stores: bool) -> None:
    pages = Pages()

    def agent() -> Agent:
        return Agent(client=Listening(), context_providers=[pages] if stores else [])

    async with hosted(agent(), state_dir=tmp_path) as wires:
        first = await wires.respond("one")
    async with hosted(agent(), state_dir=tmp_path) as wires:
        left = await wires.respond("two", previous_response_id=first.id)
        right = await wires.respond("three", previous_response_id=first.id)
    assert (left.output_text, right.output_text) == ("one two", "one three")
