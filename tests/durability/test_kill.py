"""kill -9 at every stage, again and again: accepted = answered + apologised + dead letters + unknown."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import sys
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from agent_framework_hosting.delivery.journal import HISTORY, TURNS
from agent_framework_hosting.records import Records
from agent_framework_hosting.state.disk import DiskStore
from agent_framework_hosting.tasks.record import TaskRecord
from agent_framework_hosting.tasks.table import StoredTaskTable

pytestmark = pytest.mark.anyio

ROUNDS = int(os.environ.get("HOST_CORE_KILL_ROUNDS", "200"))
SEED = int(os.environ.get("HOST_CORE_KILL_SEED", "4"))
MESSAGES_A_ROUND = 4
STAGES = [
    "before journal",
    "after journal",
    "mid-run",
    "before send",
    "after echo",
    "after send",
    "in commit",
    "any moment",
]
Messages = list[dict[str, object]]
INTERRUPTED = "Sorry, I was interrupted while I worked on your last message. Please send it again."


@dataclass(slots=True)
class Mortals:
    """The program that forks hosts, and the wire to the one that lives."""

    process: asyncio.subprocess.Process
    http: httpx2.AsyncClient
    pid: int = 0
    port: int = 0

    async def born(self, root: Path, stage: str, count: int) -> None:
        asked = {"root": str(root), "stage": stage, "count": count}
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(asked).encode() + b"\n")
        told = await self.told()
        self.pid, self.port = told["pid"], told["port"]

    async def told(self) -> dict[str, int]:
        assert self.process.stdout is not None
        return json.loads(await self.process.stdout.readline())

    async def send(self, message: dict[str, object]) -> bool:
        """Deliver a message as a platform would; True once the host says that it has it."""
        try:
            channel = "shy" if message["user"] == "u2" else "wire"
            answer = await self.http.post(f"http://127.0.0.1:{self.port}/{channel}", json=message)
        except httpx2.HTTPError:
            return False
        return answer.status_code in (200, 202)

    async def readiness(self) -> dict[str, dict[str, int]] | None:
        try:
            return (await self.http.get(f"http://127.0.0.1:{self.port}/readiness")).json()
        except httpx2.HTTPError:
            return None

    async def at_rest(self) -> bool:
        """Wait until nothing is under way any more; False when the host died before."""
        while (state := await self.readiness()) is not None:
            if state["turns"]["open"] == 0 and state["deliveries"]["pending"] == 0:
                return True
            await asyncio.sleep(0.01)
        return False

    def kill(self, pid: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

    async def dead(self) -> int:
        """Make sure that the host is dead; return the signal it died of."""
        self.kill(self.pid)
        return (await self.told())["signal"]


@asynccontextmanager
async def mortals(platform_url: str) -> AsyncIterator[Mortals]:
    program = Path(__file__).with_name("mortal.py")
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(program), platform_url, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    async with httpx2.AsyncClient(timeout=10) as http:
        yield Mortals(process, http)
    assert process.stdin is not None
    process.stdin.close()
    await process.wait()


async def one_life(
    hosts: Mortals, root: Path, dice: random.Random, waiting: list[dict[str, object]]
) -> tuple[str, int]:
    """Start a host, give it what waits, and see it die; what it did not take is left in ``waiting``."""
    stage = dice.choice(STAGES)
    await hosts.born(root, stage, dice.randint(1, 4 if stage != "in commit" else 14))
    if stage == "any moment":
        asyncio.get_running_loop().call_later(dice.uniform(0.01, 0.15), hosts.kill, hosts.pid)
    taken = await asyncio.gather(*(hosts.send(message) for message in waiting))
    waiting[:] = [message for message, ok in zip(waiting, taken, strict=True) if not ok]
    if await hosts.at_rest():
        stage = "at rest"
    return stage, await hosts.dead()


async def records_of(root: Path) -> tuple[list[TaskRecord], Counter[str]]:
    """Read the deliveries and count turns by status, as an operator would on a stopped host."""
    store = DiskStore(root / "runner")
    await store.open()
    try:
        tasks = list(await StoredTaskTable(store).list(limit=1_000_000))
        turns = Counter([turn.status for table in (TURNS, HISTORY) async for _, turn in Records(store, table).all()])
        return tasks, turns
    finally:
        await store.close()


def messages(number: int, platform) -> Messages:
    """Return a round's messages: one with an echo, one for a shy channel, now and then one nobody takes."""
    texts = [f"m{number}-{each}" for each in range(MESSAGES_A_ROUND)]
    return [
        {"text": text, "user": f"u{each}", "callback": platform.at(text), "echo": each == 0}
        for each, text in enumerate(texts)
    ]


def destination(record: TaskRecord, path_of_receipt: dict[str, str]) -> str:
    """Return the message a delivery belongs to: by its receipt, or by the payload that dead and unknown ones keep."""
    if record.status == "succeeded":
        return path_of_receipt[str(record.receipt)]
    return record.payload["destination"]["attributes"]["callback"].rpartition("/")[2]


def check_one(text: str, posts: list, record: TaskRecord) -> str:
    """Return how a message ended, having made sure that it ended once."""
    answers = [post.text for post in posts if post.body["role"] == "assistant"]
    echoes = [post.text for post in posts if post.body["role"] == "user"]
    assert len(set(answers)) <= 1, (text, answers)
    assert set(echoes) <= {text}
    if max(len(answers), len(echoes)) > 1:
        assert record.maybe_duplicate, (text, posts, record)
    if record.status == "succeeded":
        assert answers, (text, record)
        assert answers[0] == INTERRUPTED or answers[0].endswith(f": {text}")
        return "apologised" if answers[0] == INTERRUPTED else "answered"
    if record.status == "unknown":
        assert len(answers) <= 1, (text, answers)
    return record.status


@pytest.mark.requirement("crash.kill")
@pytest.mark.timeout(600)
async def test_nothing_accepted_is_lost_and_nothing_unflagged_comes_twice(platform, fault, tmp_path: Path) -> None:
    dice, deaths = random.Random(SEED), Counter[str]()  # noqa: S311 - repeatable, not secret
    waiting: Messages = []
    sent: list[str] = []
    async with mortals(platform.url) as hosts:
        for number in range(ROUNDS):
            waiting += messages(number, platform)
            sent += [str(message["text"]) for message in waiting[-MESSAGES_A_ROUND:]]
            if number % 5 == 0:
                platform.always[sent[-1]] = fault(410)
            stage, killed_by = await one_life(hosts, tmp_path, dice, waiting)
            assert killed_by == signal.SIGKILL
            deaths[stage] += 1
        await hosts.born(tmp_path, "never", 0)
        assert all([await hosts.send(message) for message in waiting])
        assert await hosts.at_rest()
        final = await hosts.readiness()
        await hosts.dead()

    tasks, turns = await records_of(tmp_path)
    path_of_receipt = {post.receipt: post.path for post in platform.posts}
    records = {destination(record, path_of_receipt): record for record in tasks}
    assert sorted(records) == sorted(sent)
    assert len(tasks) == len(sent) == sum(turns.values())
    posts = defaultdict(list)
    for post in platform.posts:
        posts[post.path].append(post)
    runs = Counter(post.text for post in posts.pop("ran"))
    assert {text: count for text, count in runs.items() if count > 1} == {}
    ends = Counter(check_one(text, posts[text], records[text]) for text in sent)
    assert set(ends) <= {"answered", "apologised", "dead", "unknown"}
    assert final["turns"]["open"] == final["deliveries"]["pending"] == 0
    repeated = sum(len(got) > 2 or len({post.text for post in got}) < len(got) for got in posts.values())
    sys.stdout.write(f"{ROUNDS} rounds; died {dict(deaths)}; ended {dict(ends)}; repeated and flagged {repeated}\n")
