"""An agent that needs no key: it counts what it was told."""

from agent_framework import Agent, BaseChatClient, ChatResponse, Message


class Counting(BaseChatClient):
    def _inner_get_response(self, *, messages, stream, options, **_):
        heard = [message.text for message in messages if message.role == "user"]

        async def whole():
            return ChatResponse(messages=[Message("assistant", [f"Page {len(heard)} received: {heard[-1]}"])])

        return whole()


agent = Agent(client=Counting(), name="counting")
