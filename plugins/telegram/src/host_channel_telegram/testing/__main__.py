"""Run the fake alone: ``python -m host_channel_telegram.testing --port 8081``."""

from __future__ import annotations

import argparse
import asyncio

from .server import FakeBotApi


async def _run(token: str, port: int) -> None:
    async with FakeBotApi(token, port=port) as api:
        print(f'api_base_url = "{api.url}"\nbot_token = "{token}"')  # noqa: T201 - what the author copies
        print(f'curl -s {api.url}/ctl/say -d \'{{"text": "hello", "user": 42}}\'')  # noqa: T201
        print(f"curl -s {api.url}/ctl/messages", flush=True)  # noqa: T201
        await asyncio.Event().wait()


def main() -> None:
    """Read the arguments and serve until interrupted."""
    parser = argparse.ArgumentParser(description="A strict, offline Bot API server.")
    parser.add_argument("--token", default="123456:FAKE-TOKEN")
    parser.add_argument("--port", type=int, default=8081)
    given = parser.parse_args()
    try:
        asyncio.run(_run(given.token, given.port))
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
