from __future__ import annotations

import asyncio

import pytest
from agent_framework import Agent, AgentContext, Content, InMemoryHistoryProvider, Message, agent_middleware

from agent_framework_hosting.execution.agent import AgentExecution
from agent_framework_hosting.execution.messages import stamp_question

pytestmark = pytest.mark.anyio


async def play(execution, given, streaming):
    return await (execution.stream(given).get_final_response() if streaming else execution.run(given))


def test_the_note_goes_on_a_copy_of_the_last_user_message():
    asked = [Message("user", ["one"]), Message("user", ["two"], additional_properties={"mine": 1}), Message("tool", [])]
    noted = stamp_question(asked, {"channel": "inbox"})
    assert noted[1].additional_properties == {"mine": 1, "hosting": {"channel": "inbox"}}
    assert noted[1].text == "two"
    assert [one.additional_properties for one in asked] == [{}, {"mine": 1}, {}]
    assert noted[0] is asked[0]


def test_without_a_user_message_the_last_one_carries_it():
    noted = stamp_question([Message("tool", [Content.from_function_result("c1", result="42")])], {"channel": "inbox"})
    assert noted[0].additional_properties["hosting"] == {"channel": "inbox"}


@pytest.mark.requirement("turn.envelope")
@pytest.mark.parametrize("streaming", [False, True])
async def test_the_client_sees_the_question_with_its_note(doubles, turn, streaming):
    agent = doubles.agent()
    await play(AgentExecution(agent), turn([Content.from_text("hello")]), streaming)
    assert agent.client.seen[0][-1].additional_properties["hosting"] == {"channel": "inbox"}


@pytest.mark.requirement("turn.envelope")
@pytest.mark.parametrize("streaming", [False, True])
async def test_the_answer_has_its_note_before_history_is_stored(doubles, turn, streaming):
    diary = doubles.Diary()
    execution = AgentExecution(doubles.agent(diary))
    session = execution.new_session("s1")
    for said in ("one", "two"):
        note = {"intended_targets": [said]}
        result = await play(execution, turn(said, session=session, answer_envelope=note), streaming)
        assert result.result.messages[-1].additional_properties["hosting"] == note
    assert diary.notes == [{"intended_targets": ["one"]}, {"intended_targets": ["two"]}]


@pytest.mark.parametrize("streaming", [False, True])
async def test_the_history_agent_framework_adds_by_itself_stores_the_note(doubles, turn, streaming):
    execution = AgentExecution(doubles.agent())
    session = execution.new_session("s1")
    await play(execution, turn("one", session=session, answer_envelope={"intended_targets": ["x"]}), streaming)
    stored = session.to_dict()["state"][InMemoryHistoryProvider().source_id]["messages"]
    assert [one["additional_properties"].get("hosting") for one in stored] == [
        {"channel": "inbox"},
        {"intended_targets": ["x"]},
    ]


async def test_the_session_keeps_nothing_of_the_hosts_own(doubles, turn):
    execution = AgentExecution(doubles.agent(doubles.Diary()))
    session = execution.new_session("s1")
    await execution.run(turn("one", session=session))
    assert session.state == {"diary": {}}


async def test_a_provider_added_later_is_still_served_first(doubles, turn):
    agent = doubles.agent()
    execution = AgentExecution(agent)
    agent.context_providers.append(diary := doubles.Diary())
    for said in ("one", "two"):
        await execution.run(turn(said, session=execution.new_session("s1"), answer_envelope={"for": said}))
    assert diary.notes == [{"for": "one"}, {"for": "two"}]


@pytest.mark.parametrize("streaming", [False, True])
async def test_concurrent_turns_keep_their_notes_apart(doubles, turn, streaming):
    async def pause() -> None:
        await asyncio.sleep(0)

    diary = doubles.Diary()
    execution = AgentExecution(doubles.agent(diary, gate=pause))

    async def one(who: str) -> object:
        given = turn("hi", session=execution.new_session(who), answer_envelope={"for": who})
        result = await play(execution, given, streaming)
        return result.result.messages[-1].additional_properties["hosting"]["for"]

    people = [f"person {number}" for number in range(20)]
    assert await asyncio.gather(*map(one, people)) == people
    assert sorted(note["for"] for note in diary.notes) == sorted(people)
    assert {who: page[-1].additional_properties["hosting"]["for"] for who, page in diary.pages.items()} == {
        who: who for who in people
    }


async def test_an_agent_run_inside_anothers_turn_gets_no_note_of_it(doubles, turn):
    inner_diary = doubles.Diary()
    inner = doubles.agent(inner_diary)
    AgentExecution(inner)

    @agent_middleware
    async def consult(context: AgentContext, call_next) -> None:
        await inner.run("aside", session=inner.create_session())
        await call_next()

    outer = Agent(client=doubles.ParrotClient(), middleware=[consult])
    result = await AgentExecution(outer).run(turn("hello", answer_envelope={"for": "outer"}))
    assert result.result.messages[-1].additional_properties["hosting"] == {"for": "outer"}
    assert inner_diary.notes == [None]


def test_two_hosts_of_one_agent_install_one_provider(doubles):
    agent = doubles.agent()
    AgentExecution(agent)
    AgentExecution(agent)
    assert len(agent.context_providers) == 1
