"""The contract kit notices what is wrong with a channel: a sound one passes, each broken copy fails where it should."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Mapping

import pytest

pytestmark = pytest.mark.slow

SOUND = """
import asyncio, json, uuid
from dataclasses import replace
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route
from agent_framework_hosting import *
from agent_framework_hosting.errors import TurnFailed
from agent_framework_hosting.testing import ChannelContract, WireMessage

class Sound(Channel):
    name, path = "sound", "/sound"

    @hookimpl
    def contribute_routes(self, context):
        self.context = context
        return ChannelContribution([Route("/", self.receive, methods=["POST"])])

    def parse(self, body):
        identity = ChannelIdentity(self.name, body["user"])
        return ChannelRequest(
            self.name, "message.create", body["text"], identity=identity,
            event_id=body.get("event"), stream=body.get("stream", False))

    async def receive(self, http):
        try:
            request = self.parse(await http.json())
        except (ValueError, TypeError, KeyError, RecursionError):
            return JSONResponse({"error": "no message"}, 400)
        return await self.answer(request)

    async def answer(self, request):
        return self.show(await self.context.dispatch(request))

    def show(self, outcome):
        stream = getattr(outcome, "stream", None)
        if stream is not None:
            return StreamingResponse(self.pieces(stream))
        return JSONResponse(outcome.to_public_dict(), outcome.status_code)

    async def pieces(self, stream):
        async with stream:
            try:
                async for update in stream:
                    yield update.text
            except Exception:
                yield "failed"

class Kit(ChannelContract):
    channel = Sound
    def make_channel(self):
        return self.channel()
    def message(self, text, user):
        return WireMessage("POST", "/sound", {"text": text, "user": user})
    def repeatable(self, text, user, event_id):
        return WireMessage("POST", "/sound", {"text": text, "user": user, "event": event_id})
    def streamed(self, text, user):
        return WireMessage("POST", "/sound", {"text": text, "user": user, "stream": True})

class TestSound(Kit):
    pass
"""

BROKEN: Mapping[str, tuple[str, str]] = {
    "KnowsOneName": (
        "test_two_of_it_work_side_by_side_under_two_names",
        """
    def parse(self, body):
        return replace(super().parse(body), channel="sound", identity=ChannelIdentity("sound", body["user"]))
""",
    ),
    "TakesAllForOne": (
        "test_two_users_have_two_conversations",
        """
    def parse(self, body):
        return replace(super().parse(body), identity=ChannelIdentity(self.name, "somebody"))
""",
    ),
    "NamesNobody": (
        "test_two_users_have_two_conversations",
        """
    def parse(self, body):
        return replace(super().parse(body), identity=None)
""",
    ),
    "KnowsNobodyAgain": (
        "test_two_users_have_two_conversations",
        """
    def parse(self, body):
        return replace(super().parse(body), identity=ChannelIdentity(self.name, uuid.uuid4().hex))
""",
    ),
    "WalksPastTheDoor": (
        "test_a_stranger_never_reaches_the_target",
        """
    async def answer(self, request):
        return JSONResponse({"text": (await self.context.target.run(request.input)).text})
""",
    ),
    "ShowsErrors": (
        "test_a_failing_agent_leaks_nothing",
        """
    async def answer(self, request):
        try:
            return JSONResponse({"text": (await self.context.target.run(request.input)).text})
        except Exception as error:
            return JSONResponse({"error": str(error)}, 500)
""",
    ),
    "SaysAllIsWell": (
        "test_a_failing_agent_leaks_nothing",
        """
    def show(self, outcome):
        answer = super().show(outcome)
        answer.status_code = 200
        return answer
""",
    ),
    "ChangesTheText": (
        "test_a_message_reaches_the_target",
        """
    def parse(self, body):
        return replace(super().parse(body), input=f"They said: {body['text']}")
""",
    ),
    "TrustsTheBody": (
        "test_a_malformed_body_is_the_senders_fault",
        """
    async def receive(self, http):
        return await self.answer(self.parse(await http.json()))
""",
    ),
    "MixesPeopleUp": (
        "test_two_at_once_get_each_their_own_answer",
        """
    async def answer(self, request):
        self.outcome = await self.context.dispatch(request)
        await asyncio.sleep(0)
        return self.show(self.outcome)
""",
    ),
    "ForgetsEvents": (
        "test_a_repeated_delivery_is_run_once",
        """
    def parse(self, body):
        return replace(super().parse(body), event_id=None)
""",
    ),
    "SaysWhy": (
        "test_a_stranger_never_reaches_the_target",
        """
    def show(self, outcome):
        if isinstance(outcome, Denied):
            return JSONResponse(outcome.to_public_dict() | {"why": outcome.reason_code}, 403)
        return super().show(outcome)
""",
    ),
    "ExpectsReplies": (
        "test_an_answer_that_goes_elsewhere_is_no_failure",
        """
    def show(self, outcome):
        return super().show(outcome) if outcome.stream else JSONResponse({"text": result_text(outcome.result)})
""",
    ),
    "HidesTheLink": (
        "test_who_must_link_is_shown_how",
        """
    def show(self, outcome):
        if isinstance(outcome, LinkRequired):
            return JSONResponse({"error": "no"}, 403)
        return super().show(outcome)
""",
    ),
    "FailsInACrowd": (
        "test_a_crowd_of_messages_is_answered_or_told_to_come_back",
        """
    def show(self, outcome):
        if isinstance(outcome, Busy):
            return JSONResponse({"error": "busy"}, 503)
        return super().show(outcome)
""",
    ),
    "ReadsOnForNobody": (
        "test_a_client_that_goes_away_in_mid_stream_ends_the_run",
        """
    async def pieces(self, stream):
        text = asyncio.create_task(stream.get_final_response())
        try:
            yield result_text(await asyncio.shield(text))
        except TurnFailed:
            yield "failed"
""",
    ),
    "StreamsTheError": (
        "test_a_failing_agent_leaks_nothing",
        """
    async def pieces(self, stream):
        try:
            async for update in stream:
                yield update.text
        except Exception as error:
            yield str(error.__cause__)
""",
    ),
    "StreamsNothing": (
        "test_a_streamed_answer_arrives_whole",
        """
    async def pieces(self, stream):
        async with stream:
            async for update in stream:
                pass
        yield ""
""",
    ),
    "LivesOnce": (
        "test_the_host_starts_again_after_it_was_closed_and_leaves_nothing_running",
        """
    closed = False
    @hookimpl
    def contribute_routes(self, context):
        def close():
            self.closed = True
        return replace(super().contribute_routes(context), on_shutdown=[close])
    async def answer(self, request):
        return JSONResponse({}, 503) if self.closed else await super().answer(request)
""",
    ),
    "LeavesATask": (
        "test_the_host_starts_again_after_it_was_closed_and_leaves_nothing_running",
        """
    @hookimpl
    def contribute_routes(self, context):
        async def poll():
            self.poller = asyncio.create_task(asyncio.Event().wait())
        return replace(super().contribute_routes(context), on_startup=[poll])
""",
    ),
    "ChokesOnHalfACharacter": (
        "test_an_unusual_text_breaks_nothing",
        """
    def show(self, outcome):
        if outcome.status_code == 200 and outcome.stream is None:
            outcome.result.result.messages[0].text.encode()
        return super().show(outcome)
""",
    ),
    "LivesElsewhere": (
        "test_has_a_name_and_a_path",
        """
    path = "/elsewhere"
""",
    ),
}


@pytest.fixture(scope="module")
def failed(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, set[str]]:
    """Run the contract on the sound channel, and of each broken copy what it breaks; return what failed by copy."""
    source = SOUND
    for name, (_, change) in BROKEN.items():
        source += f"\nclass {name}(Sound):{change}\nclass Test{name}(Kit):\n    channel = {name}\n"
    file = tmp_path_factory.mktemp("kit") / "test_kit.py"
    file.write_text(source)
    tests = ["test_kit.py::TestSound", *(f"test_kit.py::Test{name}::{test}" for name, (test, _) in BROKEN.items())]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--timeout=30", "--rootdir", ".", *tests]
    done = subprocess.run(command, cwd=file.parent, capture_output=True, text=True, check=False, timeout=110)
    found: dict[str, set[str]] = defaultdict(set)
    for copy, test in re.findall(r"^(?:FAILED|ERROR) test_kit\.py::Test(\w+)::(\w+)", done.stdout, re.MULTILINE):
        found[copy].add(test)
    assert re.search(r"\d+ failed, \d+ passed", done.stdout), done.stdout + done.stderr
    return found


@pytest.mark.requirement("authors.contract")
def test_a_sound_channel_passes(failed: Mapping[str, set[str]]) -> None:
    assert failed.get("Sound", set()) == set()


@pytest.mark.requirement("authors.contract")
@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_copy_fails_where_it_is_broken(failed: Mapping[str, set[str]], name: str) -> None:
    assert BROKEN[name][0] in failed.get(name, set())
