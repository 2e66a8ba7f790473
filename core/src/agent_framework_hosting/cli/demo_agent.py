"""The bundled agent: a real agent around a chat client that needs no network, remembers and streams word by word."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence

from agent_framework import (
    Agent,
    BaseChatClient,
    ChatResponse,
    ChatResponseUpdate,
    Content,
    FunctionInvocationLayer,
    Message,
    ResponseStream,
)

SECONDS_PER_WORD = 0.03
_INTRODUCTION = re.compile(r"\b(?:my name is|call me|i am called)\s+([\w'-]+)", re.IGNORECASE)
_NAME_QUESTION = re.compile(r"\b(?:what(?:'s| is) my name|who am i|(?:know|remember) (?:me|my name))\b", re.IGNORECASE)


def demo_agent() -> Agent:
    """Return the agent ``agent-host demo`` serves."""
    return Agent(client=OfflineChatClient(), name="demo", instructions="Answer offline.")


def answer(said: Sequence[str]) -> str:
    """Return the reply to the last of a person's messages, which are given oldest first."""
    last = said[-1].strip() if said else ""
    names = [found[1] for text in said for found in _INTRODUCTION.finditer(text)]
    if _NAME_QUESTION.search(last):
        reply = f"Your name is {names[-1]}." if names else "You have not told me your name yet."
    elif _INTRODUCTION.search(last):
        reply = f"Nice to meet you, {names[-1]}. I will remember your name."
    elif last:
        reply = f"{f'{names[-1]}, you' if names else 'You'} said: {last}"
    else:
        reply = "You sent no text."
    return f"{reply} (message {len(said)} of this conversation)"


class OfflineChatClient(FunctionInvocationLayer, BaseChatClient):
    """Answer from the conversation alone."""

    OTEL_PROVIDER_NAME = "offline"

    def _inner_get_response(
        self,
        *,
        messages: Sequence[Message],
        stream: bool,
        options: Mapping[str, object],  # noqa: ARG002 - the base class passes it
        **kwargs: object,  # noqa: ARG002 - as above
    ) -> Awaitable[ChatResponse] | ResponseStream[ChatResponseUpdate, ChatResponse]:
        text = answer([message.text for message in messages if message.role == "user"])
        return self._build_response_stream(_words(text)) if stream else _whole(text)


async def _whole(text: str) -> ChatResponse:
    return ChatResponse(messages=Message(role="assistant", contents=[text]), finish_reason="stop", model="offline")


async def _words(text: str) -> AsyncIterator[ChatResponseUpdate]:
    for word in re.findall(r"\S+\s*", text):
        yield ChatResponseUpdate(contents=[Content.from_text(word)], role="assistant", model="offline")
        await asyncio.sleep(SECONDS_PER_WORD)
    yield ChatResponseUpdate(contents=[], role="assistant", finish_reason="stop", model="offline")
