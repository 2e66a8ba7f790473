from __future__ import annotations

import asyncio

import pytest

from host_channel_responses.log import EventLog, LogGone

pytestmark = pytest.mark.anyio


def event(text: str = "") -> dict:
    return {"type": "response.test", "text": text}


async def test_what_waits_is_read_as_one_piece() -> None:
    log = EventLog(10_000)
    reader = log.open()
    log.append([event("a"), event("b")])
    log.append([event("c")])
    piece = await reader.next(1)
    assert piece is not None
    assert piece.count(b"event: response.test\n") == 3
    assert b'"sequence_number":2' in piece


async def test_every_reader_gets_every_event_from_its_place_on() -> None:
    log = EventLog(10_000)
    early = log.open()
    log.append([event("a"), event("b")])
    late = log.reader(0)
    assert late is not None
    waiting = asyncio.create_task(late.next(5))
    log.append([event("c")])
    log.end()
    first, second = await early.next(1), await waiting
    assert first is not None
    assert second is not None
    assert first.endswith(second)
    assert second.count(b"event:") == 2
    assert await early.next(1) is None
    assert early.at_end


async def test_silence_is_an_empty_piece_and_closing_is_the_end() -> None:
    log = EventLog(10_000)
    reader = log.open()
    assert await reader.next(0.001) == b""
    waiting = asyncio.create_task(reader.next(5))
    await asyncio.sleep(0)
    reader.close()
    assert await waiting is None


async def test_the_oldest_go_once_everybody_has_them() -> None:
    log = EventLog(200)
    reader = log.open()
    log.append([event("x" * 100), event("y" * 100)])
    assert log.whole
    assert await reader.next(1)
    log.append([event("z" * 100)])
    assert not log.whole
    assert log.reader(-1) is None
    assert log.reader(len(log) - 2) is not None
    with pytest.raises(LogGone):
        log.frames_from(0)
