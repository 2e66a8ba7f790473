"""kill -9 at every stage of a turn: nothing is lost, nothing runs twice, nothing is shown twice."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from host_channel_telegram.testing import Fault

pytestmark = pytest.mark.anyio

PARTS = 4


@dataclass
class Bot:
    """One bot over its lives."""

    api: object
    state: str
    transport: str
    port: int
    streaming: str
    output: Path

    @asynccontextmanager
    async def life(self) -> AsyncIterator[asyncio.subprocess.Process]:
        """Run until the end of the block, then kill -9."""
        arguments = [self.api.url, self.api.token, self.state, self.transport, str(self.port), self.streaming]
        with self.output.open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                str(Path(__file__).with_name("bot_process.py")),
                *arguments,
                stdin=asyncio.subprocess.PIPE,
                stdout=output,
            )
        try:
            yield process
        finally:
            process.send_signal(signal.SIGKILL)
            await process.wait()

    @property
    def runs(self) -> list[str]:
        return self.output.read_text().splitlines()


BOTH = pytest.mark.parametrize("transport", ["polling", "webhook"])


@pytest.fixture
def transport() -> str:
    return "polling"


@pytest.fixture
def bot(transport, api, tmp_path) -> Bot:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    api.world.chats.add(42)
    return Bot(api, str(tmp_path / "state"), transport, port, "off", tmp_path / "runs")


def confirmed(api, bot) -> bool:
    """Whether the bot has told Telegram that it stored what came."""
    if bot.transport == "webhook":
        return 200 in api.world.webhook.answers
    return any((call.get("offset") or 0) > 500_000 for call in api.calls("getUpdates"))


async def connected(api, bot) -> None:
    await api.until(lambda: bool(api.calls("getUpdates" if bot.transport == "polling" else "setWebhook")))


@pytest.mark.requirement("telegram.kill")
@BOTH
async def test_killed_as_a_message_comes_in(api, bot, soon) -> None:
    async with bot.life():
        await soon(connected(api, bot))
        await api.people.say("first")
    async with bot.life():
        await soon(api.until(lambda: api.texts(42) == ["you said first"]))
        await api.people.say("second")
        await soon(api.until(lambda: api.texts(42) == ["you said first", "you said second"]))
    assert bot.runs == ["ran first", "ran second"]


@pytest.mark.requirement("telegram.kill")
@BOTH
async def test_killed_once_a_message_is_stored(api, bot, soon) -> None:
    async with bot.life():
        await soon(connected(api, bot))
        await api.people.say("first")
        await soon(api.until(lambda: confirmed(api, bot)))
    async with bot.life():
        await soon(api.until(lambda: api.texts(42) == ["you said first"]))
        await api.people.say("second")
        await soon(api.until(lambda: api.texts(42) == ["you said first", "you said second"]))
    assert bot.runs == ["ran first", "ran second"]


@pytest.mark.requirement("telegram.kill")
async def test_killed_while_the_agent_runs(api, bot, soon) -> None:
    bot.streaming = "edit"
    async with bot.life() as process:
        await soon(connected(api, bot))
        await api.people.say("hang on")
        await soon(api.until(lambda: api.texts(42) == ["Half of an answer, and"]))
        process.stdin.write(b"go on\n")
        await soon(api.until(lambda: api.texts(42) == ["Half of an answer, and some more"]))
    async with bot.life():
        await soon(api.until(lambda: "I was interrupted" in "".join(api.texts(42))))
        await api.people.say("second")
        await soon(api.until(lambda: "you said second" in api.texts(42)))
    assert len(api.texts(42)) == 2  # the apology stands where half an answer stood
    assert bot.runs == ["ran hang on", "ran second"]


@pytest.mark.requirement("telegram.kill")
async def test_killed_after_the_first_part_of_an_answer(api, bot, soon) -> None:
    async with bot.life():
        await soon(connected(api, bot))
        await api.people.say("long")
        await soon(api.until(lambda: len(api.calls("sendMessage")) == 2))
    async with bot.life():
        await soon(api.until(lambda: len(api.texts(42)) == PARTS))
        await api.people.say("second")
        await soon(api.until(lambda: "you said second" in api.texts(42)))
    starts = [text.partition(".")[0] for text in api.texts(42)]
    assert sorted(starts[:PARTS]) == [f"Part {number}" for number in range(PARTS)]
    assert bot.runs == ["ran long", "ran second"]


@pytest.mark.requirement("telegram.kill")
async def test_killed_once_everything_was_sent(api, bot, soon) -> None:
    async with bot.life():
        await soon(connected(api, bot))
        await api.people.say("first")
        await soon(api.until(lambda: api.texts(42) == ["you said first"]))
    async with bot.life():
        await api.people.say("second")
        await soon(api.until(lambda: "you said second" in api.texts(42)))
    assert api.texts(42) == ["you said first", "you said second"]
    assert bot.runs == ["ran first", "ran second"]


@pytest.mark.requirement("telegram.kill")
async def test_killed_between_a_send_and_its_receipt(api, bot, soon) -> None:
    api.fail("sendMessage", Fault("slow_answer", seconds=120.0))
    async with bot.life():
        await soon(connected(api, bot))
        await api.people.say("long")
        await soon(api.until(lambda: len(api.texts(42)) == 1))
    async with bot.life():
        await soon(api.until(lambda: len(api.texts(42)) == PARTS))
        await api.people.say("second")
        await soon(api.until(lambda: "you said second" in api.texts(42)))
    assert len(api.texts(42)) == PARTS + 1
    assert bot.runs == ["ran long", "ran second"]


@pytest.mark.requirement("telegram.kill")
async def test_killed_between_preview_and_answer(api, bot, soon) -> None:
    bot.streaming = "edit"
    api.fail("editMessageText", Fault("slow", seconds=120.0))
    async with bot.life():
        await soon(connected(api, bot))
        await api.people.say("long")
        await soon(api.until(lambda: len(api.calls("sendMessage")) == 2 or bool(api.calls("editMessageText"))))
    async with bot.life():
        await soon(api.until(lambda: len(api.texts(42)) >= PARTS))
        await api.people.say("second")
        await soon(api.until(lambda: "you said second" in api.texts(42)))
    starts = [text.partition(".")[0] for text in api.texts(42)]
    assert sorted(starts[:PARTS]) == [f"Part {number}" for number in range(PARTS)]
    assert len(api.texts(42)) == PARTS + 1


@pytest.mark.requirement("telegram.kill")
async def test_killed_after_new_was_stored(api, bot, soon) -> None:
    async with bot.life():
        await soon(connected(api, bot))
        api.fail("sendMessage", Fault("drop"))
        await api.people.say("/new")
        await soon(api.until(lambda: confirmed(api, bot)))
    async with bot.life():
        await api.people.say("second")
        await soon(api.until(lambda: "you said second" in api.texts(42)))
    assert bot.runs == ["ran second"]
