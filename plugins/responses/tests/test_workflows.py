"""Workflows behind the API: outputs, questions, and answers given in a later request, also after a restart."""

from __future__ import annotations

import asyncio
import json

import pytest
from agent_framework import (
    Content,
    Executor,
    Message,
    Workflow,
    WorkflowBuilder,
    WorkflowContext,
    handler,
    response_handler,
)
from openai import AsyncOpenAI

from agent_framework_hosting import AgentFrameworkHost
from host_channel_responses import ResponsesChannel

pytestmark = pytest.mark.anyio

PIXEL = "data:image/png;base64,iVBORw0KGgo="


class Shouter(Executor):
    @handler
    async def shout(self, text: str, ctx: WorkflowContext[None, str | Content | Message]) -> None:
        await ctx.yield_output(text.upper())
        await ctx.yield_output(Content.from_uri(PIXEL, media_type="image/png"))
        await ctx.yield_output(Message("assistant", ["done"]))


class Booker(Executor):
    @handler
    async def book(self, text: str, ctx: WorkflowContext[None, str]) -> None:
        await ctx.request_info({"seats": text}, str)

    @response_handler
    async def booked(self, asked: dict, answer: str, ctx: WorkflowContext[None, str]) -> None:
        await ctx.yield_output(f"{asked['seats']}: {answer}")


class Deleter(Executor):
    @handler
    async def delete(self, text: str, ctx: WorkflowContext[None, str]) -> None:
        await ctx.request_info(f"Delete {text}?", bool)

    @response_handler
    async def deleted(self, asked: str, yes: bool, ctx: WorkflowContext[None, str]) -> None:
        await ctx.yield_output("gone" if yes else "kept")


def flow(executor: type[Executor]):
    def build() -> Workflow:
        return WorkflowBuilder(start_executor=executor(id="only")).build()

    return build


async def final(client: AsyncOpenAI, *, stream: bool, **body: object):
    if not stream:
        return await client.responses.create(model="m", **body)
    async with client.responses.stream(model="m", **body) as events:
        return await events.get_final_response()


both_ways = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])


@both_ways
async def test_outputs_become_items(talking, raw_stream, check_stream, stream: bool) -> None:
    async with talking(flow(Shouter)) as made:
        response = await final(made(), stream=stream, input="hi")
        assert [item.type for item in response.output] == ["message", "image_generation_call", "message"]
        assert response.output_text == "HIdone"
        check_stream(await raw_stream(made(), input="hi"))


@both_ways
async def test_a_question_is_answered_as_a_call_or_in_words(talking, stream: bool) -> None:
    async with talking(flow(Booker)) as made:
        client = made()
        asked = await final(client, stream=stream, input="two")
        (question,) = asked.output
        assert (question.type, question.name, json.loads(question.arguments)) == (
            "function_call",
            "request_info",
            {"request": {"seats": "two"}},
        )
        answer = {"type": "function_call_output", "call_id": question.call_id, "output": "row 7"}
        done = await final(client, stream=stream, input=[answer], previous_response_id=asked.id)
        assert done.output_text == "two: row 7"
        asked = await final(client, stream=stream, input="three")
        done = await final(client, stream=stream, input="row 8", previous_response_id=asked.id)
        assert done.output_text == "three: row 8"


@both_ways
async def test_a_yes_or_no_is_an_approval_and_survives_a_restart(serving, tmp_path, stream: bool) -> None:
    async def ask(**body: object):
        channel = ResponsesChannel()
        host = AgentFrameworkHost(flow(Deleter), channels=[channel], config={}, state_dir=tmp_path)
        async with (
            asyncio.timeout(20),
            serving(host.app) as url,
            AsyncOpenAI(base_url=url, api_key="x", _strict_response_validation=True) as client,
        ):
            return await final(client, stream=stream, **body)

    asked = await ask(input="/a")
    (question,) = asked.output
    assert (question.type, question.name) == ("mcp_approval_request", "request_info")
    answer = {"type": "mcp_approval_response", "approval_request_id": question.id, "approve": True}
    done = await ask(input=[answer], previous_response_id=asked.id)
    assert done.output_text == "gone"
