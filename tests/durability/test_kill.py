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

from agent_framework_hosting.delivery.journal import turn_codec
from agent_framework_hosting.state.disk import DiskStore
from agent_framework_hosting.tasks.record import TaskRecord
from agent_framework_hosting.tasks.table import TaskTable

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
            answer = await self.http.post(f"http://127.0.0.1:{self.port}/wire", json=message)
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


async def records_of(root: Path) -> tuple[dict[str, TaskRecord], Counter[str]]:
    """Read deliveries by id and count turns by status, as an operator would on a stopped host."""
    store = DiskStore(root / "runner")
    await store.open()
    try:
        tasks = {record.id: record for record in await TaskTable(store).list(limit=1_000_000)}
        turns = Counter([turn_codec.load(text).status for _, text in await store.scan("turns", limit=1_000_000)])
        return tasks, turns
    finally:
        await store.close()


@pytest.mark.requirement("crash.kill")
@pytest.mark.timeout(600)
async def test_nothing_accepted_is_lost_and_nothing_unflagged_comes_twice(platform, tmp_path: Path) -> None:
    dice, deaths = random.Random(SEED), Counter[str]()  # noqa: S311 - repeatable, not secret
    waiting: Messages = []
    sent: list[str] = []
    async with mortals(platform.url) as hosts:
        for number in range(ROUNDS):
            for each in range(MESSAGES_A_ROUND):
                text = f"m{number}-{each}"
                sent.append(text)
                waiting.append({"text": text, "user": f"u{each}", "callback": platform.at(text), "echo": each == 0})
            stage, killed_by = await one_life(hosts, tmp_path, dice, waiting)
            assert killed_by == signal.SIGKILL
            deaths[stage] += 1
        await hosts.born(tmp_path, "never", 0)
        for message in waiting:
            assert await hosts.send(message)
        assert await hosts.at_rest()
        final = await hosts.readiness()
        await hosts.dead()

    tasks, turns = await records_of(tmp_path)
    receipts = {str(record.receipt): record for record in tasks.values() if record.status == "succeeded"}
    ends, doubles = Counter[str](), defaultdict(list)
    runs = Counter(str(post.body["text"]) for post in platform.posts if post.path == "ran")
    for text in sent:
        got = [post for post in platform.posts if post.path == text]
        answers = [post for post in got if post.body["role"] == "assistant"]
        echoes = [post for post in got if post.body["role"] == "user"]
        answered = {post.text for post in answers}
        assert len(answered) == 1, (text, answered)
        ends["apologised" if answered == {INTERRUPTED} else "answered"] += 1
        for kind in (answers, echoes):
            if len(kind) > 1:
                doubles[text] += kind
        (record,) = {receipts[post.receipt].id for post in answers if post.receipt in receipts}
        if len(answers) > 1 or len(echoes) > 1:
            assert tasks[record].maybe_duplicate, (text, got, tasks[record])
    assert [text for text, count in runs.items() if count > 1] == []
    assert ends["answered"] + ends["apologised"] == len(sent) == sum(turns.values())
    assert turns == {"answered": ends["answered"], "failed": ends["apologised"]}
    assert final["turns"]["open"] == 0
    assert all(record.status == "succeeded" for record in tasks.values())
    sys.stdout.write(f"{ROUNDS} rounds; died {dict(deaths)}; ended {dict(ends)}; repeated and flagged {len(doubles)}\n")
