"""A state directory of the first edition opens and goes on.

``written_by.py`` beside the fixture says how it came to be: hosts with six channels, stopped, damaged and killed.
"""

from __future__ import annotations

import asyncio
import json
import re
import sqlite3
import sys
import tarfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from agent_framework import (
    Agent,
    AgentResponse,
    BaseChatClient,
    ChatResponse,
    ChatResponseUpdate,
    Content,
    FunctionInvocationLayer,
    Message,
    ResponseStream,
    tool,
)
from openai import AsyncOpenAI

from agent_framework_hosting import AgentFrameworkHost, ChannelIdentity, OneTimeCodeLinker, ResponseTarget
from agent_framework_hosting.testing import call, listening
from host_channel_echo import EchoChannel
from host_channel_responses import ResponsesChannel
from host_channel_teams import TeamsChannel
from host_channel_teams.testing import FakeMicrosoft, People, Room
from host_channel_teams.testing.microsoft import TENANT
from host_channel_telegram import TelegramChannel
from host_channel_telegram.testing import FakeBotApi

pytestmark = [pytest.mark.anyio, pytest.mark.requirement("state.upgrade")]

FIXTURE = Path(__file__).parent.parent / "fixtures/state-first-edition"
INTERRUPTED = "Sorry, I was interrupted while I worked on your last message. Please send it again."
ADA = People("ada", TENANT, "aaaaaaaa-0000-0000-0000-000000000001")
CHAT = Room("a:ada", "personal", TENANT)
AGO_SECONDS = 60.0
A_MONTH_AND_MORE = 40 * 86_400.0


class Model(FunctionInvocationLayer, BaseChatClient):
    """Answer ``<number of user messages seen>: <the last one>``, as the first edition's model did."""

    def _inner_get_response(self, *, messages, stream, **_):
        return (
            ResponseStream(self._pieces(messages), finalizer=ChatResponse.from_updates)
            if stream
            else self._all(messages)
        )

    async def _all(self, messages) -> ChatResponse:
        return ChatResponse(messages=[Message("assistant", [self._answer(messages)])])

    async def _pieces(self, messages) -> AsyncIterator[ChatResponseUpdate]:
        yield ChatResponseUpdate(contents=[Content.from_text(self._answer(messages))], role="assistant")

    def _answer(self, messages) -> str:
        if any(content.type == "function_result" for content in messages[-1].contents):
            return "paid"
        users = [message.text for message in messages if message.role == "user"]
        return f"{len(users)}: {users[-1]}"


class Clerk(Agent):
    """Remember under which ids sessions were begun."""

    def __init__(self, paid: list[int]) -> None:
        @tool(approval_mode="always_require")
        def pay(amount: int) -> str:
            """Pay."""
            paid.append(amount)
            return f"{amount} euro"

        super().__init__(client=Model(), name="clerk", tools=[pay])
        self.begun: list[str | None] = []

    def create_session(self, *, session_id: str | None = None):
        self.begun.append(session_id)
        return super().create_session(session_id=session_id)


@dataclass
class Left:
    """What the first edition left, the world around it, and the host that opens it."""

    root: Path
    told: dict[str, Any]
    platform: Any
    telegram: FakeBotApi
    microsoft: FakeMicrosoft
    paid: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.clerk = Clerk(self.paid)
        self.host: AgentFrameworkHost | None = None

    def built(self) -> AgentFrameworkHost:
        """Return a host of today for it, with the channels it had."""
        echo, desk, rooms = EchoChannel(), EchoChannel(), EchoChannel()
        desk.name, desk.path = "desk", "/desk"
        rooms.name, rooms.path = "rooms", "/rooms"
        rooms.conversation_scope = "per_conversation"
        for channel in (echo, desk, rooms):
            channel.accept_in_group = "all"
        api = self.telegram
        channels = [
            *(echo, desk, rooms),
            ResponsesChannel(api_keys={"ada": "ada-secret"}, keep_days=36_500),
            TelegramChannel(bot_token=api.token, api_base_url=api.url, transport="polling", streaming="off"),
            TeamsChannel(**self.microsoft.options, welcome="Welcome!", streaming=False),
        ]
        self.host = AgentFrameworkHost(
            self.clerk,
            channels=channels,
            config={"snapshot_sessions": True},
            state_dir=self.root,
            identity_linker=OneTimeCodeLinker(),
        )
        return self.host

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[AgentFrameworkHost]:
        """Run a host of today on it."""
        async with self.built() as host, asyncio.timeout(40):
            yield host

    async def say(self, text: str, user: str, path: str = "/echo", **fields: object) -> dict[str, Any]:
        sent = {"text": text, "user": user, "callback": self.platform.at(f"up/{user}"), **fields}
        assert self.host is not None
        answer = await call(self.host.app, "POST", path, json_body=sent)
        return json.loads(answer.body)

    async def heard(self, text: str, user: str, path: str = "/echo", **fields: object) -> str:
        """Say something and return the answer's number: how much of the person's words the agent knows."""
        answered = await self.say(text, user, path, **fields)
        number, _, rest = answered["text"].partition(": ")
        assert rest == text
        return number

    async def settled(self) -> None:
        """Wait until nothing is under way."""
        assert self.host is not None
        while True:
            state = json.loads((await call(self.host.app, "GET", "/readiness")).body)
            if state["turns"]["open"] == 0 and state["deliveries"]["pending"] == 0:
                return
            await asyncio.sleep(0.01)  # readiness is asked as an operator would: now and then

    async def operate(self, *arguments: str) -> dict[str, Any]:
        """Run ``agent-host`` on the directory."""
        command = [sys.executable, "-m", "agent_host", *arguments, "--state-dir", str(self.root), "--json"]
        process = await asyncio.create_subprocess_exec(
            *command, cwd=self.root.parent, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        async with asyncio.timeout(60):
            out, err = await process.communicate()
        assert process.returncode == 0, err.decode()
        return json.loads(out)

    def finals(self, path: str) -> list[str]:
        return [post.text for post in self.platform.posts if post.path == path and post.body["state"] == "final"]


@pytest.fixture
async def left(tmp_path: Path, platform) -> AsyncIterator[Left]:
    root, told = tmp_path / "state", json.loads((FIXTURE / "told.json").read_text())
    with tarfile.open(FIXTURE / "state.tar.gz") as packed:
        packed.extractall(root, filter="data")
    async with AsyncExitStack() as stack:
        telegram = await stack.enter_async_context(FakeBotApi(limited=False))
        telegram.world.chats |= {42, 44, 47, 48}
        microsoft = await stack.enter_async_context(FakeMicrosoft())
        microsoft.connector.rooms.add(CHAT.id)
        addresses = dict.fromkeys(told["platforms"], platform.url) | dict.fromkeys(told["microsofts"], microsoft.url)
        for part in ("runner", "sessions"):
            bring_here(root / part / "cache.db", addresses, told["written_at"])
        yield Left(root, told, platform, telegram, microsoft)


def bring_here(database: Path, addresses: dict[str, str], written_at: float) -> None:
    """Give the platforms their addresses of today, and let all be a minute old: nothing ends by the calendar."""
    later = time.time() - AGO_SECONDS - written_at

    def moved(found: re.Match[str]) -> str:
        at = float(found[0])
        near = written_at - A_MONTH_AND_MORE < at < written_at + A_MONTH_AND_MORE
        return repr(at + later) if near else found[0]

    with closing(sqlite3.connect(database)) as opened, opened:
        for row, text in opened.execute("SELECT rowid, value FROM Cache").fetchall():
            changed = re.sub(r"(?<![\w.-])\d{10}\.\d+(?![\w.-])", moved, text)
            for old, new in addresses.items():
                changed = changed.replace(old, new)
            opened.execute("UPDATE Cache SET value = ? WHERE rowid = ?", (changed, row))


async def test_conversations_go_on(left: Left) -> None:
    async with left.opened():
        assert await left.heard("more", "ada") == "3"
        assert await left.heard("more", "ada", group=True, conversation="team") == "3"
        assert await left.heard("more", "bob", "/rooms", group=True, conversation="lobby") == "4"
        assert await left.heard("more", "rex") == "2"
        assert await left.heard("more", "dora") == "2"
        left.clerk.begun.clear()
        assert await left.heard("afresh", "ria") == "1"
        assert left.clerk.begun == ["echo:ria~1"]  # where a history provider has kept it since the reset
    async with left.opened():
        assert await left.heard("still here", "ada") == "4"


async def test_who_was_linked_is_one_person_and_who_was_unlinked_is_two(left: Left) -> None:
    async with left.opened():
        assert await left.heard("at the desk", "lin-at-desk", "/desk") == "3"
        assert await left.heard("on the phone", "lin") == "4"
        assert await left.heard("alone", "una-at-desk", "/desk") == "1"
        assert await left.heard("alone", "una") == "2"
    (link,) = (await left.operate("links", "list"))["links"]
    accounts = {(each["channel"], each["native_id"]) for each in link["accounts"]}
    assert (link["isolation_key"], accounts) == ("echo:lin", {("echo", "lin"), ("desk", "lin-at-desk")})


async def test_a_link_under_way_is_finished(left: Left) -> None:
    async with left.opened():
        assert await left.heard("hello", "pen") == "1"
        await left.say(f"/link {left.told['code']}", "pen-at-desk", "/desk")
        (question,) = await left.platform.wait_for("up/pen", 1)
        number = re.search(r"/link confirm (\d{4})", question)
        assert number, question
        assert "linked" in (await left.say(f"/link confirm {number[1]}", "pen"))["text"]
        assert await left.heard("me too", "pen-at-desk", "/desk") == "2"


async def test_everybody_is_still_known(left: Left) -> None:
    known = {
        person["isolation_key"] for person in (await left.operate("identities", "list", "--limit", "500"))["people"]
    }
    assert {"echo:ada", "rooms:bob", "echo:lin", "responses:key:ada", "telegram:42"} <= known
    assert f"teams:{TENANT}/{ADA.aad_id}" in known
    async with left.opened() as host:
        (handle,) = await host.deliver("unasked", ResponseTarget.channel("echo"), isolation_key="echo:sue")
        assert await left.platform.wait_for("up/sue", 1) == ["unasked"]
        await left.settled()
        assert await host.durable_task_runner.get(handle) == "succeeded"


async def test_what_was_pending_goes_out_once(left: Left) -> None:
    async with left.opened():
        await left.settled()
    async with left.opened():
        await left.settled()
    assert left.finals("down/pat") == ["1: words of pat"]
    assert left.finals("down/task-back") == ["1: words of task-back"]  # was set aside, and can be read again
    assert left.finals("up/hal") == [INTERRUPTED, "1: waited"]
    assert left.finals("up/sue") == left.finals("refuses/dead-one") == left.finals("down/task-newer") == []
    assert [text[:6] for text in left.telegram.texts(48)] == ["Part 1", "Part 2"]  # what is missing of a long answer
    assert left.telegram.texts(47) == [INTERRUPTED]


async def test_an_event_of_then_is_not_answered_again(left: Left) -> None:
    async with left.opened():
        for user, event in (("sue", "event-of-sue"), ("hal", "event-of-hal"), ("hal", "second-event-of-hal")):
            assert (await left.say("again", user, event_id=event))["outcome"] == "duplicate"
        assert (await left.say("again", "sue", event_id="event-of-today"))["outcome"] == "reply"


async def test_dead_letters_are_listed_and_replayed(left: Left) -> None:
    dead = (await left.operate("deliveries", "list", "--status", "dead"))["deliveries"]
    by_name = {each["native_id"]: each["id"] for each in dead}
    assert sorted(by_name) == ["46", "dead-one", "dead-two"]
    unknown = (await left.operate("deliveries", "list", "--status", "unknown"))["deliveries"]
    assert [each["channel"] for each in unknown] == ["teams"]
    replayed = await left.operate("deliveries", "replay", by_name["dead-one"])
    assert replayed["done"] == [by_name["dead-one"]]
    async with left.opened():
        await left.platform.wait_for("refuses/dead-one", 1)
        await left.settled()
        await left.operate("deliveries", "replay", by_name["dead-two"])
        await left.platform.wait_for("refuses/dead-two", 1)
        await left.settled()
    assert left.finals("refuses/dead-one") == ["1: words of dead-one"]
    assert left.finals("refuses/dead-two") == ["1: words of dead-two"]


async def test_a_finished_turn_is_traced_before_and_after_the_first_start(left: Left) -> None:
    (before,) = (await left.operate("trace", "event-of-sue"))["messages"]
    async with left.opened():
        pass
    (after,) = (await left.operate("trace", left.told["finished"]))["messages"]
    assert (after["turn_id"], after["status"], after["isolation_key"]) == (
        left.told["finished"],
        "answered",
        "echo:sue",
    )
    assert [each["receipt"] for each in after["deliveries"]] == ["receipt-of-sue"]
    assert before == after


async def test_background_runs_are_remembered_and_come_to_their_end(left: Left) -> None:
    runs = left.told["runs"]
    async with left.opened() as host:
        await left.settled()
        ended = {name: await host.get_continuation(runs[name]) for name in ("done", "failed", "running", "queued")}
    assert {name: run and run.status for name, run in ended.items()} == {
        "done": "completed",
        "failed": "failed",
        "running": "failed",
        "queued": "completed",
    }
    assert AgentResponse.from_dict(ended["done"].result).text == "1: done run"
    assert AgentResponse.from_dict(ended["queued"].result).text == "1: queued run"
    assert ended["running"].error == INTERRUPTED


async def test_a_stored_response_is_continued(left: Left) -> None:
    ids = left.told["responses"]
    async with (
        listening(left.built().app) as url,
        AsyncOpenAI(base_url=f"{url}/v1", api_key="ada-secret", max_retries=0) as client,
    ):
        first = await client.responses.retrieve(ids["first"])
        again = await client.responses.create(model="m", input="go on", previous_response_id=ids["second"])
        branch = await client.responses.create(model="m", input="or so", previous_response_id=ids["first"])
        cut_off = await client.responses.retrieve(ids["running"])
    assert first.output_text == "1: remember me"
    assert (again.output_text, branch.output_text) == ("3: go on", "2: or so")
    assert cut_off.status == "failed"


async def test_telegram_goes_on(left: Left) -> None:
    api = left.telegram
    async with left.opened():
        await api.people.say("more", user=42, update_id=910_001)
        await api.until(lambda: "2: more" in api.texts(42))
        await api.people.say("@fake_bot more", user=45, chat=-1001234500, update_id=910_002)
        await api.until(
            lambda: any("2: " in text for text in api.texts(-1001234500))
        )  # the group it was before it moved
        asked = api.people.message("May I pay?", user=44)
        pressed = {"id": "query-1", "from": asked["from"], "message": asked, "chat_instance": "1"}
        api.world.queries["query-1"] = None
        await api.people.update(update_id=910_003, callback_query={**pressed, "data": left.told["telegram_approval"]})
        await api.until(lambda: "paid" in api.texts(44))
    assert left.paid == [7]
    assert not api.calls("setMyCommands")  # the catalogue is known to be published


async def test_teams_goes_on(left: Left) -> None:
    connector, write = left.microsoft.connector, left.microsoft.write

    async def send(activity: dict[str, object]) -> None:
        assert left.host is not None
        answer = await call(
            left.host.app, "POST", "/api/messages", json_body=activity, headers=left.microsoft.headers()
        )
        assert answer.status == 200

    async with left.opened() as host:
        await host.deliver("unasked", ResponseTarget.identity(ChannelIdentity("teams", f"{TENANT}/{ADA.aad_id}")))
        await connector.wait_for(lambda posts: any(post.text == "unasked" for post in posts))
        await send(write.invoke("adaptiveCard/action", left.told["teams_approval"], ADA, CHAT))
        await connector.wait_for(lambda posts: any(post.text == "paid" for post in posts))
        await send(write.activity("installationUpdate", ADA, CHAT, action="add-upgrade"))
        await send(write.message("more", ADA, CHAT))
        posts = await connector.wait_for(lambda posts: any(post.text.endswith(": more") for post in posts))
    assert left.paid == [7]
    assert "Welcome!" not in {post.text for post in posts}  # she was welcomed then
    assert int(posts[-1].text.partition(":")[0]) > 3


@pytest.mark.requirement("records.forgotten")
async def test_who_is_forgotten_leaves_nothing_that_was_written_then(left: Left) -> None:
    bob = "aaaaaaaa-0000-0000-0000-000000000002"
    ids = left.told["responses"].values()
    async with left.opened():
        await left.settled()
        for person in (f"teams:{TENANT}/{bob}", "responses:key:ada"):
            assert (await left.operate("identities", "forget", person, "--yes"))["left"] == []
    state = b"".join(each.read_bytes() for each in left.root.rglob("*") if each.is_file())
    assert not [name for name in (bob, "a:bob", "remember me", *ids) if name.encode() in state]
