"""A model of a few lines, so that the example needs no key."""

import re

from agent_framework import BaseChatClient, ChatResponse, ChatResponseUpdate, Content, Message

NAME = re.compile(r"my name is (\w+)", re.IGNORECASE)


class Offline(BaseChatClient):
    """Remembers a name for as long as it stands in the conversation."""

    def _inner_get_response(self, *, messages, stream, options, **_):
        text = reply([message.text for message in messages if message.role == "user"])

        async def whole():
            return ChatResponse(messages=[Message("assistant", [text])])

        async def words():
            for word in re.findall(r"\S+\s*", text):
                yield ChatResponseUpdate(contents=[Content.from_text(word)], role="assistant")

        return self._build_response_stream(words()) if stream else whole()


def reply(said: list[str]) -> str:
    """Return the answer to the last of a person's messages."""
    names = [found[1] for text in said for found in NAME.finditer(text)]
    if NAME.search(said[-1]):
        return f"Nice to meet you, {names[-1]}."
    return f"You are {names[-1]}." if names else "I do not know you yet."
