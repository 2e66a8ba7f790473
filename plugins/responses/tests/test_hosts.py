"""Responses where several hosts share a store, and where the store is sick for a while."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import openai
import pytest
from openai import AsyncOpenAI

from agent_framework_hosting import AgentFrameworkHost, Delete, MemoryStore, Put, Store, StoreError, Write
from agent_framework_hosting.testing import HandClock
from host_channel_responses import ResponsesChannel

pytestmark = pytest.mark.anyio


def host(agent, store: Store) -> AgentFrameworkHost:
    return AgentFrameworkHost(agent, channels=[ResponsesChannel()], config={"lease_seconds": 600.0}, store=store)


def client(url: str) -> AsyncOpenAI:
    return AsyncOpenAI(base_url=url, api_key="x", max_retries=0, _strict_response_validation=True)


async def until(client: AsyncOpenAI, response_id: str, *wanted: str):
    while True:
        response = await client.responses.retrieve(response_id)
        if response.status in wanted:
            return response


async def until_gone(client: AsyncOpenAI, response_id: str) -> None:
    try:
        while True:
            await client.responses.retrieve(response_id)
    except openai.NotFoundError:
        return


async def test_a_response_that_failed_with_its_host_stays_so_although_the_host_goes_on(
    scripted, chat_agent, serving
) -> None:
    clock, go = HandClock(), asyncio.Event()
    store, agent = MemoryStore(clock=clock), scripted(["Hel", go, "lo"])
    async with asyncio.timeout(20), serving(host(agent, store).app) as first_url, client(first_url) as first:
        running = await first.responses.create(model="m", input="x", background=True)
        await agent.entered.wait()
        async with serving(host(chat_agent(), store).app) as second_url, client(second_url) as second:
            clock.advance(601.0)
            assert (await second.responses.retrieve(running.id)).status == "failed"
            go.set()
            assert (await until(first, running.id, "completed", "failed")).status == "failed"
            assert (await second.responses.retrieve(running.id)).status == "failed"


async def test_a_response_deleted_through_another_host_does_not_come_back(scripted, chat_agent, serving) -> None:
    go, store = asyncio.Event(), MemoryStore()
    agent = scripted(["Hel", go, "lo"])
    async with asyncio.timeout(20), serving(host(agent, store).app) as first_url, client(first_url) as first:
        running = await first.responses.create(model="m", input="x", background=True)
        await agent.entered.wait()
        async with serving(host(chat_agent(), store).app) as second_url, client(second_url) as second:
            await second.responses.delete(running.id)
            go.set()
            await until_gone(first, running.id)
            await until_gone(second, running.id)
            with pytest.raises(openai.BadRequestError):
                await second.responses.create(model="m", input="y", previous_response_id=running.id)


async def test_another_host_says_that_it_cannot_cancel(scripted, chat_agent, serving) -> None:
    go, store = asyncio.Event(), MemoryStore()
    agent = scripted(["Hel", go, "lo"])
    async with asyncio.timeout(20), serving(host(agent, store).app) as first_url, client(first_url) as first:
        running = await first.responses.create(model="m", input="x", background=True)
        await agent.entered.wait()
        async with serving(host(chat_agent(), store).app) as second_url, client(second_url) as second:
            with pytest.raises(openai.ConflictError):
                await second.responses.cancel(running.id)
            assert (await first.responses.cancel(running.id)).status == "cancelled"
            assert (await second.responses.cancel(running.id)).status == "cancelled"


class Sick(MemoryStore):
    """Refuses commits that do something to a table, a number of times."""

    def __init__(self, kind: type[Write], table: str, times: int) -> None:
        super().__init__()
        self.kind, self.table, self.left = kind, table, times
        self.recovered = asyncio.Event()

    async def commit(self, writes: Sequence[Write]) -> int:
        if any(isinstance(each, self.kind) and each.table == self.table for each in writes):
            if self.left:
                self.left -= 1
                raise StoreError("The disk is full.")
            self.recovered.set()
        return await super().commit(writes)


async def test_the_end_of_a_background_response_outlasts_a_sick_store(scripted, serving) -> None:
    store = Sick(Delete, "of.responses.running", 2)
    async with asyncio.timeout(20), serving(host(scripted(), store).app) as url, client(url) as first:
        running = await first.responses.create(model="m", input="x", background=True)
        assert (await until(first, running.id, "completed", "failed")).output_text == "Hello there"
    assert store.left == 0


async def test_a_stop_does_not_wait_for_a_store_that_stays_sick(scripted, serving) -> None:
    store, agent = Sick(Delete, "of.responses.running", 1_000), scripted()
    async with asyncio.timeout(20), serving(host(agent, store).app) as url, client(url) as first:
        await first.responses.create(model="m", input="x", background=True)
        await agent.entered.wait()
    assert store.left < 1_000


@pytest.mark.parametrize("stream", [False, True])
async def test_a_response_can_be_continued_although_its_session_was_refused_once(
    chat_agent, serving, stream: bool
) -> None:
    store = Sick(Put, "snapshots", 1)
    async with asyncio.timeout(20), serving(host(chat_agent(), store).app) as url, client(url) as first:
        if stream:
            async with first.responses.stream(model="m", input="one") as events:
                made = await events.get_final_response()
        else:
            made = await first.responses.create(model="m", input="one")
        await store.recovered.wait()
    async with asyncio.timeout(20), serving(host(chat_agent(), store).app) as url, client(url) as second:
        following = await second.responses.create(model="m", input="two", previous_response_id=made.id)
        assert following.output_text == "You said: one | two"
