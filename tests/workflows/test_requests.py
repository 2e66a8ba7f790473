"""What a workflow asks, and how it is answered over each wire."""

from __future__ import annotations

import json

import openai
import pytest

pytestmark = pytest.mark.anyio

both_ways = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
both_forms = pytest.mark.parametrize("form", ["instance", "factory"])
kept_or_not = pytest.mark.parametrize("kept", [False, True], ids=["unkept", "kept"])


def approval(question, yes: bool) -> dict[str, object]:
    return {"type": "mcp_approval_response", "approval_request_id": question.id, "approve": yes}


def result(question, value: str) -> dict[str, object]:
    return {"type": "function_call_output", "call_id": question.call_id, "output": value}


@both_ways
@both_forms
@kept_or_not
@pytest.mark.parametrize("yes", [True, False])
@pytest.mark.requirement("workflows.requests")
async def test_yes_or_no_over_the_api(hosted, workflows, tmp_path, form, kept, yes, stream) -> None:
    build = workflows.clerk(bool)
    async with hosted(build() if form == "instance" else build, **({"state_dir": tmp_path} if kept else {})) as wires:
        asked = await wires.respond("the cake", stream=stream)
        [question] = asked.output
        assert (asked.status, question.type, question.name) == ("completed", "mcp_approval_request", "request_info")
        assert json.loads(question.arguments) == {"request": {"question": "Do the cake?"}}
        done = await wires.respond([approval(question, yes)], stream=stream, previous_response_id=asked.id)
        assert (done.output_text, [item.type for item in done.output]) == (f"the cake: {yes}", ["message"])
        with pytest.raises(openai.BadRequestError):
            await wires.respond([approval(question, yes)], stream=stream, previous_response_id=asked.id)


@both_ways
@kept_or_not
@pytest.mark.parametrize(
    ("answer", "given", "told"),
    [(str, "blue", "the cake: blue"), ("Verdict", '{"approved": true}', "the cake: True")],
    ids=["str", "dataclass"],
)
@pytest.mark.requirement("workflows.requests")
async def test_other_answers_over_the_api(hosted, workflows, tmp_path, kept, answer, given, told, stream) -> None:
    build = workflows.clerk(workflows.Verdict if answer == "Verdict" else answer)
    async with hosted(build, **({"state_dir": tmp_path} if kept else {})) as wires:
        for wrap in (result, lambda question, value: {"role": "user", "content": value}):
            asked = await wires.respond("the cake", stream=stream)
            [question] = asked.output
            assert (question.type, question.name) == ("function_call", "request_info")
            done = await wires.respond([wrap(question, given)], stream=stream, previous_response_id=asked.id)
            assert done.output_text == told


@both_ways
@kept_or_not
@pytest.mark.requirement("workflows.requests")
async def test_in_words_over_a_chat(hosted, workflows, tmp_path, kept, stream) -> None:
    async with hosted(workflows.clerk(bool)(), **({"state_dir": tmp_path} if kept else {})) as wires:
        assert await wires.say("the cake", stream=stream) == "Do the cake?"
        assert await wires.say("the tea", user="grace", stream=stream) == "Do the tea?"
        assert await wires.say("which cake?", stream=stream) == "Do the cake?"
        assert await wires.say("yes", stream=stream) == "the cake: True"
        assert await wires.say("no", user="grace", stream=stream) == "the tea: False"
        assert await wires.say("the pie", stream=stream) == "Do the pie?"


@both_ways
@kept_or_not
@pytest.mark.requirement("workflows.requests")
async def test_a_question_is_asked_again_when_words_are_no_answer(hosted, workflows, tmp_path, kept, stream) -> None:
    async with hosted(workflows.clerk(bool), **({"state_dir": tmp_path} if kept else {})) as wires:
        asked = await wires.respond("the cake", stream=stream)
        again = await wires.respond("which cake?", stream=stream, previous_response_id=asked.id)
        assert [item.type for item in again.output] == ["mcp_approval_request"]
        done = await wires.respond([approval(again.output[0], True)], stream=stream, previous_response_id=again.id)
        assert done.output_text == "the cake: True"


@kept_or_not
async def test_either_place_of_a_question_asked_twice_can_be_answered(hosted, workflows, tmp_path, kept) -> None:
    async with hosted(workflows.clerk(str), **({"state_dir": tmp_path} if kept else {})) as wires:
        asked = await wires.respond("the cake")
        picture = {"type": "input_image", "image_url": "https://example.com/a.png", "detail": "auto"}
        again = await wires.respond([{"role": "user", "content": [picture]}], previous_response_id=asked.id)
        assert [item.type for item in again.output] == ["function_call"]
        done = await wires.respond("blue", previous_response_id=asked.id)
        assert done.output_text == "the cake: blue"


@both_ways
@kept_or_not
async def test_nobody_answers_for_another(hosted, workflows, tmp_path, kept, stream) -> None:
    async with hosted(workflows.clerk(bool), **({"state_dir": tmp_path} if kept else {})) as wires:
        asked = await wires.respond("the cake", stream=stream)
        [question] = asked.output
        for body in ({"previous_response_id": asked.id}, {}):
            with pytest.raises(openai.APIStatusError) as refused:
                await wires.respond([approval(question, True)], who="grace", stream=stream, **body)
            assert refused.value.status_code in (400, 404)
        done = await wires.respond([approval(question, True)], stream=stream, previous_response_id=asked.id)
        assert done.output_text == "the cake: True"


@both_ways
@kept_or_not
async def test_one_question_has_one_fork_that_answers_yes_and_one_that_says_no(
    hosted, workflows, tmp_path, kept, stream
) -> None:
    async with hosted(workflows.clerk(str), **({"state_dir": tmp_path} if kept else {})) as wires:
        asked = await wires.respond("the cake", stream=stream)
        left = await wires.respond("blue", stream=stream, previous_response_id=asked.id)
        assert left.output_text == "the cake: blue"
        right = await wires.respond("red", stream=stream, previous_response_id=asked.id)
        if kept:
            assert right.output_text == "the cake: red"
        else:  # the one that waited is gone with its answer: the workflow takes it as a new wish
            assert [item.type for item in right.output] == ["function_call"]


@kept_or_not
@pytest.mark.requirement("workflows.requests")
async def test_a_question_reaches_a_pushed_destination(hosted, workflows, inbox, tmp_path, kept) -> None:
    options = {"state_dir": tmp_path} if kept else {}
    async with hosted(workflows.clerk(bool), **options) as wires:
        answer = await wires.post("the cake", later=True, callback=inbox.url)
        assert answer.status_code == 202
        assert (await inbox.final())["text"] == "Do the cake?"
        if not kept:
            await wires.post("yes", later=True, callback=inbox.url)
            assert (await inbox.final())["text"] == "the cake: True"
    if not kept:
        return
    async with hosted(workflows.clerk(bool), **options) as wires:
        await wires.post("yes", later=True, callback=inbox.url)
        assert (await inbox.final())["text"] == "the cake: True"
