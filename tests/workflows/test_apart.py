"""Runs of one workflow never meet."""

from __future__ import annotations

import asyncio

import pytest
from agent_framework import Agent, BaseChatClient, ChatResponse, ChatResponseUpdate, Content, Message, WorkflowBuilder

pytestmark = pytest.mark.anyio

both_ways = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
both_forms = pytest.mark.parametrize("form", ["instance", "factory"])


@both_ways
@both_forms
@pytest.mark.parametrize("kept", [False, True], ids=["unkept", "kept"])
@pytest.mark.requirement("workflows.apart")
async def test_people_who_speak_at_once_see_only_their_own(hosted, workflows, tmp_path, form, kept, stream) -> None:
    options = {"state_dir": tmp_path} if kept else {}
    people = [f"person-{number}" for number in range(12)]
    target = workflows.collector() if form == "instance" else workflows.collector
    async with hosted(target, **options) as wires:
        for turn in range(3):
            answers = await asyncio.gather(*(wires.say(f"{who}/{turn}", user=who, stream=stream) for who in people))
            before = range(turn + 1) if kept else [turn]
            assert answers == [",".join(f"{who}/{one}" for one in before) for who in people]


@both_ways
@both_forms
@pytest.mark.requirement("workflows.apart")
async def test_two_keys_of_the_api_on_one_workflow(hosted, workflows, tmp_path, form, stream) -> None:
    target = workflows.collector() if form == "instance" else workflows.collector
    async with hosted(target, state_dir=tmp_path) as wires:

        async def three_times(who: str) -> str:
            last = await wires.respond(f"{who}0", who=who, stream=stream)
            for turn in (1, 2):
                said = f"{who}{turn}"
                last = await wires.respond(said, who=who, stream=stream, previous_response_id=last.id)
            return last.output_text

        told = await asyncio.gather(three_times("ada"), three_times("grace"))
        assert told == ["ada0,ada1,ada2", "grace0,grace1,grace2"]


class Remembering(BaseChatClient):
    """Answer with everything that stands in the conversation."""

    def _inner_get_response(self, *, messages, stream, options, **_):
        text = " ".join(message.text for message in messages if message.role == "user")

        async def whole() -> ChatResponse:
            return ChatResponse(messages=[Message("assistant", [text])])

        async def pieces():
            for word in text.split(" "):
                await asyncio.sleep(0)
                yield ChatResponseUpdate(contents=[Content.from_text(f"{word} ")], role="assistant", message_id="m")

        return self._build_response_stream(pieces()) if stream else whole()


@both_ways
@both_forms
@pytest.mark.parametrize("kept", [False, True], ids=["unkept", "kept"])
async def test_an_agent_inside_a_workflow_remembers_one_person(hosted, tmp_path, form, kept, stream) -> None:
    def build():
        return WorkflowBuilder(start_executor=Agent(client=Remembering(), name="memory"), name="memory").build()

    people = [f"p{number}" for number in range(6)]
    options = {"state_dir": tmp_path} if kept else {}
    async with hosted(build() if form == "instance" else build, **options) as wires:
        for turn in range(2):
            said = await asyncio.gather(*(wires.say(f"{who}/{turn}", user=who, stream=stream) for who in people))
        assert [text.split() for text in said] == [[*([f"{who}/0"] if kept else []), f"{who}/1"] for who in people]
