from __future__ import annotations

import pytest
from agent_framework import AgentSession

from agent_framework_hosting.cli.demo_agent import answer, demo_agent


@pytest.mark.parametrize(
    ("said", "reply"),
    [
        (["Hello, my name is Ada."], "Nice to meet you, Ada. I will remember your name."),
        (["My name is Ada.", "Who am I?"], "Your name is Ada."),
        (["My name is Ada.", "call me Grace", "what's my name"], "Your name is Grace."),
        (["What is my name?"], "You have not told me your name yet."),
        (["hi there"], "You said: hi there"),
        (["I am called Ada", "hi"], "Ada, you said: hi"),
        ([], "You sent no text."),
    ],
)
def test_the_answer_follows_from_the_conversation(said: list[str], reply: str) -> None:
    assert answer(said) == f"{reply} (message {len(said)} of this conversation)"


@pytest.mark.anyio
async def test_the_agent_keeps_a_conversation_whole_and_streaming() -> None:
    agent = demo_agent()
    session = AgentSession()
    whole = await agent.run("My name is Ada.", session=session)
    assert whole.text.startswith("Nice to meet you, Ada.")
    words = [update.text async for update in agent.run("Who am I?", session=session, stream=True) if update.text]
    assert "".join(words) == "Your name is Ada. (message 2 of this conversation)"
    assert len(words) == 9
