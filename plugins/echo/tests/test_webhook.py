from __future__ import annotations

import json
from collections.abc import Mapping

import httpx2
import pytest
from starlette.responses import JSONResponse, Response

from agent_framework_hosting import (
    AgentFrameworkHost,
    ChannelCommand,
    ChannelCommandContext,
    ChannelIdentity,
    InProcessTaskRunner,
    NativeIdAllowlist,
    ResponseTarget,
    RetryPolicy,
    TaskStatus,
)
from agent_framework_hosting.testing import EchoAgent, HttpInbox, call, listening
from host_channel_echo import EchoChannel

pytestmark = pytest.mark.anyio

QUICK = RetryPolicy(max_attempts=3, initial_backoff_seconds=0.001, max_backoff_seconds=0.001)


async def ask(host: AgentFrameworkHost, headers: Mapping[str, str] | None = None, **body: object) -> tuple[int, object]:
    answer = await call(host.app, "POST", "/echo", json_body={"user": "ada", **body}, headers=headers)
    return answer.status, answer.json()


def serving(channel: EchoChannel, agent: EchoAgent | None = None) -> AgentFrameworkHost:
    runner = InProcessTaskRunner(default_retry_policy=QUICK)
    return AgentFrameworkHost(agent or EchoAgent(), channels=[channel], config={}, durable_task_runner=runner)


@pytest.mark.requirement("authors.echo")
async def test_answers_in_the_same_request() -> None:
    async with serving(EchoChannel()) as host:
        assert await ask(host, text="hello") == (200, {"outcome": "reply", "text": "1: hello"})


@pytest.mark.requirement("authors.echo")
async def test_answers_later_at_the_callback_and_says_so_at_once() -> None:
    inbox = HttpInbox()
    async with listening(inbox.app) as url, serving(EchoChannel()) as host:
        status, body = await ask(host, text="hello there", callback=f"{url}/box", later=True)
        assert (status, body["outcome"]) == (202, "accepted")
        while (await inbox.wait_for(len(inbox.received) + 1))[-1]["state"] == "partial":
            pass
    assert inbox.received[-1] == {"text": "1: hello there", "role": "assistant", "state": "final"}
    assert [each["state"] for each in inbox.received].count("final") == 1


@pytest.mark.requirement("authors.echo")
async def test_streams_what_is_written_so_far_and_then_the_whole() -> None:
    async with serving(EchoChannel()) as host:
        answer = await call(host.app, "POST", "/echo", json_body={"text": "a b", "user": "ada", "stream": True})
    lines = [json.loads(line) for line in answer.body.decode().splitlines()]
    assert [line.get("text") for line in lines] == ["1:", "1: a", "1: a b", "1: a b"]
    assert lines[-1] == {"outcome": "reply", "text": "1: a b"}


async def test_a_failure_in_the_middle_of_a_stream_ends_it_without_a_word_of_the_error() -> None:
    async def fail(_: str) -> None:
        raise RuntimeError("secret")

    async with serving(EchoChannel(), EchoAgent(fail)) as host:
        answer = await call(host.app, "POST", "/echo", json_body={"text": "a", "user": "ada", "stream": True})
    assert json.loads(answer.body) == {"text": "The agent failed.", "role": "assistant", "state": "failed"}


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer wrong", "bearer right", "Bearer right ", "Bearer r\xefght"])
async def test_without_the_token_nobody_gets_in(header: str) -> None:
    agent = EchoAgent()
    async with serving(EchoChannel(token="right"), agent) as host:
        status, _ = await ask(host, {"authorization": header} if header else None, text="hello")
        assert (status, agent.heard) == (401, [])
        assert (await ask(host, {"authorization": "Bearer right"}, text="hello"))[0] == 200


@pytest.mark.parametrize("body", [b"", b"{", b'{"text": "x"}', b'{"text": "x", "user": "a", "admin": true}', b"\xff"])
async def test_a_bad_body_is_the_callers_fault(body: bytes) -> None:
    agent = EchoAgent()
    async with serving(EchoChannel(), agent) as host:
        answer = await call(host.app, "POST", "/echo", body=body)
    assert (answer.status, answer.json()["outcome"], agent.heard) == (400, "invalid", [])


async def test_a_repeated_event_is_run_once() -> None:
    agent = EchoAgent()
    async with serving(EchoChannel(), agent) as host:
        first = await ask(host, text="hello", event_id="e1")
        again = await ask(host, text="hello", event_id="e1")
    assert (first[1]["outcome"], again[1], agent.texts) == ("reply", {"outcome": "duplicate"}, ["hello"])


@pytest.mark.parametrize("target", ["active", "all_linked", "none", "inbox", "other", ""])
async def test_a_target_that_was_not_granted_is_refused(target: str) -> None:
    agent = EchoAgent()
    async with serving(EchoChannel(), agent) as host:
        status, body = await ask(host, text="hello", target=target)
    assert (status, body["outcome"], agent.heard) == (403, "denied", [])


async def test_a_granted_target_is_used() -> None:
    channel, agent = EchoChannel(), EchoAgent()
    channel.wire_targets = ("none",)
    async with serving(channel, agent) as host:
        assert (await ask(host, text="hello", target="none"))[0] == 202
        assert (await ask(host, text="hello", target="originating"))[0] == 200
    assert agent.texts == ["hello", "hello"]


async def greet(context: ChannelCommandContext) -> None:
    await context.reply("Good day")
    await context.reply(f"to {context.request.identity.native_id}.")


async def test_a_command_answers_and_passes_the_gate() -> None:
    agent = EchoAgent()
    channel = EchoChannel(commands=[ChannelCommand("greet", "Says hello.", greet)])
    channel.allowlist = NativeIdAllowlist(["ada"])
    async with serving(channel, agent) as host:
        assert await ask(host, text="/greet") == (200, {"outcome": "reply", "text": "Good day\nto ada."})
        assert (await ask(host, text="/greet", user="mallory"))[0] == 403
        assert await ask(host, text="/unknown") == (200, {"outcome": "reply", "text": "1: /unknown"})
    assert agent.texts == ["/unknown"]


async def delivered(callback: str, *answers: Response) -> tuple[TaskStatus | None, HttpInbox]:
    """Push once to a callback that gives these answers first; return how the delivery ended."""
    inbox = HttpInbox(*answers)
    async with listening(inbox.app) as url, serving(EchoChannel()) as host:
        to = ChannelIdentity("echo", "ada", {"callback": callback.replace("URL", url)})
        [task] = await host.deliver("hello", ResponseTarget.identity(to))
        while (status := await host.durable_task_runner.get(task)) in (TaskStatus.SCHEDULED, TaskStatus.RUNNING):
            async with httpx2.AsyncClient() as http:  # lets the other side work
                await http.get(f"{url}/healthz")
    return status, inbox


async def test_a_push_is_tried_again_while_the_other_side_is_sick() -> None:
    sick = [Response(status_code=500), Response(status_code=429, headers={"retry-after": "0"})]
    status, inbox = await delivered("URL/box", *sick)
    assert (status, len(inbox.received)) == (TaskStatus.SUCCEEDED, 3)


@pytest.mark.parametrize("code", [302, 400, 401, 404, 410, 422])
async def test_a_refused_push_is_not_tried_again(code: int) -> None:
    status, inbox = await delivered("URL/box", Response(status_code=code))
    assert (status, len(inbox.received)) == (TaskStatus.FAILED, 1)


@pytest.mark.parametrize(
    "answer", [Response("thanks"), JSONResponse([1]), JSONResponse({"id": 7}), Response(status_code=204)]
)
async def test_whatever_the_other_side_says_to_a_push_it_took_it_is_not_sent_twice(answer: Response) -> None:
    status, inbox = await delivered("URL/box", answer)
    assert (status, len(inbox.received)) == (TaskStatus.SUCCEEDED, 1)


@pytest.mark.parametrize("callback", ["http://example.org/x", "ftp://127.0.0.1/x", "http://[::1", "box", ""])
async def test_a_callback_that_is_not_allowed_is_never_called(callback: str) -> None:
    status, inbox = await delivered(callback)
    assert (status, inbox.received) == (TaskStatus.FAILED, [])
