"""The whole way, against a stand-in for the platform on a real port."""

import asyncio

import pytest
from host_channel_pager import PagerChannel
from pydantic import SecretStr
from starlette.responses import Response

from agent_framework_hosting import AgentFrameworkHost
from agent_framework_hosting.testing import EchoAgent, HttpInbox, call, listening

pytestmark = pytest.mark.anyio


async def page(host, event, text):
    body = {"event": event, "pager": "ada", "text": text}
    return await call(host.app, "POST", "/pager", json_body=body, headers={"x-pager-secret": "s"})


async def test_a_page_is_answered_once_however_often_it_comes():
    platform = HttpInbox(Response(status_code=429, headers={"retry-after": "0"}))
    async with listening(platform.app) as url:
        host = AgentFrameworkHost(EchoAgent(), channels=[PagerChannel(secret=SecretStr("s"), api_url=url)], config={})
        async with host, asyncio.timeout(20):
            answers = [await page(host, event, "Hello.") for event in ("e1", "e1", "e2")]
            received = await platform.wait_for(3)
    assert [answer.status for answer in answers] == [202, 200, 202]
    first, second = {"pager": "ada", "text": "1: Hello."}, {"pager": "ada", "text": "2: Hello."}
    assert received == [first, first, second]


async def test_nobody_else_may_send():
    agent = EchoAgent()
    channel = PagerChannel(secret=SecretStr("other"), api_url="http://127.0.0.1:9")
    host = AgentFrameworkHost(agent, channels=[channel], config={})
    async with host:
        assert (await page(host, "e1", "Hello.")).status == 401
    assert agent.heard == []
