"""A bot in a process of its own, to be killed: answers as the first word of a message says."""

from __future__ import annotations

import asyncio
import sys

from agent_framework import AgentResponse, AgentResponseUpdate, AgentSession, Content, ResponseStream
from hypercorn.asyncio import serve
from hypercorn.config import Config

from agent_framework_hosting import AgentFrameworkHost
from host_channel_telegram import TelegramChannel

LONG = "\n\n".join(f"Part {number}. " + "word " * 700 for number in range(4))


class Agent:
    """``hang`` writes half an answer and never ends, ``long`` fills four messages, anything else is repeated."""

    id = name = description = "agent"

    def run(self, messages=None, *, stream=False, session=None, **_):
        updates = self._updates(messages[-1].text)
        return ResponseStream(updates, finalizer=AgentResponse.from_updates) if stream else self._whole(updates)

    async def _whole(self, updates):
        return AgentResponse.from_updates([update async for update in updates])

    async def _updates(self, said):
        print("ran", said, flush=True)  # noqa: T201 - what the test reads
        yield self._update({"hang": "Half of an answer, and", "long": LONG}.get(said.split()[0], f"you said {said}"))
        if said.startswith("hang"):
            await asyncio.to_thread(sys.stdin.readline)  # until the test has seen the first preview
            yield self._update(" some more")
            await asyncio.Event().wait()

    def _update(self, text):
        return AgentResponseUpdate(contents=[Content.from_text(text)], role="assistant", message_id="m")

    def create_session(self, *, session_id=None):
        return AgentSession(session_id=session_id)

    def get_session(self, service_session_id, *, session_id=None):
        return AgentSession(service_session_id=service_session_id, session_id=session_id)


async def main(base: str, token: str, state: str, transport: str, port: str, streaming: str) -> None:
    options = {"streaming": streaming}
    if transport == "webhook":
        options |= {"webhook_url": f"http://127.0.0.1:{port}/telegram", "webhook_secret": "s", "keep_webhook": True}
    channel = TelegramChannel(bot_token=token, api_base_url=base, transport=transport, typing=False, **options)
    host = AgentFrameworkHost(Agent(), channels=[channel], config={}, state_dir=state)
    config = Config()
    config.bind = [f"127.0.0.1:{port}"]
    config.errorlog = None
    await serve(host.app, config, shutdown_trigger=asyncio.Event().wait)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
