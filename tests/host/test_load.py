"""Two hundred requests at once over twenty conversations, through a real port."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter

import pytest

from agent_framework_hosting import AgentFrameworkHost
from agent_framework_hosting.testing import EchoAgent, call
from host_channel_echo import EchoChannel

pytestmark = pytest.mark.anyio

PEOPLE, MESSAGES = 20, 10


class Watched:
    """Let turns interleave as they like, and notice two of one person at once."""

    def __init__(self) -> None:
        self.running: Counter[str] = Counter()
        self.overlaps = 0
        self.most_at_once = 0
        self.dice = random.Random(7)  # noqa: S311 - not for secrets

    async def __call__(self, text: str) -> None:
        person = text.split(maxsplit=1)[0]
        self.running[person] += 1
        self.overlaps += self.running[person] > 1
        self.most_at_once = max(self.most_at_once, self.running.total())
        for _ in range(self.dice.randrange(1, 20)):
            await asyncio.sleep(0)
        self.running[person] -= 1


@pytest.mark.requirement("authors.load", "sessions.lane", "app.servers")
async def test_no_turn_is_lost_mixed_or_overlapping(server, http) -> None:
    watched = Watched()
    agent = EchoAgent(watched)
    host = AgentFrameworkHost(agent, channels=[EchoChannel()], config={})

    async def ask(url: str, person: int, number: int) -> tuple[int, str]:
        text = f"p{person} says {number}"
        body = {"text": text, "user": f"user {person}", "event_id": f"{person}.{number}"}
        answer = await http.post(f"{url}/echo", json={**body, "stream": number % 2 == 0})
        last = json.loads(answer.text.splitlines()[-1])
        turn, _, said = last["text"].partition(": ")
        assert (last["outcome"], said) == ("reply", text)
        return person, turn

    async with server(host.app) as url:
        asked = [(person, number) for number in range(MESSAGES) for person in range(PEOPLE)]
        answers = await asyncio.gather(*(ask(url, *each) for each in asked))
        turns = (await call(host.app, "GET", "/readiness")).json()["turns"]
    assert Counter(answers) == Counter((person, str(turn)) for person in range(PEOPLE) for turn in range(1, 11))
    assert Counter(agent.texts) == Counter(f"p{person} says {number}" for person, number in asked)
    assert watched.overlaps == 0
    assert watched.most_at_once > 1
    assert {name: turns[name] for name in ("accepted", "answered", "open")} == {
        "accepted": 200,
        "answered": 200,
        "open": 0,
    }


@pytest.mark.requirement("authors.load")
async def test_the_same_event_sent_by_many_at_once_runs_once(server, http) -> None:
    agent = EchoAgent(Watched())
    host = AgentFrameworkHost(agent, channels=[EchoChannel()], config={})
    async with server(host.app) as url:
        body = {"text": "p1 says it", "user": "user 1", "event_id": "e1"}
        answers = await asyncio.gather(*(http.post(f"{url}/echo", json=body) for _ in range(50)))
    assert Counter(answer.json()["outcome"] for answer in answers) == Counter(reply=1, duplicate=49)
    assert agent.texts == ["p1 says it"]
