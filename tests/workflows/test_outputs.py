"""What a workflow puts out, on each wire."""

from __future__ import annotations

import base64
from dataclasses import dataclass

import pytest
from agent_framework import (
    AgentResponse,
    AgentResponseUpdate,
    Content,
    Message,
    WorkflowBuilder,
    WorkflowContext,
    executor,
)
from pydantic import BaseModel

pytestmark = pytest.mark.anyio

both_ways = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])

PIXEL = base64.b64encode(b"\x89PNG\r\n\x1a\n").decode()
IMAGE = Content.from_uri(f"data:image/png;base64,{PIXEL}", media_type="image/png")
LINK = Content.from_uri("https://example.com/report.pdf", media_type="application/pdf")


@dataclass
class Point:
    x: int
    y: int


class Bill(BaseModel):
    total: float


def yielding(*outputs: object):
    @executor(id="start")
    async def start(text: str, ctx: WorkflowContext[None, object]) -> None:
        for output in outputs:
            await ctx.yield_output(output)

    return lambda: WorkflowBuilder(start_executor=start).build()


TEXTS = {
    "text": ("words", "words"),
    "dataclass": (Point(1, 2), '{"x": 1, "y": 2}'),
    "model": (Bill(total=2.5), '{"total": 2.5}'),
    "mapping": ({"a": [1, None]}, '{"a": [1, null]}'),
    "number": (7, "7"),
    "message": (Message("assistant", ["said"]), "said"),
    "messages": ([Message("assistant", ["one"])], "one"),
    "response": (AgentResponse(messages=[Message("assistant", ["whole"])]), "whole"),
    "update": (AgentResponseUpdate(contents=[Content.from_text("piece")], role="assistant"), "piece"),
    "content": (Content.from_text("plain"), "plain"),
}


@both_ways
@pytest.mark.parametrize("kind", TEXTS)
@pytest.mark.requirement("workflows.outputs")
async def test_every_output_has_a_text(hosted, ask, kind, stream) -> None:
    output, text = TEXTS[kind]
    async with hosted(yielding(output)) as wires:
        assert await ask(wires, "go", stream) == text


@both_ways
@pytest.mark.requirement("workflows.outputs")
async def test_pictures_are_items_of_the_api_and_other_files_are_named(hosted, stream) -> None:
    async with hosted(yielding("before", IMAGE, Message("assistant", [Content.from_text("see "), LINK]))) as wires:
        response = await wires.respond("go", stream=stream)
    assert [item.type for item in response.output] == ["message", "image_generation_call", "message"]
    assert response.output[1].result == PIXEL
    assert response.output[0].content[0].text == "before"
    assert "https://example.com/report.pdf" in response.output[2].content[0].text


@both_ways
@pytest.mark.requirement("workflows.outputs")
async def test_a_chat_of_text_gets_the_text(hosted, stream) -> None:
    async with hosted(yielding("before", [Content.from_text("see"), IMAGE], Point(1, 2))) as wires:
        assert await wires.say("go", stream=stream) == 'before\nsee\n{"x": 1, "y": 2}'


@both_ways
async def test_a_workflow_that_puts_out_nothing_answers_nothing(hosted, stream) -> None:
    async with hosted(yielding()) as wires:
        response = await wires.respond("go", stream=stream)
        assert (response.status, response.output_text) == ("completed", "")
        assert await wires.say("go", stream=stream) == ""


@pytest.mark.requirement("workflows.outputs")
async def test_whole_and_streamed_items_are_equal(hosted) -> None:
    outputs = ["one", IMAGE, Bill(total=1), Message("assistant", ["two"]), [Message("assistant", ["three"])]]
    async with hosted(yielding(*outputs)) as wires:
        made = [await wires.respond("go", stream=stream) for stream in (False, True)]
        whole, streamed = [await (await wires.client()).responses.retrieve(one.id) for one in made]
    shown = [[item.model_dump(exclude={"id"}) for item in response.output] for response in (whole, streamed)]
    assert shown[0] == shown[1]
    assert len(shown[0]) == len(outputs)


@both_ways
@pytest.mark.requirement("workflows.outputs")
async def test_a_failing_executor_says_nothing_of_why(hosted, stream) -> None:
    @executor(id="start")
    async def start(text: str, ctx: WorkflowContext[None, str]) -> None:
        raise LookupError("the-secret-reason")

    async with hosted(lambda: WorkflowBuilder(start_executor=start).build()) as wires:
        answers = [await wires.post("go", stream=stream)]
        answers.append(
            await wires.http.post(
                f"{wires.url}/v1/responses",
                json={"input": "go", "stream": stream},
                headers={"authorization": "Bearer ada-secret"},
            )
        )
    assert [answer.status_code for answer in answers] == ([200, 200] if stream else [500, 500])
    assert ["failed" in answer.text and "the-secret-reason" not in answer.text for answer in answers] == [True, True]
