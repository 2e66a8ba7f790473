"""Who is answered where, and who remembers what."""

from __future__ import annotations

import asyncio

import pytest


@pytest.mark.anyio
async def test_a_personal_message_is_answered_at_the_connector(run, ada, chat) -> None:
    async with run() as bot, asyncio.timeout(10):
        answer = await bot.send(bot.microsoft.write.message("hello", ada, chat))
        assert answer.status == 200
        assert answer.body == b""
        (reply,) = await bot.microsoft.connector.wait_for_messages(1)
    assert reply.room == "a:ada"
    assert reply.text == "1: hello"
    assert reply.authorization.removeprefix("Bearer ") in bot.microsoft.desk.issued
