"""The channel as the host sees it: options, hooks, routes."""

from __future__ import annotations

from dataclasses import replace

import httpx2
import pytest
from agent_framework import AgentResponse, Message

from agent_framework_hosting import (
    AgentFrameworkHost,
    ChannelConfigurationError,
    NativeIdAllowlist,
    ResponseTarget,
    hookimpl,
)
from host_channel_responses import ResponsesChannel, ResponsesOptions


def test_the_options_are_keyword_arguments_or_one_instance() -> None:
    assert ResponsesChannel(model="m", keep_days=2).options == ResponsesOptions(model="m", keep_days=2)
    assert ResponsesChannel(ResponsesOptions(keep_days=2), path="/api").options.keep_days == 2


@pytest.mark.parametrize(
    "options",
    [{"api_keys": []}, {"api_keys": ["", "b"]}, {"api_key": "x"}, {"max_body_bytes": 0}, {"allow_options": ["model"]}],
)
def test_wrong_options_are_refused_without_showing_secrets(options: dict) -> None:
    with pytest.raises(ChannelConfigurationError) as refused:
        ResponsesChannel(**options)
    assert "responses" in str(refused.value)


def test_keys_never_show() -> None:
    channel = ResponsesChannel(api_keys={"ann": "hunter2-secret"})
    assert "hunter2" not in repr(channel.options)
    assert "hunter2" not in str(vars(channel))


def host(agent, *, plugins=(), **options: object) -> AgentFrameworkHost:
    return AgentFrameworkHost(agent, channels=[ResponsesChannel(**options)], plugins=plugins, config={})


async def ask(served: AgentFrameworkHost, path: str = "/responses", **body: object) -> httpx2.Response:
    transport = httpx2.ASGITransport(app=served.app)
    async with served, httpx2.AsyncClient(transport=transport, base_url="http://x") as client:
        return await client.post(path, json={"input": "hi", **body})


@pytest.mark.anyio
async def test_hooks_of_the_constructor_and_the_wires_own_request(scripted) -> None:
    seen: list[object] = []

    def run_hook(request, target, protocol_request):
        seen.append((protocol_request.url.path, request.attributes["response_id"]))
        return replace(request, input="changed")

    async def response_hook(result, context):
        return result.replace(result=AgentResponse(messages=[Message("assistant", ["shaped"])]))

    agent = scripted()
    answer = (await ask(host(agent, run_hook=run_hook, response_hook=response_hook))).json()
    assert seen == [("/responses", answer["id"])]
    assert agent.runs[0][0].text == "changed"
    assert answer["output"][0]["content"][0]["text"] == "shaped"


@pytest.mark.anyio
async def test_a_stream_transform_sees_every_update(scripted, check_stream) -> None:
    def drop_first(update):
        return None if update.text == "Hello" else update

    answer = await ask(host(scripted(), stream_transform=drop_first), stream=True)
    assert check_stream(answer.content)[-1]["response"]["output"][0]["content"][0]["text"] == " there"


@pytest.mark.anyio
@pytest.mark.parametrize("stream", [False, True])
async def test_a_denied_turn_never_reaches_the_agent(scripted, stream: bool) -> None:
    agent = scripted()
    served = AgentFrameworkHost(
        agent,
        channels=[ResponsesChannel()],
        config={},
        default_allowlist=NativeIdAllowlist(["somebody"], channel="responses"),
    )
    answer = await ask(served, stream=stream)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "permission_denied")
    assert agent.runs == []


class Elsewhere:
    @hookimpl
    def run_hook(self, request):
        return replace(request, response_target=ResponseTarget.none)


@pytest.mark.anyio
@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_that_goes_elsewhere_is_only_announced(scripted, check_stream, stream: bool) -> None:
    answer = await ask(host(scripted(), plugins=[Elsewhere()]), stream=stream)
    body = check_stream(answer.content)[-1]["response"] if stream else answer.json()
    assert body["status"] == "completed"
    assert "Hello" not in answer.text
    assert "elsewhere" in body["output"][0]["content"][0]["text"]


@pytest.mark.anyio
async def test_a_path_moves_all_routes(scripted) -> None:
    assert (await ask(host(scripted(), path="/api"), "/api/v1/responses")).status_code == 200
    assert (await ask(host(scripted(), path="/api"), "/v1/responses")).status_code == 404


@pytest.mark.anyio
async def test_conversations_are_unknown_here(scripted) -> None:
    answer = await ask(host(scripted()), conversation="conv_1")
    assert (answer.status_code, answer.json()["error"]["param"]) == (404, "conversation")
