from __future__ import annotations

import asyncio
import logging

import pytest
from agent_framework import (
    Agent,
    AgentResponse,
    Content,
    Message,
    ResponseStream,
    Workflow,
    WorkflowBuilder,
    WorkflowContext,
    WorkflowEvent,
    WorkflowRunState,
    executor,
    tool,
)

from agent_framework_hosting.errors import TargetInputError
from agent_framework_hosting.execution.targets import execution_for
from agent_framework_hosting.execution.updates import event_updates, messages_of, updates_of

pytestmark = pytest.mark.anyio

PENDING = WorkflowRunState.IDLE_WITH_PENDING_REQUESTS
IMAGE = Content.from_uri("https://example.com/a.png", media_type="image/png")


async def play(execution, given, streaming=False):
    return (await (execution.stream(given).get_final_response() if streaming else execution.run(given))).result


def question_ids(result):
    return [event.request_id for event in result.get_request_info_events()]


@pytest.mark.parametrize("streaming", [False, True])
async def test_outputs_and_final_state(doubles, turn, streaming):
    result = await play(execution_for(doubles.workflow(doubles.Collector())), turn("hello"), streaming)
    assert result.get_outputs() == ["hello"]
    assert result.get_final_state() == WorkflowRunState.IDLE


@pytest.mark.parametrize("form", ["instance", "factory"])
@pytest.mark.parametrize("streaming", [False, True])
async def test_two_peoples_runs_never_meet(doubles, turn, form, streaming):
    workflow = doubles.workflow(doubles.Collector())
    execution = execution_for(workflow if form == "instance" else lambda: doubles.workflow(doubles.Collector()))
    people = [f"inbox:{number}" for number in range(30)]
    results = await asyncio.gather(*(play(execution, turn(who, who=who), streaming) for who in people))
    assert [result.get_outputs() for result in results] == [[who] for who in people]


async def test_without_checkpoints_every_turn_starts_afresh(doubles, turn):
    execution = execution_for(doubles.workflow(doubles.Collector()))
    await execution.run(turn("one"))
    assert (await play(execution, turn("two"))).get_outputs() == ["two"]


async def test_input_the_workflow_cannot_take_is_refused(doubles, turn):
    execution = execution_for(doubles.workflow(doubles.Collector()))
    for streaming in (False, True):
        with pytest.raises(TargetInputError, match="takes str"):
            await play(execution, turn(IMAGE), streaming)


async def test_input_is_checked_without_running_anything(doubles, turn, tmp_path):
    for location in (None, tmp_path):
        execution = execution_for(doubles.workflow(doubles.Clerk()), checkpoint_location=location)
        with pytest.raises(TargetInputError, match="takes str"):
            await execution.check(turn(IMAGE))
        with pytest.raises(TargetInputError, match="answer no pending request"):
            await execution.check(turn("", attributes={"responses": {"other": True}}))
        await execution.check(turn("the cake"))
        [asked] = question_ids(await play(execution, turn("the cake")))
        answer = Message("tool", [Content.from_function_result(asked, result="yes")])
        await execution.check(turn([answer]))
        assert (await play(execution, turn([answer]))).get_outputs() == ["the cake: True"]


async def test_a_failing_executor_fails_the_turn(turn):
    @executor(id="start")
    async def start(text: str, ctx: WorkflowContext) -> None:
        raise LookupError("no such thing")

    execution = execution_for(WorkflowBuilder(start_executor=start).build())
    for streaming in (False, True):
        with pytest.raises(LookupError, match="no such thing"):
            await play(execution, turn("hello"), streaming)


# Streams


async def test_an_agents_updates_pass_through_and_come_back_joined(doubles, turn):
    execution = execution_for(doubles.workflow(doubles.agent()))
    stream = execution.stream(turn("hello you", answer_envelope={"originating_channel": "inbox"}))
    assert [update.text async for update in stream] == ["1: ", "hello ", "you "]
    [answer] = (await stream.get_final_response()).result.get_outputs()
    assert isinstance(answer, AgentResponse)
    assert answer.text == "1: hello you "
    assert answer.messages[0].additional_properties["hosting"] == {"originating_channel": "inbox"}


async def test_whole_and_streamed_runs_of_agents_answer_alike(doubles, turn):
    workflow = doubles.workflow(doubles.agent())
    execution = execution_for(workflow)
    whole, streamed = [await play(execution, turn("hello you"), streaming) for streaming in (False, True)]
    assert [type(one) for one in whole.get_outputs()] == [type(one) for one in streamed.get_outputs()]
    assert [one.text.strip() for one in whole.get_outputs()] == [one.text.strip() for one in streamed.get_outputs()]


async def test_agents_in_a_row_stay_apart(doubles, turn):
    first, second = [Agent(client=doubles.ParrotClient(), name=name) for name in ("first", "second")]
    workflow = WorkflowBuilder(start_executor=first).add_edge(first, second).build()
    execution = execution_for(workflow)
    whole, streamed = [await play(execution, turn("hello"), streaming) for streaming in (False, True)]
    assert [one.text for one in whole.get_outputs()] == ["1: hello", "2: 1: hello"]
    assert [one.text.split() for one in streamed.get_outputs()] == [one.text.split() for one in whole.get_outputs()]


async def test_contents_stay_as_they_are_and_the_rest_becomes_text(doubles, turn):
    @executor(id="start")
    async def start(text: str, ctx: WorkflowContext[None, object]) -> None:
        for one in (IMAGE, "words", doubles.Decision(True, "why"), [Content.from_text("see"), IMAGE], {"a": 1}):
            await ctx.yield_output(one)

    execution = execution_for(WorkflowBuilder(start_executor=start).build())
    stream = execution.stream(turn("hello"))
    updates = [update async for update in stream]
    assert updates[0].contents[0] is IMAGE
    assert [update.text for update in updates[1:3]] == ["words", '{"approved": true, "reason": "why"}']
    assert [content.type for content in updates[3].contents] == ["text", "uri"]
    assert updates[4].text == '{"a": 1}'
    assert len({update.message_id for update in updates}) == 5
    final = await stream.get_final_response()
    assert [update.contents for update in updates_of(final)] == [update.contents for update in updates]
    assert [message.contents for message in messages_of(final)] == [update.contents for update in updates]


async def test_messages_among_outputs_carry_the_note(turn):
    @executor(id="start")
    async def start(text: str, ctx: WorkflowContext[None, object]) -> None:
        await ctx.yield_output([Message("assistant", ["one"]), Message("assistant", ["two"])])

    note = {"originating_channel": "inbox"}
    execution = execution_for(WorkflowBuilder(start_executor=start).build())
    result = await play(execution, turn("hello", answer_envelope=note))
    assert [one.additional_properties["hosting"] for one in result.get_outputs()[0]] == [note, note]
    assert [message.text for message in messages_of(result)] == ["one", "two"]


async def test_a_closed_stream_stops_the_run(turn):
    started, stopped = asyncio.Event(), asyncio.Event()

    @executor(id="start")
    async def start(text: str, ctx: WorkflowContext[None, str]) -> None:
        await ctx.yield_output("first")
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    stream = execution_for(WorkflowBuilder(start_executor=start).build()).stream(turn("hello"))
    assert (await anext(stream)).text == "first"
    await stream.close()
    assert (started.is_set(), stopped.is_set()) == (True, True)


@pytest.mark.parametrize(
    ("message", "level"),
    [("Event loop is closed", "WARNING"), ("Inner stream not available", "WARNING"), ("boom", "ERROR")],
)
async def test_trouble_after_the_workflow_came_to_rest_is_logged(message, level, doubles, turn, caplog):
    class Untidy(Workflow):
        def run(self, *args, stream=False, **options):
            def spoil() -> None:
                raise RuntimeError(message)

            running: ResponseStream = super().run(*args, stream=stream, **options)
            return running.with_cleanup_hook(spoil)

    def build():
        workflow = doubles.workflow(doubles.Collector())
        workflow.__class__ = Untidy
        return workflow

    stream = execution_for(build).stream(turn("hello"))
    assert [update.text async for update in stream] == ["hello"]
    result = (await stream.get_final_response()).result
    assert (result.get_outputs(), result.get_final_state()) == (["hello"], WorkflowRunState.IDLE)
    told = [record for record in caplog.records if record.name.startswith("agent_framework_hosting")]
    assert {record.levelname for record in told} == {level}
    assert all(bool(record.exc_info) == (level == "ERROR") for record in told)


# Questions


@pytest.mark.parametrize("kept", ["memory", "files"])
@pytest.mark.parametrize("streaming", [False, True])
async def test_a_question_is_asked_and_answered_in_words(doubles, turn, kept, streaming, tmp_path):
    location = tmp_path if kept == "files" else None
    execution = execution_for(doubles.workflow(doubles.Clerk()), checkpoint_location=location)
    asked = await play(execution, turn("the cake"), streaming)
    assert asked.get_final_state() == PENDING
    assert [event.data for event in asked.get_request_info_events()] == [doubles.Ask("Do the cake?")]
    done = await play(execution, turn("yes"), streaming)
    assert (done.get_outputs(), done.get_final_state()) == (["the cake: True"], WorkflowRunState.IDLE)


@pytest.mark.parametrize("streaming", [False, True])
async def test_what_is_no_answer_is_asked_again_and_runs_nothing(doubles, turn, streaming):
    execution = execution_for(doubles.workflow(doubles.Clerk()))
    asked = await play(execution, turn("the cake"))
    again = await play(execution, turn("which cake?"), streaming)
    assert question_ids(again) == question_ids(asked)
    assert (again.get_final_state(), again.get_outputs()) == (PENDING, [])
    assert (await play(execution, turn("no"))).get_outputs() == ["the cake: False"]


async def test_answers_by_request_id(doubles, turn):
    execution = execution_for(doubles.workflow(doubles.Clerk()))
    [asked] = question_ids(await play(execution, turn("the cake")))
    with pytest.raises(TargetInputError, match="answer no pending request"):
        await execution.run(turn("", attributes={"responses": {"other": True}}))
    with pytest.raises(TargetInputError, match="yes or no"):
        await execution.run(turn("", attributes={"responses": {asked: "perhaps"}}))
    done = await play(execution, turn("", attributes={"responses": {asked: True}}))
    assert done.get_outputs() == ["the cake: True"]


@pytest.mark.parametrize("kept", ["memory", "files"])
async def test_a_question_is_answered_once(doubles, turn, kept, tmp_path):
    location = tmp_path if kept == "files" else None
    execution = execution_for(doubles.workflow(doubles.Clerk()), checkpoint_location=location)
    [asked] = question_ids(await play(execution, turn("the cake")))
    answer = turn("", attributes={"responses": {asked: True}})
    await execution.run(answer)
    with pytest.raises(TargetInputError, match="answered before"):
        await execution.run(answer)


async def test_nobody_answers_for_another(doubles, turn):
    execution = execution_for(doubles.workflow(doubles.Clerk()))
    [asked] = question_ids(await play(execution, turn("the cake", who="inbox:1")))
    with pytest.raises(TargetInputError, match="answer no pending request"):
        await execution.run(turn("", who="inbox:2", attributes={"responses": {asked: True}}))
    assert question_ids(await play(execution, turn("yes", who="inbox:2"))) != [asked]


async def test_an_approval_in_the_input_answers(doubles, turn):
    execution = execution_for(doubles.workflow(doubles.Clerk()))
    stream = execution.stream(turn("the cake"))
    [update] = [update async for update in stream]
    [request] = update.contents
    assert (request.type, request.function_call.name) == ("function_approval_request", "request_info")
    assert request.function_call.arguments == '{"request": {"question": "Do the cake?"}}'
    answer = Message("user", [request.to_function_approval_response(True)])
    assert (await play(execution, turn([answer]))).get_outputs() == ["the cake: True"]


async def test_other_questions_are_calls_for_the_client(doubles, turn):
    execution = execution_for(doubles.workflow(doubles.Clerk(doubles.Decision)))
    [update] = updates_of(await play(execution, turn("the cake")))
    [call] = update.contents
    assert (call.type, call.name, call.user_input_request) == ("function_call", "request_info", True)
    result = Content.from_function_result(call.call_id, result='{"approved": false, "reason": "sugar"}')
    done = await play(execution, turn([Message("tool", [result])]))
    assert done.get_outputs() == ["the cake: Decision(approved=False, reason='sugar')"]


async def test_of_two_questions_the_rest_stays_open(doubles, turn, tmp_path):
    def build():
        @executor(id="start")
        async def start(text: str, ctx: WorkflowContext[str]) -> None:
            await ctx.send_message(text)

        first, second = doubles.Clerk(str), doubles.Clerk(str)
        first.id, second.id = "first", "second"
        return WorkflowBuilder(start_executor=start).add_fan_out_edges(start, [first, second]).build()

    for location in (None, tmp_path):
        execution = execution_for(build, checkpoint_location=location)
        asked = question_ids(await play(execution, turn("tea")))
        assert len(asked) == 2
        half = await play(execution, turn("with milk"))
        assert (half.get_outputs(), half.get_final_state()) == (["tea: with milk"], PENDING)
        assert question_ids(half) == asked[1:]
        done = await play(execution, turn("", attributes={"responses": {asked[1]: "black"}}))
        assert (done.get_outputs(), done.get_final_state()) == (["tea: black"], WorkflowRunState.IDLE)


async def test_an_approval_inside_an_agents_run_passes_unchanged(doubles, turn, tmp_path):
    paid: list[int] = []

    @tool(approval_mode="always_require")
    def pay(amount: int) -> str:
        """Pay."""
        paid.append(amount)
        return "paid"

    client = doubles.calling_client("pay", '{"amount": 3}')
    workflow = doubles.workflow(Agent(client=client, tools=[pay]), name="shop")
    execution = execution_for(workflow, checkpoint_location=tmp_path)
    requests = [one for update in updates_of(await play(execution, turn("pay"))) for one in update.contents]
    [request] = [one for one in requests if one.type == "function_approval_request"]
    assert (request.function_call.name, paid) == ("pay", [])
    execution = execution_for(workflow, checkpoint_location=tmp_path)
    await execution.run(turn([Message("user", [request.to_function_approval_response(True)])]))
    assert paid == [3]


async def test_a_session_mode_of_disabled_keeps_nothing(doubles, turn, tmp_path):
    execution = execution_for(doubles.workflow(doubles.Collector()), checkpoint_location=tmp_path)
    await execution.run(turn("one", session_mode="disabled"))
    assert list(tmp_path.iterdir()) == []


async def test_reset_forgets_open_questions(doubles, turn):
    execution = execution_for(doubles.workflow(doubles.Clerk()))
    [asked] = question_ids(await play(execution, turn("the cake")))
    await execution.reset("inbox:1")
    assert question_ids(await play(execution, turn("yes"))) != [asked]


async def test_output_types_are_what_the_workflow_declares(doubles):
    execution = execution_for(doubles.workflow(doubles.Clerk()))
    assert {doubles.Ask, doubles.Decision} <= set(execution.output_types)


async def test_no_text_of_a_user_is_logged(doubles, turn, caplog):
    caplog.set_level(logging.DEBUG, "agent_framework_hosting")
    execution = execution_for(doubles.workflow(doubles.Clerk()))
    for said in ("the secret cake", "perhaps", "yes"):
        await execution.run(turn(said))
    assert [
        one for one in caplog.records if one.name.startswith("agent_framework_hosting") and "secret" in one.getMessage()
    ] == []


def test_only_outputs_and_questions_are_shown():
    assert list(event_updates(WorkflowEvent.started())) == []
    assert list(event_updates(WorkflowEvent("intermediate", "draft", executor_id="e"))) == []
