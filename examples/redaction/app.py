"""An agent that repeats everything, behind a policy that does not let it."""

from agent_framework import Agent, BaseChatClient, ChatResponse, ChatResponseUpdate, Content, Message
from redaction import Redaction

from agent_framework_hosting import AgentFrameworkHost


class Repeating(BaseChatClient):
    """Says what it heard, and whom to write to; streamed letter by letter."""

    def _inner_get_response(self, *, messages, stream, options, **_):
        text = f"I heard: {messages[-1].text} Questions? Write to office@example.com."

        async def whole():
            return ChatResponse(messages=[Message("assistant", [text])])

        async def letters():
            for letter in text:
                yield ChatResponseUpdate(contents=[Content.from_text(letter)], role="assistant")

        return self._build_response_stream(letters()) if stream else whole()


agent = Agent(client=Repeating(), name="repeating")
host = AgentFrameworkHost(agent, channels=["responses", "echo"], plugins=[Redaction()])
