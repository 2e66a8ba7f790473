"""Run the fake Microsoft alone: ``python -m host_channel_teams.testing [port]``."""

from __future__ import annotations

import asyncio
import json
import sys

from .microsoft import FakeMicrosoft


async def main(port: int) -> None:
    """Serve until Ctrl-C, after saying what a channel must be told and how to send it a message."""
    async with FakeMicrosoft(port=port) as microsoft:
        print(f"# The fake Microsoft listens at {microsoft.url}. Put this into host.toml:\n[channels.teams]")  # noqa: T201 - a program
        for name, value in microsoft.options.items():
            print(f"{name} = {json.dumps(value)}")  # noqa: T201 - as above
        print(f"# Then: curl -X POST '{microsoft.url}/say?text=hello'", flush=True)  # noqa: T201 - as above
        await asyncio.Event().wait()


try:
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 3979))
except KeyboardInterrupt:
    pass
