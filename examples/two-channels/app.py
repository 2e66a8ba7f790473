"""One agent on two channels; Ada has one memory, whichever she uses."""

from agent_framework import Agent
from model import Offline

from agent_framework_hosting import AgentFrameworkHost, ChannelIdentity
from host_channel_echo import EchoChannel
from host_channel_responses import ResponsesChannel

PEOPLE = {
    ("responses", "key:ada"): "ada",  # the holder of the API key named ada
    ("echo", "ada"): "ada",  # the user the chat platform calls ada
}


async def person(identity: ChannelIdentity) -> str | None:
    """Return whose conversation this is; None leaves it to the host: everyone else has one per channel."""
    return PEOPLE.get((identity.channel, identity.native_id))


agent = Agent(client=Offline(), name="assistant")
host = AgentFrameworkHost(
    agent,
    channels=[
        # A first turn joins the person's one session instead of beginning a thread of its own.
        ResponsesChannel(api_keys={"ada": "ada-secret"}, shared_session=True),
        EchoChannel(),
    ],
    identity_resolver=person,
)
