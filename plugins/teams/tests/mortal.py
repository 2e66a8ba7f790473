"""A host that a test may kill: serves the agent it is told to, on the port it says, until it dies.

Arguments: the options of the channel as JSON, the state directory, and what the agent does: ``answer`` or ``hold``.
"""

from __future__ import annotations

import asyncio
import json
import sys

import hypercorn.asyncio
from hypercorn.config import Config

from agent_framework_hosting import AgentFrameworkHost
from agent_framework_hosting.testing import EchoAgent
from host_channel_teams import TeamsChannel


async def hold(text: str) -> None:
    print(f"holding {text}", flush=True)  # noqa: T201 - what the test waits for
    await asyncio.Event().wait()


async def main() -> None:
    options, state_dir, does = json.loads(sys.argv[1]), sys.argv[2], sys.argv[3]
    agent = EchoAgent(hold if does == "hold" else None)
    host = AgentFrameworkHost(agent, channels=[TeamsChannel(**options)], config={}, state_dir=state_dir)
    config = Config()
    config.bind = [f"127.0.0.1:{sys.argv[4]}"]
    config.errorlog = None
    print("ready", flush=True)  # noqa: T201 - what the test waits for
    await hypercorn.asyncio.serve(host.app, config)


asyncio.run(main())
