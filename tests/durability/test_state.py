"""The whole host on a state directory that is hostile, taken, read-only, full, or left by an earlier process."""

from __future__ import annotations

import asyncio
import json
import os
import pickle
import resource
import shutil
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Awaitable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from agent_framework import Agent, BaseChatClient, ChatResponse, Message

from agent_framework_hosting import (
    AgentFrameworkHost,
    ChannelIdentity,
    ChannelRequest,
    ChannelSession,
    InProcessTaskRunner,
    ResponseTarget,
    RetryPolicy,
)
from agent_framework_hosting.errors import StateDirectoryInUse, StoreError
from agent_framework_hosting.ports import Put, Write
from agent_framework_hosting.state.disk import DiskStore
from agent_framework_hosting.testing import EchoAgent, InboxChannel, call

pytestmark = pytest.mark.anyio

INSERT = "INSERT INTO Cache(key, raw, store_time, access_time, mode, filename, value) VALUES (?, ?, 0, 0, ?, ?, ?)"


class Trap:
    """Unpickling it leaves a file behind."""

    def __init__(self, mark: Path) -> None:
        self._mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self._mark,)


def to_inbox(text: str, **fields: Any) -> ChannelRequest:
    return ChannelRequest("inbox", "message.create", text, identity=ChannelIdentity("inbox", "alice"), **fields)


async def live_once(root: Path) -> None:
    """Leave a state directory of a host that has served."""
    inbox = InboxChannel()
    async with AgentFrameworkHost(EchoAgent(), channels=[inbox], config=SNAPSHOTS, state_dir=root) as host:
        await inbox.context.admit(to_inbox("hello", event_id="1"))
        await host.run_in_background(to_inbox("behind"))
        await inbox.wait_for(2)


SNAPSHOTS = {"snapshot_sessions": True}
GARBAGE = [
    "",
    "not json",
    "[]",
    "{}",
    "null",
    '{"kind":"turn","v":99,"data":{}}',
    '{"v":1,"key":5}',
    "[" * 5000,
]


async def plant_garbage(root: Path) -> None:
    """Put what no host wrote into every table a host reads."""
    tables = [
        "turns",
        "tasks",
        "events",
        "continuations",
        "tasks.unreadable",
        "identities",
        "links",
        "snapshots",
        "resets",
    ]
    store = DiskStore(root / "runner")
    await store.open()
    writes: list[Write] = [
        Put(table, f"planted-{number}", text) for table in tables for number, text in enumerate(GARBAGE)
    ]
    for table in tables:
        for key, text in await store.scan(table, limit=10):
            if not key.startswith("planted"):
                writes += [Put(table, key, text[:-3]), Put(table, f"{key}x", text.replace("alice", "\ud7ff"))]
    writes += half_right()
    writes.append(Put("snapshots", "inbox:alice\x1f", '{"type": "session", "session_id": 5, "state": [1]}'))
    writes.append(Put("resets", "inbox:alice", "nonsense"))
    await store.commit(writes)
    await store.close()


def half_right() -> list[Write]:
    """Return records in good envelopes with nonsense inside."""
    turn = {"turn_id": "t", "channel": "inbox", "isolation_key": "k", "request": {"input": 5}, "admitted_at": 1.0}
    task = {
        "id": "z",
        "name": "hosting.push",
        "lane": "",
        "status": "pending",
        "attempts": 1,
        "max_attempts": 3,
        "backoff": [0.0, 1.0, 0.0],
        "created": 1.0,
        "next_attempt": 1.0,
        "receipt_json": None,
        "payload_json": {"destination": [], "answer": 3},
        "in_attempt": True,
    }
    return [
        Put("turns", "t", json.dumps({"kind": "turn", "v": 1, "data": turn})),
        Put("tasks", "z", json.dumps({"kind": "task", "v": 1, "data": task})),
    ]


def plant_rows(database: Path, trap: bytes) -> None:
    """Put rows into the database that its library would unpickle."""
    with closing(sqlite3.connect(database)) as connection, connection:
        for table in ("turns", "tasks", "identities", "snapshots"):
            connection.execute(INSERT, (f"{table}\x1fpickled", 1, 4, None, trap))
        connection.execute(INSERT, (trap, 0, 1, None, "text"))


@pytest.mark.requirement("crash.hostile")
async def test_a_hostile_state_directory_runs_nothing_and_the_host_serves(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root, mark = tmp_path / "state", tmp_path / "code-ran"
    trap = pickle.dumps(Trap(mark))
    await live_once(root)
    await plant_garbage(root)
    for part in ("runner", "sessions", "links", "checkpoints"):
        (root / part).mkdir(exist_ok=True)
        for name in ("evil.val", "evil.pkl", "lock.tmp", "owner.pid", "00/11/aa.val"):
            (root / part / name).parent.mkdir(parents=True, exist_ok=True)
            (root / part / name).write_bytes(trap)
    shutil.copy(root / "runner" / "cache.db", root / "sessions" / "cache.db")  # as the first edition left it
    for part in ("runner", "sessions"):
        plant_rows(root / part / "cache.db", trap)
    inbox = InboxChannel()
    async with AgentFrameworkHost(EchoAgent(), channels=[inbox], config=SNAPSHOTS, state_dir=root) as host:
        await inbox.context.admit(to_inbox("still there?", event_id="2"))
        assert (await inbox.wait_for(1))[-1][1].endswith("still there?")
        await host.reset_session("inbox:alice")
        await inbox.context.dispatch(to_inbox("and now?"))
        async with asyncio.timeout(20):
            while True:
                state = (await call(host.app, "GET", "/readiness")).json()
                if state["deliveries"]["pending"] == 0 and state["turns"]["open"] == 0:
                    break
                await asyncio.sleep(0.01)
    assert not mark.exists()
    assert state["status"] == "ready"
    unreadable = [f"{table}.unreadable" for table in ("turns", "tasks", "snapshots", "identities", "links")]
    for named in ("SetAside", *unreadable, "dead letters"):
        assert named in caplog.text, named
    assert "Record planted-0 was set aside in table turns.unreadable" in caplog.text


@pytest.mark.requirement("crash.hostile")
async def test_a_state_directory_of_files_that_are_no_databases(tmp_path: Path) -> None:
    root, mark = tmp_path / "state", tmp_path / "code-ran"
    for part in ("runner", "sessions"):
        (root / part).mkdir(parents=True)
        (root / part / "cache.db").write_bytes(pickle.dumps(Trap(mark)))
    inbox = InboxChannel()
    async with AgentFrameworkHost(EchoAgent(), channels=[inbox], config={}, state_dir=root):
        await inbox.context.admit(to_inbox("hello"))
        assert await inbox.wait_for(1) == [("alice", "1: hello")]
    assert not mark.exists()
    assert sorted(each.name[:9] for each in (root / "runner").glob("cache.db.set-aside*")) == ["cache.db."]


# One owner


@pytest.mark.requirement("crash.owner")
async def test_a_second_host_is_refused_by_pid_until_the_first_is_killed(platform, tmp_path: Path) -> None:
    program = Path(__file__).with_name("mortal.py")
    first = await asyncio.create_subprocess_exec(
        sys.executable, str(program), platform.url, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert first.stdin is not None
    assert first.stdout is not None
    first.stdin.write(json.dumps({"root": str(tmp_path), "stage": "never", "count": 0}).encode() + b"\n")
    told = json.loads(await first.stdout.readline())
    reader, writer = await asyncio.open_connection("127.0.0.1", told["port"])
    writer.write(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
    assert (await reader.readline()).startswith(b"HTTP/1.1 200")
    writer.close()
    second = AgentFrameworkHost(EchoAgent(), channels=[InboxChannel()], config={}, state_dir=tmp_path)
    with pytest.raises(StateDirectoryInUse, match=str(told["pid"])):
        await second.__aenter__()
    os.kill(told["pid"], signal.SIGKILL)
    assert json.loads(await first.stdout.readline()) == {"signal": signal.SIGKILL}
    async with second:
        assert (await call(second.app, "GET", "/readiness")).status == 200
    first.stdin.close()
    await first.wait()


# A disk that takes nothing


@contextmanager
def nothing_can_be_written() -> Iterator[None]:
    """Let the operating system refuse every write to a file, as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.requirement("crash.full-disk")
async def test_a_full_disk_is_a_clear_refusal_and_passes(make_world, platform) -> None:
    async with make_world() as world:
        await world.say("before", event_id="0")
        with nothing_can_be_written():
            refused = await world.say("hello", event_id="1")
            later = await world.say("hello", event_id="2", later=True)
            with pytest.raises(StoreError):
                await world.host.deliver("hello", ResponseTarget.identity(world.address("bob")))
            sick = await call(world.host.app, "GET", "/readiness")
            inline = await world.say("no event")
        well = await call(world.host.app, "GET", "/readiness")
        answered = await world.say("hello", event_id="1")
        accepted = await world.say("hello", event_id="2", later=True)
        counts = await world.settled()
    assert (refused["status"], later["status"]) == (503, 503)
    assert refused["message"] == "The agent cannot take messages right now. Please try again later."
    assert inline["text"] == "2: no event"
    assert sick.status == 503
    assert sick.json()["state"]["faults"]
    assert well.status == 200
    assert (answered["outcome"], accepted["outcome"]) == ("reply", "accepted")
    assert counts["open"] == 0
    assert platform.texts("echo/bob") == []


class SickStore(DiskStore):
    """A disk that refuses commits while ``sick`` is set."""

    sick = False

    async def commit(self, writes: Sequence[Write]) -> None:
        if self.sick:
            raise StoreError("The disk is full.")
        await super().commit(writes)


@pytest.mark.requirement("crash.full-disk")
async def test_a_disk_that_fills_up_during_turns_loses_none_of_them(tmp_path: Path) -> None:
    store, gate, begun = SickStore(tmp_path / "runner"), asyncio.Event(), asyncio.Semaphore(0)

    async def hold(_: str) -> None:
        begun.release()
        await gate.wait()

    inbox = InboxChannel()
    runner = InProcessTaskRunner(store=store, default_retry_policy=RetryPolicy(initial_backoff_seconds=0.0))
    host = AgentFrameworkHost(EchoAgent(hold), channels=[inbox], config={}, durable_task_runner=runner)
    people = ["ann", "bob", "cyd"]
    async with host:
        for who in people:
            await inbox.context.admit(
                ChannelRequest("inbox", "message.create", who, identity=ChannelIdentity("inbox", who))
            )
            await begun.acquire()
        here = asyncio.create_task(inbox.context.dispatch(to_inbox("wire", event_id="w")))
        await begun.acquire()
        store.sick = True
        gate.set()
        shown = await here
        assert inbox.inbox == []
        store.sick = False
        assert sorted(await inbox.wait_for(3)) == [(who, f"1: {who}") for who in people]
        async with asyncio.timeout(20):
            while (state := (await call(host.app, "GET", "/readiness")).json()["turns"])["open"]:
                await asyncio.sleep(0.01)
    assert shown.to_public_dict() == {"outcome": "reply", "text": "1: wire"}
    assert (state["accepted"], state["answered"], state["failed"]) == (4, 4, 0)


@pytest.mark.requirement("crash.ends")
async def test_ends_that_wait_for_the_disk_come_in_order_and_nobody_overtakes_them(tmp_path: Path) -> None:
    people = ["ann", "bob", "cyd", "dan"]
    gates, begun = {who: asyncio.Event() for who in people}, asyncio.Semaphore(0)

    async def hold(text: str) -> None:
        begun.release()
        await gates[text].wait()

    inbox = InboxChannel()
    team = ResponseTarget.identity(ChannelIdentity("inbox", "team"))
    config = {"snapshot_sessions": False}
    async with (
        AgentFrameworkHost(EchoAgent(hold), channels=[inbox], config=config, state_dir=tmp_path / "state") as host,
        asyncio.timeout(60),
    ):

        async def readiness() -> int:
            return (await call(host.app, "GET", "/readiness")).status

        for who in people:
            speaker = ChannelIdentity("inbox", who)
            await inbox.context.admit(
                ChannelRequest("inbox", "message.create", who, identity=speaker, response_target=team)
            )
            await begun.acquire()
        with nothing_can_be_written():
            for who in people[:-1]:
                gates[who].set()
                for _ in range(5):  # asked often enough for the end to have been tried, and tried again
                    while await readiness() != 503:
                        pass
        gates["dan"].set()  # the disk is well again, and the others do not know yet
        arrived = await inbox.wait_for(4)
    assert arrived == [("team", f"1: {who}") for who in people]


# What the next process finds


class Recall(BaseChatClient):
    """A model that answers with everything it is shown."""

    def _inner_get_response(self, *, messages, stream, options, **_: object) -> Awaitable[ChatResponse] | AsyncIterator:
        async def answer() -> ChatResponse:
            return ChatResponse(messages=[Message("assistant", [f"({' '.join(each.text for each in messages)})"])])

        return answer()


async def remembered(root: Path, settings: dict[str, object], **fields: Any) -> str:
    inbox = InboxChannel()
    agent = Agent(client=Recall(), name="recall")
    async with AgentFrameworkHost(agent, channels=[inbox], config=settings, state_dir=root):
        outcome = await inbox.context.dispatch(to_inbox("hi", **fields))
        return str(outcome.to_public_dict()["text"])


@pytest.mark.requirement("crash.memory")
async def test_snapshots_let_memory_go_on_after_a_restart(tmp_path: Path) -> None:
    assert await remembered(tmp_path, SNAPSHOTS) == "(hi)"
    assert await remembered(tmp_path, SNAPSHOTS) == "(hi (hi) hi)"


@pytest.mark.requirement("crash.memory")
async def test_without_them_a_restart_begins_anew_except_in_named_threads(tmp_path: Path) -> None:
    thread, without = {"session": ChannelSession(key="thread-1")}, {"snapshot_sessions": False}
    assert [await remembered(tmp_path, without), await remembered(tmp_path, without)] == ["(hi)", "(hi)"]
    assert await remembered(tmp_path, without, **thread) == "(hi)"
    assert await remembered(tmp_path, without, **thread) == "(hi (hi) hi)"


@pytest.mark.requirement("crash.memory")
async def test_who_is_known_where_survives_a_restart(make_world, platform) -> None:
    async def person(_: ChannelIdentity) -> str:
        return "alice"

    async with make_world(identity_resolver=person) as world:
        await world.say("hello", channel="second")
    async with make_world(identity_resolver=person) as world:
        await world.host.deliver("still here", ResponseTarget.active, isolation_key="alice")
        assert await platform.wait_for("second/alice", 1) == ["still here"]


# Many


@pytest.mark.requirement("crash.many")
async def test_thousands_of_pending_deliveries_after_a_restart_go_out_a_few_at_a_time(
    make_world, platform, fault
) -> None:
    people, each = [str(number) for number in range(200)], [str(number) for number in range(10)]

    async def send_all(world, who: str) -> None:
        for text in each:
            await world.host.deliver(text, ResponseTarget.identity(world.address(who)))

    platform.always = {f"echo/{who}": fault(hangs=True) for who in people}
    async with make_world() as world:
        await asyncio.gather(*(send_all(world, who) for who in people))
        left = world.as_a_crash_would_leave_it()
        platform.released.set()
        await world.settled()
    platform.released, platform.most_at_once = asyncio.Event(), 0
    platform.always = {f"echo/{who}": fault(hangs=True, applies=True) for who in people}
    async with make_world(root=left) as world:
        await platform.until(lambda: platform.most_at_once == 64)
        platform.released.set()
        counts = await world.settled()
    assert counts["succeeded"] >= 1000
    assert {who: platform.texts(f"echo/{who}") for who in people} == dict.fromkeys(people, each)
    assert platform.most_at_once == 64
