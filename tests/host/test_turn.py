"""One turn, entered at the HTTP edge, observed at the target and at the receiving end of pushes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from agent_framework import AgentResponse, AgentResponseUpdate, Content, Message
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from agent_framework_hosting import (
    AgentFrameworkHost,
    AllowlistDecision,
    AuthorizationError,
    Channel,
    ChannelCommand,
    ChannelCommandContext,
    ChannelContext,
    ChannelContribution,
    ChannelIdentity,
    ChannelRequest,
    Denied,
    HostedRunResult,
    NativeIdAllowlist,
    Reply,
    ResponseTarget,
    TurnFailed,
    hookimpl,
    result_text,
)
from agent_framework_hosting.testing import EchoAgent, HttpInbox, InboxChannel, call, listening
from host_channel_echo import EchoChannel
from host_channel_responses import ResponsesChannel

pytestmark = pytest.mark.anyio

Ask = Callable[..., Any]


def host_of(target: object, *channels: Channel, **options: Any) -> AgentFrameworkHost:
    return AgentFrameworkHost(target, channels=channels or [EchoChannel()], config={}, **options)


def said(text: str) -> HostedRunResult:
    return HostedRunResult(AgentResponse(messages=[Message("assistant", [text])]))


class Steps:
    """Every hook of a plugin, noting its calls in one list for all plugins."""

    def __init__(self, log: list[str], name: str) -> None:
        self.log = log
        self.label = name

    @hookimpl
    async def authorize(self, identity):
        self.log.append(f"{self.label} authorize {identity.native_id}")

    @hookimpl
    def run_hook(self, request):
        self.log.append(f"{self.label} run_hook {request.input}")
        return replace(request, input=f"{request.input}+{self.label}")

    @hookimpl
    async def response_hook(self, result, context):
        kind = "echo" if context.is_echo else "answer"
        self.log.append(f"{self.label} response_hook {context.channel_name} {kind} {context.originating}")
        return said(f"{result_text(result)}>{self.label}")


class LoudChannel(EchoChannel, Steps):
    """The echo channel with every hook of its own."""

    def __init__(self, log: list[str], name: str = "echo") -> None:
        EchoChannel.__init__(self)
        Steps.__init__(self, log, name)
        self.name = name
        self.path = f"/{name}"


class LoudInbox(InboxChannel, Steps):
    def __init__(self, log: list[str]) -> None:
        InboxChannel.__init__(self)
        Steps.__init__(self, log, "inbox")


@pytest.mark.requirement("turn.steps")
@pytest.mark.requirement("turn.dispatch", "hooks.run_hook", "hooks.response_hook", "hooks.policy")
async def test_the_steps_of_a_turn_come_in_order_and_a_policy_sees_every_channel(ask: Ask) -> None:
    log: list[str] = []

    async def answers(text: str) -> None:
        log.append(f"target {text}")

    channels = [LoudChannel(log), LoudChannel(log, "other")]
    async with host_of(EchoAgent(answers), *channels, plugins=[Steps(log, "p1"), Steps(log, "p2")]) as host:
        status, body = await ask(host, "hi")
        first, log[:] = list(log), []
        await ask(host, "ho", "bob", path="/other")
    assert (status, body["text"]) == (200, "1: hi+echo+p1+p2>p1>p2>echo")
    assert first == [
        "echo authorize ada",
        "p1 authorize ada",
        "p2 authorize ada",
        "echo run_hook hi",
        "p1 run_hook hi+echo",
        "p2 run_hook hi+echo+p1",
        "target hi+echo+p1+p2",
        "p1 response_hook echo answer True",
        "p2 response_hook echo answer True",
        "echo response_hook echo answer True",
    ]
    assert [line.split()[0] for line in log] == [
        *("other", "p1", "p2"),
        *("other", "p1", "p2"),
        "target",
        *("p1", "p2", "other"),
    ]


@pytest.mark.requirement("turn.stream", "hooks.response_hook")
async def test_a_streamed_turn_passes_the_same_steps_and_leaks_nothing_unshaped(ask: Ask) -> None:
    log: list[str] = []

    class Redact:
        @hookimpl
        def response_hook(self, result, context):
            return said(result_text(result).replace("secret", "***"))

    async with host_of(EchoAgent(), LoudChannel(log), plugins=[Redact()]) as host:
        status, lines = await ask(host, "the secret word", stream=True)
    assert status == 200
    assert lines[-1] == {"outcome": "reply", "text": "1: the *** word+echo>echo"}
    assert len(lines) > 1
    assert not [line for line in lines if "secret" in str(line)]
    assert [line.split()[1] for line in log] == ["authorize", "run_hook", "response_hook"]


@pytest.mark.requirement("turn.stream")
async def test_a_streamed_answer_comes_in_pieces_while_it_is_written(served, http) -> None:
    served.model.holds = {"a b c"}
    host = host_of(served.agent)
    async with listening(host.app) as url:
        body = {"text": "a b c", "user": "ada", "stream": True}
        async with http.stream("POST", f"{url}/echo", json=body) as answer:
            lines = answer.aiter_lines()
            assert "1:" in await anext(lines)  # the model has more to say and is held
            assert served.model.finished == []
            await served.model.let_go("a b c")
            rest = [line async for line in lines]
    assert '"1: a b c"' in rest[-1]


@pytest.mark.requirement("agents.stream-transform")
@pytest.mark.parametrize("hooked", [False, True])
async def test_a_stream_transform_changes_or_drops_pieces_with_or_without_response_hooks(
    ask: Ask, hooked: bool
) -> None:
    class Keep:
        @hookimpl
        def response_hook(self, result):
            return None

    async def shout(update):
        if "drop" in update.text:
            return None
        return replace_text(update, update.text.upper())

    channel = EchoChannel()
    channel.stream_transform = shout
    async with host_of(EchoAgent(), channel, plugins=[Keep()] if hooked else []) as host:
        _, lines = await ask(host, "one", stream=True)
        _, dropped = await ask(host, "drop this drop", "bob", stream=True)
    assert [line["text"] for line in lines[:-1]][-1] == "1: ONE"
    assert not [line for line in dropped[:-1] if "drop" in line["text"]]


def replace_text(update: AgentResponseUpdate, text: str) -> AgentResponseUpdate:
    return AgentResponseUpdate(contents=[Content.from_text(text)], role="assistant", message_id=update.message_id)


# The gate


@pytest.mark.requirement("turn.denied-no-trace")
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("how", ["host", "channel", "policy", "channel-hook", "broken-policy"])
async def test_a_denied_turn_never_reaches_the_target_and_leaves_no_trace(
    ask: Ask, how: str, stream: bool, caplog: pytest.LogCaptureFixture
) -> None:
    agent, inbox, events = EchoAgent(), InboxChannel(), list[str]()
    channel = EchoChannel()
    options: dict[str, Any] = {}

    class Deny:
        @hookimpl
        def authorize(self, identity):
            if how == "broken-policy":
                raise RuntimeError("broken")
            return AllowlistDecision.DENY if identity.channel == "echo" else None

        @hookimpl
        def run_hook(self, request):
            events.append("run_hook")

        @hookimpl
        def response_hook(self, result):
            events.append("response_hook")

    if how == "host":
        options["default_allowlist"] = NativeIdAllowlist(["nobody"], channel="echo")
        inbox.allowlist = None
    elif how == "channel":
        channel.allowlist = NativeIdAllowlist(["nobody"])
    elif how == "channel-hook":

        class Strict(EchoChannel):
            @hookimpl
            async def authorize(self, identity, context):
                return AllowlistDecision.DENY

        channel = Strict()
    else:
        options["plugins"] = [Deny()]
    async with host_of(agent, channel, inbox, **options) as host:
        status, body = await ask(host, "let me in", stream=stream, event_id="e1")
        body = body[0] if stream else body
        assert (status, body["outcome"]) == (403, "denied")
        assert (await ask(host, "let me in", event_id="e1"))[0] == 403  # not remembered as seen
        ready = (await call(host.app, "GET", "/readiness")).json()
        with pytest.raises(ValueError, match="reached nobody"):
            await host.deliver("hello", ResponseTarget.channel("echo"), isolation_key="echo:ada")
    assert (agent.heard, events, inbox.inbox) == ([], [], [])
    assert ready["turns"]["accepted"] == 0


@pytest.mark.requirement("turn.same-gate")
async def test_run_run_stream_and_deliver_response_pass_the_gate() -> None:
    agent, inbox = EchoAgent(), InboxChannel()
    inbox.allowlist = NativeIdAllowlist(["ada"])
    async with host_of(agent, inbox):
        stranger = ChannelRequest("inbox", "message.create", "hi", identity=ChannelIdentity("inbox", "eve"))
        friend = replace(stranger, identity=ChannelIdentity("inbox", "ada"))
        context = inbox.context
        with pytest.raises(AuthorizationError) as refused:
            await context.run(stranger)
        assert isinstance(refused.value.outcome, Denied)
        with pytest.raises(AuthorizationError):
            await context.run_stream(stranger).get_final_response()
        with pytest.raises(AuthorizationError):
            await context.deliver_response(stranger, said("hi"))
        with pytest.raises(AuthorizationError):
            await context.run(replace(stranger, identity=None))
        assert agent.heard == []
        assert result_text(await context.run(friend)) == "1: hi"
        stream = context.run_stream(friend)
        assert "".join([update.text async for update in stream]) == "2: hi"
        assert result_text(await stream.get_final_response()) == "2: hi"
        assert await context.deliver_response(friend, said("done")) is True
        elsewhere = replace(friend, response_target=ResponseTarget.identity(ChannelIdentity("inbox", "ada", {"n": 2})))
        assert await context.deliver_response(elsewhere, said("there")) is False
        assert await inbox.wait_for(1) == [("ada", "there")]


@pytest.mark.requirement("turn.wire-target")
async def test_a_wire_may_name_only_what_the_operator_granted() -> None:
    inbox, other = InboxChannel(), InboxChannel(name="other")
    inbox.wire_targets = ("other", "active")
    async with host_of(EchoAgent(), inbox, other):
        context = inbox.context
        assert context.wire_target(None) == ResponseTarget.originating
        assert context.wire_target("originating") == ResponseTarget.originating
        assert context.wire_target("other") == ResponseTarget.channel("other")
        assert context.wire_target(["originating", "other"]) == ResponseTarget.channels(["originating", "other"])
        assert context.wire_target("active") == ResponseTarget.active
        for name in ("none", "all_linked", "inbox", "", "Other", ["other", "none"], []):
            with pytest.raises(AuthorizationError):
                context.wire_target(name)


@pytest.mark.requirement("turn.commands")
@pytest.mark.requirement("turn.same-gate")
async def test_commands_pass_the_gate_and_run_turns_through_the_door(ask: Ask) -> None:
    agent, ran = EchoAgent(), list[str]()

    async def again(context: ChannelCommandContext) -> None:
        ran.append("again")
        outcome = await context.run(replace(context.request, input="again"))
        assert isinstance(outcome, Reply)
        await context.reply(result_text(outcome.result))

    async def fresh(context: ChannelCommandContext) -> None:
        await context.reset_session()
        await context.reply("fresh")

    async def broken(context: ChannelCommandContext) -> None:
        raise RuntimeError("secret")

    commands = [ChannelCommand("again", "x", again), ChannelCommand("fresh", "x", fresh)]
    channel = EchoChannel(commands=[*commands, ChannelCommand("broken", "x", broken)])
    channel.allowlist = NativeIdAllowlist(["ada"])
    async with host_of(agent, channel) as host:
        assert (await ask(host, "/again", "eve"))[0] == 403
        assert ran == []
        assert (await ask(host, "/again"))[1]["text"] == "1: again"
        assert (await ask(host, "more"))[1]["text"] == "2: more"
        assert (await ask(host, "/fresh"))[1]["text"] == "fresh"
        assert (await ask(host, "anew"))[1]["text"] == "1: anew"
        status, body = await ask(host, "/broken")
        assert (status, body["outcome"], "secret" in str(body)) == (500, "failed", False)


@pytest.mark.requirement("turn.denied-no-trace")
@pytest.mark.parametrize(
    ("channel", "path", "body"),
    [
        (EchoChannel, "/echo", {"text": "hi", "user": "ada"}),
        (EchoChannel, "/echo", {"text": "hi", "user": "ada", "stream": True}),
        (EchoChannel, "/echo", {"text": "hi", "user": "ada", "later": True, "callback": "http://127.0.0.1:9/"}),
        (ResponsesChannel, "/responses", {"input": "hi"}),
        (ResponsesChannel, "/v1/responses", {"input": "hi", "stream": True}),
        (ResponsesChannel, "/responses", {"input": "hi", "background": True}),
    ],
)
async def test_a_deny_all_allowlist_on_any_channel_means_the_target_is_never_called(
    channel: type[Channel], path: str, body: dict[str, object]
) -> None:
    agent = EchoAgent()
    async with host_of(agent, channel(), default_allowlist=NativeIdAllowlist([])) as host:
        answer = await call(host.app, "POST", path, json_body=body)
    assert answer.status == 403
    assert agent.heard == []


# The two doors


@pytest.mark.requirement("turn.admit", "hooks.push")
async def test_admit_returns_before_the_turn_ran_and_the_answer_arrives_as_a_push(ask: Ask, served) -> None:
    served.model.holds = {"hello"}
    inbox = HttpInbox()
    async with listening(inbox.app) as url, host_of(served.agent) as host:
        status, body = await ask(host, "hello", later=True, callback=url)
        assert (status, body["outcome"]) == (202, "accepted")
        assert served.model.finished == []
        await served.model.reached("hello")
        await served.model.let_go("hello")
        while (await inbox.wait_for(len(inbox.received) + 1))[-1]["state"] != "final":
            pass
    assert inbox.received[-1]["text"] == "1: hello"


@pytest.mark.requirement("turn.admit")
async def test_an_admitted_turn_that_fails_says_so_at_the_origin(ask: Ask) -> None:
    async def fail(_: str) -> None:
        raise RuntimeError("secret")

    inbox = InboxChannel()
    async with host_of(EchoAgent(fail), inbox):
        request = ChannelRequest("inbox", "message.create", "hi", identity=ChannelIdentity("inbox", "ada"))
        assert (await inbox.context.admit(request)).status_code == 202
        [(to, text)] = await inbox.wait_for(1)
    assert to == "ada"
    assert "sorry" in text.lower()
    assert "secret" not in text


@pytest.mark.requirement("turn.admit")
async def test_a_turn_that_is_called_off_before_it_began_leaves_its_place_to_the_next(served) -> None:
    inbox = InboxChannel()
    request = ChannelRequest("inbox", "message.create", "one", identity=ChannelIdentity("inbox", "ada"))
    async with host_of(served.agent, inbox) as host:
        await inbox.context.admit(request)
        assert await inbox.context.stop(request) == 1
        async with asyncio.timeout(5):
            outcome = await inbox.context.dispatch(replace(request, input="two"))
        assert isinstance(outcome, Reply)
        turns = (await call(host.app, "GET", "/readiness")).json()["turns"]
    assert served.model.finished == ["two"]
    assert (turns["accepted"], turns["open"]) == (2, 0)


@pytest.mark.requirement("turn.duplicate")
@pytest.mark.parametrize("later", [False, True])
async def test_a_repeated_event_runs_nothing_also_when_both_arrive_at_once(ask: Ask, served, later: bool) -> None:
    served.model.holds = {"hello"}
    async with host_of(served.agent) as host:
        fields = {"event_id": "e1", **({"later": True, "callback": "http://127.0.0.1:9/x"} if later else {})}
        both = [asyncio.create_task(ask(host, "hello", **fields)) for _ in range(2)]
        await served.model.reached("hello")
        await served.model.let_go("hello")
        outcomes = sorted(body["outcome"] for _, body in await asyncio.gather(*both))
        assert outcomes == sorted(["accepted" if later else "reply", "duplicate"])
        assert (await ask(host, "hello", **fields))[1] == {"outcome": "duplicate"}
        assert (await ask(host, "other", "bob", event_id="e2"))[1]["outcome"] == "reply"
    assert served.model.finished.count("hello") == 1


@pytest.mark.requirement("turn.failure")
@pytest.mark.parametrize("place", ["target", "run_hook", "response_hook"])
@pytest.mark.parametrize("stream", [False, True])
async def test_a_failure_ends_in_failed_without_its_text_and_the_next_turn_runs(
    ask: Ask, place: str, stream: bool
) -> None:
    broken = True

    def maybe_fail(where: str) -> None:
        if broken and where == place:
            raise RuntimeError("secret detail")

    async def target(_: str) -> None:
        maybe_fail("target")

    class Fragile:
        @hookimpl
        def run_hook(self, request):
            maybe_fail("run_hook")

        @hookimpl
        def response_hook(self, result):
            maybe_fail("response_hook")

    async with host_of(EchoAgent(target), plugins=[Fragile()]) as host:
        status, body = await ask(host, "hello", stream=stream, event_id="e1")
        assert "secret" not in str(body)
        assert "failed" in str(body)
        assert status in ((200, 500) if stream else (500,))
        broken = False
        assert (await ask(host, "hello"))[0] == 200
        turns = (await call(host.app, "GET", "/readiness")).json()["turns"]
    assert turns["open"] == 0


@pytest.mark.requirement("turn.timeout")
@pytest.mark.requirement("turn.failure")
@pytest.mark.parametrize("stream", [False, True])
async def test_a_turn_that_takes_too_long_is_ended(ask: Ask, served, stream: bool) -> None:
    served.model.holds = {"slow"}
    host = AgentFrameworkHost(served.agent, channels=[EchoChannel()], config={"turn_timeout_seconds": 0.05})
    async with host:
        status, body = await ask(host, "slow", stream=stream)
        if stream:
            assert body[-1]["state"] == "failed"
        else:
            assert (status, body["code"]) == (504, "timeout")
        assert (await ask(host, "quick"))[0] == 200
    assert served.binder.held == 0


@pytest.mark.requirement("turn.timeout")
async def test_whoever_reads_a_stream_hears_that_it_took_too_long(served) -> None:
    served.model.holds = {"slow"}
    inbox = InboxChannel()
    async with AgentFrameworkHost(served.agent, channels=[inbox], config={"turn_timeout_seconds": 0.05}):
        identity = ChannelIdentity("inbox", "ada")
        reply = await inbox.context.dispatch(
            ChannelRequest("inbox", "message.create", "slow", identity=identity, stream=True)
        )
        with pytest.raises(TurnFailed, match="took too long"):
            async for _ in reply.stream:
                pass


# What the target sees, and what comes back


@pytest.mark.requirement("turn.envelope")
async def test_the_question_says_who_asked_and_the_answer_where_it_goes(served) -> None:
    inbox, echo = InboxChannel(), EchoChannel()
    async with host_of(served.agent_with_diary, inbox, echo) as host:
        await call(host.app, "POST", "/echo", json_body={"text": "one", "user": "ada"})
        identity = ChannelIdentity("inbox", "ada", {"room": 7})
        target = ResponseTarget.identities([ChannelIdentity("inbox", "bob"), ChannelIdentity("gone", "eve")])
        await inbox.context.dispatch(
            ChannelRequest("inbox", "message.create", "two", identity=identity, response_target=target)
        )
    first, second = served.diary.pages["echo:ada"], served.diary.pages["inbox:ada"]
    assert first[0].additional_properties["hosting"] == {
        "channel": "echo",
        "identity": {"channel": "echo", "native_id": "ada", "attributes": {}},
        "response_target": {"kind": "originating", "targets": [], "identities": [], "echo_input": False},
    }
    assert first[1].additional_properties["hosting"] == {
        "originating_channel": "echo",
        "includes_originating": True,
        "intended_targets": [],
        "skipped_targets": [],
    }
    assert second[0].additional_properties["hosting"]["identity"]["attributes"] == {"room": 7}
    assert second[1].additional_properties["hosting"] == {
        "originating_channel": "inbox",
        "includes_originating": False,
        "intended_targets": [{"channel": "inbox", "native_id": "bob"}],
        "skipped_targets": [{"target": "gone:eve", "reason": "unknown_channel"}],
    }


@pytest.mark.requirement("turn.options", "turn.fidelity")
async def test_options_reach_the_model_and_the_result_comes_back_whole(served) -> None:
    inbox = InboxChannel()
    async with host_of(served.agent, inbox):
        request = ChannelRequest(
            "inbox",
            "message.create",
            [Message("user", ["look"], message_id="u1")],
            identity=ChannelIdentity("inbox", "ada"),
            options={"temperature": 0.5, "max_tokens": 7},
        )
        outcome = await inbox.context.dispatch(request)
        plain = await inbox.context.dispatch(replace(request, options=None))
    assert (served.model.options[0]["temperature"], served.model.options[0]["max_tokens"]) == (0.5, 7)
    assert "temperature" not in served.model.options[1]
    assert isinstance(outcome, Reply)
    assert isinstance(outcome.result.result, AgentResponse)
    assert outcome.result.result.response_id == "r1"
    assert outcome.result.session.session_id == "inbox:ada"
    assert isinstance(plain, Reply)


@pytest.mark.requirement("hooks.response_hook")
async def test_each_destination_gets_its_own_copy_shaped_by_its_own_channel() -> None:
    log: list[str] = []

    class Signs:
        @hookimpl
        def response_hook(self, result, context):
            message = result.result.messages[0]
            message.contents[0].text += f" for {context.channel_name}"
            message.additional_properties["for"] = context.channel_name

    inbox, loud = InboxChannel(), LoudInbox(log)
    loud.name = "loud"
    async with host_of(EchoAgent(), inbox, loud, plugins=[Signs()]):
        to = ResponseTarget.identities([ChannelIdentity("inbox", "bob"), ChannelIdentity("loud", "eve")])
        request = ChannelRequest("inbox", "message.create", "hi", identity=ChannelIdentity("inbox", "ada"))
        outcome = await inbox.context.dispatch(replace(request, response_target=to))
        assert outcome.status_code == 202
        assert await inbox.wait_for(1) == [("bob", "1: hi for inbox")]
        assert await loud.wait_for(1) == [("eve", "1: hi for loud>inbox")]
    assert log == ["inbox authorize eve", "inbox response_hook loud answer False"]


@pytest.mark.requirement("hooks.policy")
async def test_a_policy_may_add_routes_and_lifecycle_of_its_own(ask: Ask) -> None:
    events: list[str] = []

    class Counter:
        @hookimpl
        def contribute_routes(self, context: ChannelContext) -> ChannelContribution:
            events.append("contributed")

            async def count(_: Request) -> JSONResponse:
                return JSONResponse({"agent": context.target.name})

            routes = [Route("/count", count)]
            return ChannelContribution(routes, on_startup=[lambda: events.append("up")], on_shutdown=[self.down])

        def down(self) -> None:
            events.append("down")

    async with host_of(EchoAgent(), plugins=[Counter()]) as host:
        assert (await call(host.app, "GET", "/count")).json() == {"agent": "echo"}
    assert events == ["contributed", "up", "down"]


# What the log says

SECRET_NAME, SECRET_TEXT = "Zed-ünusual-native-7731", "the-very-text-9914"


@pytest.mark.requirement("app.log-keys")
async def test_no_log_line_of_the_host_holds_a_key_an_id_or_a_text(
    ask: Ask, caplog: pytest.LogCaptureFixture, tmp_path
) -> None:
    caplog.set_level(logging.DEBUG)
    fail = True

    async def sometimes(_: str) -> None:
        if fail:
            raise RuntimeError("agent broke")

    channel, inbox = EchoChannel(), InboxChannel()
    inbox.failures = [RuntimeError("the platform broke")]
    host = host_of(EchoAgent(sometimes), channel, inbox, state_dir=tmp_path)
    async with host:
        context = inbox.context
        request = ChannelRequest("inbox", "message.create", SECRET_TEXT, identity=ChannelIdentity("inbox", SECRET_NAME))
        await ask(host, SECRET_TEXT, SECRET_NAME)
        await ask(host, SECRET_TEXT, SECRET_NAME, stream=True)
        await context.admit(request)
        assert await inbox.wait_for(1)
        fail = False
        await ask(host, SECRET_TEXT, SECRET_NAME, event_id=SECRET_NAME)
        await ask(host, SECRET_TEXT, SECRET_NAME, event_id=SECRET_NAME)
        await ask(host, SECRET_TEXT, SECRET_NAME, later=True, callback="http://example.org/x")
        await host.reset_session(f"echo:{SECRET_NAME}")
        channel.allowlist = NativeIdAllowlist([])
        await context.admit(request)
    shut = EchoChannel()
    shut.allowlist = NativeIdAllowlist(["nobody"])
    async with host_of(EchoAgent(), shut) as closed:
        await ask(closed, SECRET_TEXT, SECRET_NAME)
    own = [record for record in caplog.records if record.name.startswith("agent_framework_hosting")]
    assert {record.levelno for record in own} >= {logging.INFO, logging.ERROR}
    for record in own:
        if record.levelno >= logging.INFO:
            shown = record.getMessage() + repr({k: v for k, v in vars(record).items() if k != "exc_info"})
            assert SECRET_NAME not in shown, shown
            assert SECRET_TEXT not in shown, shown
