"""Responses that outlive their request: background, cancel, resume, and what a stop leaves behind."""

from __future__ import annotations

import asyncio

import httpx2
import openai
import pytest
from openai import AsyncOpenAI

from agent_framework_hosting import AgentFrameworkHost, MemoryStore
from agent_framework_hosting.testing import HandClock
from host_channel_responses import ResponsesChannel

pytestmark = pytest.mark.anyio


async def until(client: AsyncOpenAI, response_id: str, *wanted: str):
    while True:
        response = await client.responses.retrieve(response_id)
        if response.status in wanted:
            return response


async def test_a_background_response_is_polled(talking, scripted) -> None:
    go = asyncio.Event()
    agent = scripted(["Hel", go, "lo"])
    async with talking(agent) as made, asyncio.timeout(5):
        client = made()
        queued = await client.responses.create(model="m", input="x", background=True)
        assert queued.status in ("queued", "in_progress")
        await agent.entered.wait()
        assert (await client.responses.retrieve(queued.id)).status == "in_progress"
        with pytest.raises(openai.BadRequestError):
            await client.responses.create(model="m", input="y", previous_response_id=queued.id)
        go.set()
        done = await until(client, queued.id, "completed")
        assert (done.output_text, done.background) == ("Hello", True)


async def test_cancelling_is_idempotent_and_only_for_the_background(talking, scripted) -> None:
    never = asyncio.Event()
    agent = scripted(["Hel", never])
    async with talking(agent) as made, asyncio.timeout(5):
        client = made()
        running = await client.responses.create(model="m", input="x", background=True)
        await agent.entered.wait()
        cancelled = await client.responses.cancel(running.id)
        assert cancelled.status == "cancelled"
        assert agent.stopped.is_set()
        assert (await client.responses.cancel(running.id)).status == "cancelled"
        agent.steps = ["fine"]
        foreground = await client.responses.create(model="m", input="x")
        with pytest.raises(openai.BadRequestError):
            await client.responses.cancel(foreground.id)
        with pytest.raises(openai.NotFoundError):
            await client.responses.cancel("resp_nothing")


async def test_a_background_stream_survives_its_reader_and_is_resumed_anywhere(talking, scripted, check_stream) -> None:
    go = asyncio.Event()
    agent = scripted(["Hel", go, "lo"])
    async with talking(agent) as made, asyncio.timeout(10):
        client = made()
        stream = await client.responses.create(model="m", input="x", background=True, stream=True)
        names = []
        async for event in stream:
            names.append(event.type)
            if event.type == "response.created":
                response_id = event.response.id
            if event.type == "response.output_text.delta":
                break
        assert names[:3] == ["response.created", "response.queued", "response.in_progress"]
        await stream.close()
        async with httpx2.AsyncClient(base_url=str(client.base_url)) as http:

            async def resumed(after: int | None) -> bytes:
                query = "stream=true" if after is None else f"stream=true&starting_after={after}"
                return (await http.get(f"responses/{response_id}?{query}")).content

            while_running = [asyncio.create_task(resumed(after)) for after in (None, 0, 3)]
            await asyncio.sleep(0)
            go.set()
            live = [await task for task in while_running]
            events = check_stream(live[0])
            assert events[-1]["response"]["output"][0]["content"][0]["text"] == "Hello"
            whole = await resumed(None)
            assert live[0] == whole
            frames = whole.removesuffix(b"data: [DONE]\n\n").split(b"\n\n")[:-1]
            for after in range(len(events) + 2):
                rest = b"".join(frame + b"\n\n" for frame in frames[after + 1 :])
                assert await resumed(after) == rest + b"data: [DONE]\n\n"
            assert live[2] == await resumed(3)
        assert (await until(client, response_id, "completed")).output_text == "Hello"


async def test_deleting_a_running_response_stops_it(talking, scripted) -> None:
    never = asyncio.Event()
    agent = scripted([never])
    async with talking(agent) as made, asyncio.timeout(5):
        client = made()
        running = await client.responses.create(model="m", input="x", background=True)
        await agent.entered.wait()
        await client.responses.delete(running.id)
        assert agent.stopped.is_set()
        with pytest.raises(openai.NotFoundError):
            await client.responses.retrieve(running.id)


async def test_a_failing_background_response_says_so(talking, scripted) -> None:
    async with talking(scripted(["Hel", RuntimeError("hunter2")])) as made, asyncio.timeout(5):
        client = made()
        running = await client.responses.create(model="m", input="x", background=True)
        failed = await until(client, running.id, "failed")
        assert failed.error.code == "server_error"
        assert "hunter2" not in failed.model_dump_json()


async def test_background_needs_a_store(talking, scripted) -> None:
    async with talking(scripted()) as made:
        with pytest.raises(openai.BadRequestError) as refused:
            await made().responses.create(model="m", input="x", background=True, store=False)
        assert refused.value.param == "background"


async def test_a_stop_leaves_nothing_in_progress_and_a_restart_remembers(
    scripted, chat_agent, serving, tmp_path
) -> None:
    never = asyncio.Event()

    def host(agent) -> AgentFrameworkHost:
        return AgentFrameworkHost(agent, channels=[ResponsesChannel()], config={}, state_dir=tmp_path)

    agent = scripted(["Hel", never])
    async with asyncio.timeout(10), serving(host(agent).app) as url:
        client = AsyncOpenAI(base_url=url, api_key="x", max_retries=0, _strict_response_validation=True)
        running = await client.responses.create(model="m", input="x", background=True)
        await agent.entered.wait()
        await client.close()
    async with asyncio.timeout(10), serving(host(chat_agent()).app) as url:
        client = AsyncOpenAI(base_url=url, api_key="x", max_retries=0, _strict_response_validation=True)
        left = await client.responses.retrieve(running.id)
        assert left.status == "failed"
        first = await client.responses.create(model="m", input="one")
        await client.close()
    async with asyncio.timeout(10), serving(host(chat_agent()).app) as url:
        client = AsyncOpenAI(base_url=url, api_key="x", max_retries=0, _strict_response_validation=True)
        assert (await client.responses.retrieve(first.id)).output_text == "You said: one"
        second = await client.responses.create(model="m", input="two", previous_response_id=first.id)
        assert second.output_text == "You said: one | two"
        await client.close()


async def test_a_host_that_starts_leaves_the_responses_of_a_living_one_alone(scripted, chat_agent, serving) -> None:
    clock, go = HandClock(), asyncio.Event()
    store = MemoryStore(clock=clock)

    def host(agent) -> AgentFrameworkHost:
        return AgentFrameworkHost(agent, channels=[ResponsesChannel()], config={"lease_seconds": 600.0}, store=store)

    def client(url: str) -> AsyncOpenAI:
        return AsyncOpenAI(base_url=url, api_key="x", max_retries=0, _strict_response_validation=True)

    agent = scripted(["Hel", go, "lo"])
    async with asyncio.timeout(20), serving(host(agent).app) as first_url, client(first_url) as first:
        running = await first.responses.create(model="m", input="x", background=True)
        await agent.entered.wait()
        async with serving(host(chat_agent()).app) as second_url, client(second_url) as second:
            assert (await second.responses.retrieve(running.id)).status in ("queued", "in_progress")
            assert (await first.responses.retrieve(running.id)).status == "in_progress"
            go.set()
            assert (await until(first, running.id, "completed")).output_text == "Hello"
            assert (await second.responses.retrieve(running.id)).output_text == "Hello"


@pytest.mark.parametrize("starts", ["before", "afterwards"])
async def test_what_a_dead_host_left_has_failed_for_those_who_ask_another(
    scripted, chat_agent, serving, starts: str
) -> None:
    clock, agent = HandClock(), scripted(["Hel", asyncio.Event()])
    store = MemoryStore(clock=clock)

    def host(agent) -> AgentFrameworkHost:
        return AgentFrameworkHost(agent, channels=[ResponsesChannel()], config={"lease_seconds": 600.0}, store=store)

    def client(url: str) -> AsyncOpenAI:
        return AsyncOpenAI(base_url=url, api_key="x", max_retries=0, _strict_response_validation=True)

    async with asyncio.timeout(20), serving(host(agent).app) as first_url, client(first_url) as first:
        running = await first.responses.create(model="m", input="x", background=True)
        await agent.entered.wait()
        if starts == "afterwards":
            clock.advance(601.0)  # the first one is silent for longer than its lease
        async with serving(host(chat_agent()).app) as second_url, client(second_url) as second:
            if starts == "before":
                assert (await second.responses.retrieve(running.id)).status in ("queued", "in_progress")
                clock.advance(601.0)
            assert (await second.responses.retrieve(running.id)).status == "failed"
