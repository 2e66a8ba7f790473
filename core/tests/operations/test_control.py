from __future__ import annotations

import asyncio
import logging
import os
import socket
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from agent_framework_hosting.errors import OperationRefused
from agent_framework_hosting.operations.answers import PeoplePage
from agent_framework_hosting.operations.control import ControlServer
from agent_framework_hosting.operations.desk import Desk
from agent_framework_hosting.operations.requests import ListDeliveries, ListIdentities
from agent_framework_hosting.operations.wire import answer_from_line, request_to_line

pytestmark = [pytest.mark.anyio, pytest.mark.requirement("operator.socket")]


@pytest.fixture
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("c") / "control.sock"


async def asked(place: Path, sent: bytes) -> bytes:
    reader, writer = await asyncio.open_unix_connection(place)
    try:
        writer.write(sent)
        return await asyncio.wait_for(reader.read(), 10)
    finally:
        writer.close()


async def test_it_answers_and_leaves_nothing_behind(bench, place: Path) -> None:
    server = ControlServer(Desk(bench.state), place)
    for _ in range(2):
        await server.open()
        assert stat.S_IMODE(place.stat().st_mode) == 0o600
        answer = await asked(place, request_to_line(ListIdentities()))
        assert answer_from_line(answer, PeoplePage) == PeoplePage([], 0)
        await server.close()
        assert list(place.parent.iterdir()) == []
    await server.close()


@pytest.mark.parametrize("was", ["file", "socket", "link"])
async def test_what_a_dead_process_left_is_replaced(bench, place: Path, was: str) -> None:
    target = place.with_name("target")
    if was == "file":
        place.write_text("x")
    elif was == "socket":
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(place))
    else:
        target.write_text("mine")
        place.symlink_to(target)
    server = ControlServer(Desk(bench.state), place)
    await server.open()
    assert stat.S_ISSOCK(place.lstat().st_mode)
    await server.close()
    assert [each.name for each in place.parent.iterdir()] == (["target"] if was == "link" else [])


async def test_the_socket_of_a_successor_is_left_alone(bench, place: Path) -> None:
    first, second = ControlServer(Desk(bench.state), place), ControlServer(Desk(bench.state), place)
    await first.open()
    await second.open()
    await first.close()
    assert await asked(place, request_to_line(ListIdentities()))
    await second.close()


@pytest.mark.parametrize("fault", ["too long", "a directory", "missing"])
async def test_where_no_socket_can_be_one_warning_says_so(bench, place: Path, fault: str, caplog) -> None:
    match fault:
        case "too long":
            place = place.parent / ("x" * 100) / "control.sock"
        case "a directory":
            (place / "inside").mkdir(parents=True)
        case _:
            place = place.parent / "missing" / "control.sock"
    server = ControlServer(Desk(bench.state), place)
    with caplog.at_level(logging.WARNING):
        await server.open()
    (record,) = caplog.records
    assert "cannot operate this host while it runs" in record.getMessage()
    await server.close()


async def test_a_foreign_runner_s_deliveries_are_not_touched(bench) -> None:
    desk = Desk(replace(bench.state, tasks=None))
    with pytest.raises(OperationRefused, match="tools of that runner"):
        await desk.answer(ListDeliveries())
    assert await desk.answer(ListIdentities()) == PeoplePage([], 0)


async def test_who_says_nothing_disturbs_nobody_and_goes_with_the_server(bench, place: Path) -> None:
    server = ControlServer(Desk(bench.state), place)
    await server.open()
    silent = [await asyncio.open_unix_connection(place) for _ in range(20)]
    answers = await asyncio.gather(*(asked(place, request_to_line(ListIdentities())) for _ in range(20)))
    assert {answer_from_line(answer, PeoplePage).known for answer in answers} == {0}
    async with asyncio.timeout(20):
        await server.close()
    for reader, writer in silent:
        assert await reader.read() == b""
        writer.close()
    assert not os.path.lexists(place)
