"""A client that goes away frees the lane and the bindings at once, and its run with them."""

from __future__ import annotations

import asyncio
import json

import httpx2
import pytest

pytestmark = pytest.mark.anyio


async def gone_after(url: str, body: dict, ready: asyncio.Event) -> None:
    """Post, wait until the agent runs, and close the connection without having been answered."""
    host, _, port = url.removeprefix("http://").partition("/")[0].partition(":")
    _, writer = await asyncio.open_connection(host, int(port))
    payload = json.dumps(body).encode()
    head = f"POST /responses HTTP/1.1\r\nhost: x\r\ncontent-length: {len(payload)}\r\n\r\n"
    writer.write(head.encode() + payload)
    await ready.wait()
    writer.close()
    await writer.wait_closed()


@pytest.mark.requirement("responses.disconnect")
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("steps", [[], ["Hel"]], ids=["silent", "speaking"])
async def test_a_client_that_goes_away_stops_its_run(talking, scripted, stream: bool, steps: list) -> None:
    never = asyncio.Event()
    agent = scripted([*steps, never])
    async with talking(agent) as made:
        async with asyncio.timeout(5):
            await gone_after(str(made().base_url), {"input": "x", "stream": stream}, agent.entered)
            await agent.stopped.wait()
        agent.steps = ["fine"]
        assert (await made().responses.create(model="m", input="y")).output_text == "fine"


@pytest.mark.requirement("responses.disconnect")
async def test_the_lane_is_free_after_a_disconnect(talking, scripted) -> None:
    never = asyncio.Event()
    agent = scripted(["Hel", never])
    async with talking(agent, shared_session=True) as made, asyncio.timeout(5):
        stream = await made().responses.create(model="m", input="x", stream=True)
        async for event in stream:
            if event.type == "response.output_text.delta":
                break
        await stream.close()
        await agent.stopped.wait()
        agent.steps = ["next"]
        assert (await made().responses.create(model="m", input="y")).output_text == "next"


async def test_what_was_cut_off_is_on_record_as_cancelled(talking, scripted) -> None:
    never = asyncio.Event()
    agent = scripted(["Hel", never])
    async with talking(agent) as made, asyncio.timeout(5):
        client = made()
        stream = await client.responses.create(model="m", input="x", stream=True)
        async for event in stream:
            if event.type == "response.created":
                response_id = event.response.id
            if event.type == "response.output_text.delta":
                break
        assert (await client.responses.retrieve(response_id)).status == "in_progress"
        await stream.close()
        await agent.stopped.wait()
        while (stored := await client.responses.retrieve(response_id)).status == "in_progress":
            pass
        assert stored.status == "cancelled"
        assert stored.output[0].status == "incomplete"
        agent.steps = ["again"]
        child = await client.responses.create(model="m", input="y", previous_response_id=response_id)
        assert child.output_text == "again"


async def test_a_second_reader_keeps_a_run_alive(talking, scripted, check_stream) -> None:
    go = asyncio.Event()
    agent = scripted(["Hel", go, "lo"])
    async with talking(agent) as made, asyncio.timeout(5):
        client = made()
        first = await client.responses.create(model="m", input="x", stream=True)
        async for event in first:
            if event.type == "response.created":
                response_id = event.response.id
            if event.type == "response.output_text.delta":
                break
        async with httpx2.AsyncClient() as http:
            url = f"{client.base_url}responses/{response_id}?stream=true"
            async with http.stream("GET", url) as second:
                pieces = second.aiter_raw()
                raw = await anext(pieces)
                await first.close()
                go.set()
                raw += b"".join([piece async for piece in pieces])
        assert check_stream(raw)[-1]["response"]["status"] == "completed"


async def test_keep_alive_breaks_a_silence(talking, scripted, check_stream) -> None:
    go = asyncio.Event()
    agent = scripted(["Hel", go, "lo"])
    async with talking(agent, keep_alive_seconds=0.01) as made, asyncio.timeout(5):
        async with httpx2.AsyncClient() as http:
            url = str(made().base_url) + "responses"
            async with http.stream("POST", url, json={"input": "x", "stream": True}) as answer:
                raw = b""
                async for piece in answer.aiter_raw():
                    raw += piece
                    if b": keep-alive\n" in raw:
                        go.set()
        assert check_stream(raw)[-1]["type"] == "response.completed"


async def test_a_stop_of_the_host_ends_streams_visibly(talking, scripted, check_stream) -> None:
    never = asyncio.Event()
    agent = scripted(["Hel", never])
    async with asyncio.timeout(10):
        async with talking(agent) as made:
            stream = await made().responses.create(model="m", input="x", stream=True)
            async for event in stream:
                if event.type == "response.output_text.delta":
                    break
        await agent.stopped.wait()
