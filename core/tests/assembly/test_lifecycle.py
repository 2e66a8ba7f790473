from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial

import pytest

from agent_framework_hosting.assembly.lifecycle import Member, start_all, stop_all

pytestmark = pytest.mark.anyio


class Log:
    """Callbacks that note when they ran, and fail where told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def __call__(self, name: str, error: BaseException | None = None, *, sync: bool = False) -> Callable[[], object]:
        def note() -> None:
            self.lines.append(name)
            if error is not None:
                raise error

        async def note_later() -> None:
            await asyncio.sleep(0)
            note()

        return partial(note) if sync else note_later

    def member(self, name: str, error: BaseException | None = None, *, sync: bool = False) -> Member:
        return Member(name, [self(f"+{name}", error, sync=sync)], [self(f"-{name}", sync=sync)])


@pytest.fixture
def log() -> Log:
    return Log()


async def test_members_start_in_order_and_stop_in_reverse(log: Log) -> None:
    members = [log.member("a"), log.member("b", sync=True), log.member("c")]
    await start_all(members)
    await stop_all(members)
    assert log.lines == ["+a", "+b", "+c", "-c", "-b", "-a"]


@pytest.mark.requirement("app.lifespan")
async def test_every_callback_runs_although_some_fail_and_the_first_error_is_raised(
    log: Log, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = OSError("first"), ValueError("second")
    with pytest.raises(OSError, match="first") as raised:
        await start_all([log.member("a", first), log.member("b", second, sync=True), log.member("c")])
    assert raised.value is first
    assert log.lines == ["+a", "+b", "+c", "-c"]
    failed = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert [(record.__dict__["channel"], record.exc_info[1]) for record in failed] == [("a", first), ("b", second)]
    assert [record.__dict__["callback"].rpartition(".")[2] for record in failed] == ["note_later", "partial"]
    assert all(record.__dict__["callback"] in record.getMessage() for record in failed)


@pytest.mark.requirement("app.rollback")
async def test_what_had_started_is_undone_in_reverse_order(log: Log) -> None:
    half = Member("half", [log("+half.1"), log("+half.2", OSError())], [log("-half")])
    with pytest.raises(OSError):
        await start_all([log.member("a"), log.member("b"), half, log.member("c", ValueError())])
    assert log.lines == ["+a", "+b", "+half.1", "+half.2", "+c", "-half", "-b", "-a"]


@pytest.mark.requirement("app.rollback")
async def test_a_start_that_is_cancelled_is_undone_too(log: Log) -> None:
    reached = asyncio.Event()

    async def wait() -> None:
        reached.set()
        await asyncio.Event().wait()

    slow = Member("slow", [wait], [log("-slow")])
    starting = asyncio.create_task(start_all([log.member("a"), slow, log.member("b")]))
    await reached.wait()
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert log.lines == ["+a", "-slow", "-a"]


async def test_every_member_is_stopped_although_some_fail(log: Log, caplog: pytest.LogCaptureFixture) -> None:
    members = [
        log.member("a"),
        Member("b", on_shutdown=[log("-b.1", OSError("first")), log("-b.2", ValueError())]),
        Member("c", on_shutdown=[log("-c")]),
    ]
    with pytest.raises(OSError, match="first"):
        await stop_all(members)
    assert log.lines == ["-c", "-b.1", "-b.2", "-a"]
    assert [record.__dict__["channel"] for record in caplog.records] == ["b", "b"]
