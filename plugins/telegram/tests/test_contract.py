"""The contract every channel keeps, on the webhook's wire; and the few things only Telegram's has."""

from __future__ import annotations

import logging
import socket
import subprocess
import sys
import zlib
from collections.abc import Iterator

import httpx2
import pytest

from agent_framework_hosting import AgentFrameworkHost, Channel, ChannelConfigurationError
from agent_framework_hosting.testing import ChannelContract, EchoAgent, WireMessage
from host_channel_telegram import TelegramChannel

TOKEN = "123456:FAKE-TOKEN-that-must-not-leak"
WEBHOOK = {"transport": "webhook", "webhook_url": "http://127.0.0.1:9/telegram", "webhook_secret": "s"}


@pytest.fixture(scope="module")
def alone() -> Iterator[str]:
    """The fake in a process of its own, as authors run it; its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "host_channel_telegram.testing", "--port", str(port), "--token", TOKEN]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        while "ctl/messages" not in process.stdout.readline():
            pass
        for name in (b"alice", b"bob", b"mallory"):
            opened = httpx2.post(f"http://127.0.0.1:{port}/ctl/open", json={"chat": zlib.crc32(name)})
            assert opened.status_code == 200
        yield f"http://127.0.0.1:{port}"
        assert httpx2.get(f"http://127.0.0.1:{port}/ctl/problems").json() == []
    finally:
        process.kill()
        process.wait()


@pytest.mark.requirement("telegram.fake")
class TestTelegramChannel(ChannelContract):
    answers_inline = False
    numbers = 0

    @pytest.fixture(autouse=True)
    def _platform(self, alone: str) -> None:
        self.base = alone

    def make_channel(self) -> Channel:
        return TelegramChannel(
            bot_token=TOKEN, api_base_url=self.base, streaming="off", merge_quick_messages=False, **WEBHOOK
        )

    def message(self, text: str, user: str) -> WireMessage:
        type(self).numbers += 1
        number = zlib.crc32(user.encode())
        person = {"id": number, "is_bot": False, "first_name": user}
        message = {"message_id": self.numbers, "chat": {"id": number, "type": "private"}, "from": person, "text": text}
        update = {"update_id": self.numbers, "message": message}
        return WireMessage("POST", "/telegram", update, {"x-telegram-bot-api-secret-token": "s"})


@pytest.mark.requirement("telegram.config")
@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"transport": "webhook", "webhook_url": "https://a.example/t"}, "webhook_secret"),
        ({"transport": "webhook", "webhook_url": "https://a.example/t", "webhook_secret": "sp ace"}, "webhook_secret"),
        ({"transport": "webhook", "webhook_secret": "good"}, "webhook_url"),
        ({"transport": "webhook", "webhook_url": "http://a.example/t", "webhook_secret": "good"}, "https"),
        ({"api_base_url": "no address"}, "api_base_url"),
        ({"bot_token": ""}, "bot_token"),
        ({"streaming": "carrier pigeon"}, "streaming"),
    ],
)
def test_options_that_cannot_work_are_refused(options, says) -> None:
    with pytest.raises(ChannelConfigurationError, match=says) as refused:
        TelegramChannel(**{"bot_token": TOKEN, **options})
    assert "FAKE-TOKEN" not in str(refused.value)


@pytest.mark.requirement("telegram.config")
def test_the_channel_is_built_from_a_file(monkeypatch) -> None:
    monkeypatch.setenv("TELEGRAM_BOT_TOKEN", TOKEN)
    config = {"channels": {"telegram": {"bot_token": "env:TELEGRAM_BOT_TOKEN", "allowlist": {"native_ids": ["42"]}}}}
    host = AgentFrameworkHost(EchoAgent(), channels=["telegram"], config=config)
    assert TOKEN not in repr(host)


@pytest.mark.requirement("telegram.token")
@pytest.mark.anyio
@pytest.mark.parametrize("transport", ["polling", "webhook"])
async def test_the_token_appears_nowhere(api, talker, serving, soon, transport, tmp_path, caplog) -> None:
    caplog.set_level(logging.DEBUG)
    agent = talker()
    state = tmp_path / "state"
    async with serving(api, agent, transport=transport, host_options={"state_dir": state}) as hosted:
        await api.people.send("photo", b"\xff\xd8\xff123", caption="look")
        await soon(api.until(lambda: len(api.texts(42)) == 1))
        await api.people.send("document", b"unfetchable")
        api.world.files.clear()
        await soon(api.until(lambda: len(api.texts(42)) == 2))
        readiness = (await hosted.get("/readiness")).text
    secret = api.token.partition(":")[2]
    kept = b"".join(file.read_bytes() for file in state.rglob("*") if file.is_file())
    seen = repr([message.to_dict() for message in agent.heard])
    assert secret not in caplog.text + readiness + seen
    assert secret.encode() not in kept
