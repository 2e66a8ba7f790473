"""Where answers go: every target, from the HTTP edge to the platform, whole and streaming."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest
from agent_framework import Agent, BaseChatClient, ChatResponse, ChatResponseUpdate, Content, Message, ResponseStream

from agent_framework_hosting import (
    AllowlistDecision,
    CallableAllowlist,
    Channel,
    ChannelIdentity,
    ChannelRequest,
    ChannelResponseContext,
    HostedRunResult,
    ResponseTarget,
    hookimpl,
    result_text,
)
from agent_framework_hosting.testing import EchoAgent, InboxChannel, call

pytestmark = pytest.mark.anyio


class Redirect:
    """A policy that sends answers somewhere else, as an application's own code would."""

    def __init__(self, target: ResponseTarget) -> None:
        self.target = target

    @hookimpl
    def run_hook(self, request: ChannelRequest) -> ChannelRequest:
        return ChannelRequest(
            **{
                name: getattr(request, name)
                for name in ChannelRequest.__dataclass_fields__
                if name != "response_target"
            },
            response_target=self.target,
        )


def same_person(identity: ChannelIdentity) -> str:
    return f"person:{identity.native_id}"


async def resolver(identity: ChannelIdentity) -> str:
    return same_person(identity)


class Mute(Channel):
    name = "mute"
    path = "/mute"


def hosting(message: Message) -> dict[str, object]:
    return message.additional_properties["hosting"]


async def lines(world, text: str, **fields: object) -> list[dict[str, object]]:
    body = {"text": text, "user": "alice", "callback": world.platform.at("echo/alice"), "stream": True, **fields}
    answer = await call(world.host.app, "POST", "/echo", json_body=body)
    return [json.loads(line) for line in answer.body.splitlines()]


@pytest.mark.requirement("targets.kinds")
async def test_the_origin_is_answered_in_its_own_request(make_world) -> None:
    async with make_world() as world:
        answer = await world.say("hello")
    assert (answer["status"], answer["text"]) == (200, "1: hello")
    assert world.platform.posts == []


@pytest.mark.requirement("targets.kinds")
@pytest.mark.parametrize("target", ["second", "active"])
async def test_another_channel_gets_the_answer_and_the_origin_a_fixed_status(make_world, target: str) -> None:
    async with make_world(identity_resolver=resolver) as world:
        await world.say("before", channel="second")
        answer = await world.say("hello", target=target)
        assert await world.platform.wait_for("second/alice", 1) == ["2: hello"]
    assert answer.keys() == {"status", "outcome", "id"}
    assert (answer["status"], answer["outcome"]) == (202, "accepted")
    assert world.platform.texts("echo/alice") == []


@pytest.mark.requirement("targets.kinds")
async def test_none_runs_the_turn_and_shows_nothing(make_world) -> None:
    agent = EchoAgent()
    async with make_world(agent) as world:
        answer = await world.say("quietly", target="none")
        await world.settled()
    assert answer["status"] == 202
    assert agent.texts == ["quietly"]
    assert world.platform.posts == []


@pytest.mark.requirement("targets.kinds")
async def test_everywhere_the_person_is_known(make_world) -> None:
    inbox = InboxChannel()
    async with make_world(identity_resolver=resolver, channels=[inbox]) as world:
        await world.say("first", channel="second")
        await inbox.context.dispatch(
            ChannelRequest("inbox", "message.create", "second", identity=ChannelIdentity("inbox", "alice"))
        )
        answer = await world.say("third", target="all_linked")
        assert await world.platform.wait_for("second/alice", 1) == ["3: third"]
        assert await inbox.wait_for(1) == [("alice", "3: third")]
    assert answer["text"] == "3: third"


@pytest.mark.requirement("targets.kinds")
async def test_active_is_the_latest_other_use_before_this_turn(make_world) -> None:
    inbox = InboxChannel()
    async with make_world(identity_resolver=resolver, channels=[inbox]) as world:
        await inbox.context.dispatch(
            ChannelRequest("inbox", "message.create", "one", identity=ChannelIdentity("inbox", "alice"))
        )
        await world.say("two", channel="second")
        await world.say("three")
        await world.say("four", target="active")
        assert await world.platform.wait_for("second/alice", 1) == ["4: four"]
        assert inbox.inbox == []


@pytest.mark.requirement("targets.kinds")
async def test_an_active_channel_outside_the_window_does_not_count(make_world) -> None:
    settings = {"active_window_minutes": 0}
    async with make_world(identity_resolver=resolver, settings=settings) as world:
        await world.say("one", channel="second")
        answer = await world.say("two", target="active")
    assert answer["text"] == "2: two"


@pytest.mark.requirement("targets.kinds")
async def test_identities_are_taken_verbatim(make_world, platform) -> None:
    bob = ChannelIdentity("second", "bob", {"callback": platform.at("elsewhere")})
    policy = Redirect(ResponseTarget.identities([bob]))
    async with make_world(plugins=[policy]) as world:
        answer = await world.say("for bob")
        assert await platform.wait_for("elsewhere", 1) == ["1: for bob"]
    assert answer["outcome"] == "accepted"


@pytest.mark.requirement("targets.kinds")
async def test_originating_among_channels_means_the_asker(make_world) -> None:
    policy = Redirect(ResponseTarget.channels(["originating", "second"]))
    async with make_world(identity_resolver=resolver, plugins=[policy]) as world:
        await world.say("one", channel="second")
        answer = await world.say("two")
        assert await world.platform.wait_for("second/alice", 1) == ["2: two"]
    assert answer["text"] == "2: two"


@pytest.mark.requirement("targets.echo")
async def test_an_echo_goes_ahead_of_the_answer_and_its_role_tells_them_apart(make_world) -> None:
    policy = Redirect(ResponseTarget.channel("second", echo_input=True))
    async with make_world(identity_resolver=resolver, plugins=[policy]) as world:
        await world.say("one", channel="second")
        await world.say("two")
        assert await world.platform.wait_for("second/alice", 2) == ["two", "2: two"]
        assert [post.body["role"] for post in world.platform.posts] == ["user", "assistant"]


@pytest.mark.requirement("targets.skipped")
@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("nowhere", {"target": "nowhere", "reason": "unknown_channel"}),
        ("mute", {"target": "mute", "reason": "channel_cannot_push"}),
        ("second", {"target": "second", "reason": "unknown_address"}),
        ("active", {"target": "active", "reason": "no_active_channel"}),
    ],
)
async def test_what_cannot_be_reached_is_skipped_with_a_reason_and_the_origin_gets_it(
    make_world, target: str, reason: dict[str, str]
) -> None:
    seen: list[dict[str, object]] = []

    class Watch:
        @hookimpl
        def response_hook(self, result: HostedRunResult) -> None:
            seen.append(hosting(result.result.messages[0]))

    async with make_world(plugins=[Watch()], channels=[Mute()]) as world:
        answer = await world.say("anyone?", target=target)
    assert answer["text"] == "1: anyone?"
    assert seen == [
        {
            "originating_channel": "echo",
            "includes_originating": True,
            "intended_targets": [],
            "skipped_targets": [reason],
        }
    ]


@pytest.mark.requirement("targets.skipped")
async def test_an_address_the_policy_refuses_is_skipped(make_world, platform) -> None:
    def judge(context) -> AllowlistDecision:
        return AllowlistDecision.DENY if context.identity.native_id == "mallory" else AllowlistDecision.ALLOW

    policy = Redirect(
        ResponseTarget.identities(
            [
                ChannelIdentity("second", "mallory", {"callback": platform.at("mallory")}),
                ChannelIdentity("second", "bob", {"callback": platform.at("bob")}),
            ]
        )
    )
    agent = EchoAgent()
    async with make_world(agent, plugins=[policy], default_allowlist=CallableAllowlist(judge)) as world:
        await world.say("to both")
        assert await platform.wait_for("bob", 1) == ["1: to both"]
        await world.settled()
    assert platform.texts("mallory") == []


@pytest.mark.requirement("targets.streams")
@pytest.mark.parametrize("target", ["none", "active", "second"])
async def test_a_streaming_answer_bound_elsewhere_never_shows_at_the_origin(make_world, target: str) -> None:
    async with make_world(identity_resolver=resolver) as world:
        await world.say("before", channel="second")
        body = {"text": "secret", "user": "alice", "stream": True, "target": target}
        answer = await call(world.host.app, "POST", "/echo", json_body=body)
        if target != "none":
            assert await world.platform.wait_for("second/alice", 1) == ["2: secret"]
    assert answer.status == 202
    shown = answer.json()
    assert shown.keys() == {"outcome", "id"}
    assert "secret" not in answer.body.decode()


@pytest.mark.requirement("targets.streams")
async def test_a_stream_that_belongs_here_and_elsewhere_goes_to_both(make_world) -> None:
    async with make_world(identity_resolver=resolver) as world:
        await world.say("before", channel="second")
        shown = await lines(world, "for all", target="all_linked")
        assert await world.platform.wait_for("second/alice", 1) == ["2: for all"]
    assert [line.get("state") for line in shown[:-1]] == ["partial"] * (len(shown) - 1)
    assert shown[-1]["text"] == "2: for all"


class Parrot(BaseChatClient):
    """A model that repeats the last message, whole or in two pieces."""

    def _inner_get_response(self, *, messages, stream, options, **_: object):
        text = messages[-1].text
        if stream:
            return ResponseStream(self._pieces(text), finalizer=ChatResponse.from_updates)
        return self._whole(text)

    async def _whole(self, text: str) -> ChatResponse:
        return ChatResponse(messages=[Message("assistant", [text])])

    async def _pieces(self, text: str) -> AsyncIterator[ChatResponseUpdate]:
        for piece in (text[:2], text[2:]):
            yield ChatResponseUpdate(contents=[Content.from_text(piece)], role="assistant")


@pytest.mark.requirement("targets.envelope")
@pytest.mark.parametrize("stream", [False, True])
async def test_history_keeps_who_spoke_and_where_the_answer_was_to_go(make_world, platform, stream: bool) -> None:
    agent = Agent(client=Parrot(), name="parrot")
    inbox = InboxChannel()
    async with make_world(agent, identity_resolver=resolver, channels=[inbox]) as world:
        await world.say("first", channel="second")
        fields = {"target": "all_linked"}
        await (lines(world, "hello", **fields) if stream else world.say("hello", **fields))
        await platform.wait_for("second/alice", 1)
        stored: list[Message] = []

        class Look(Channel):
            pass

        outcome = await inbox.context.dispatch(
            ChannelRequest("inbox", "message.create", "last", identity=ChannelIdentity("inbox", "alice"))
        )
        session = outcome.result.session
        for state in session.state.values():
            stored += state.get("messages", [])
    asked, answered = stored[2], stored[3]
    assert (asked.role, asked.text, answered.role, answered.text) == ("user", "hello", "assistant", "hello")
    assert hosting(asked)["channel"] == "echo"
    assert hosting(asked)["identity"]["native_id"] == "alice"
    assert hosting(asked)["response_target"]["kind"] == "all_linked"
    assert hosting(answered) == {
        "originating_channel": "echo",
        "includes_originating": True,
        "intended_targets": [{"channel": "second", "native_id": "alice"}],
        "skipped_targets": [],
    }


@pytest.mark.requirement("targets.streams")
async def test_a_stream_whose_reader_goes_away_frees_the_lane_and_counts_as_failed(make_world) -> None:
    inbox = InboxChannel()
    async with make_world(channels=[inbox]) as world:
        for way in ("closed before it is read", "closed in the middle", "dropped"):
            request = ChannelRequest(
                "inbox",
                "message.create",
                "a b c",
                identity=ChannelIdentity("inbox", "alice"),
                stream=True,
                event_id=way,
            )
            outcome = await inbox.context.dispatch(request)
            if way == "closed in the middle":
                await anext(aiter(outcome.stream))
            if way != "dropped":
                await outcome.stream.close()
            del outcome
        answer = await inbox.context.dispatch(
            ChannelRequest("inbox", "message.create", "next", identity=ChannelIdentity("inbox", "alice"))
        )
        counts = await world.settled()
    assert result_text(answer.result).endswith(": next")
    assert (counts["accepted"], counts["answered"], counts["failed"]) == (4, 1, 3)


@pytest.mark.requirement("targets.failures")
async def test_a_destination_that_cannot_be_scheduled_is_left_out_and_nothing_falls_back(make_world) -> None:
    class Broken(Channel):
        name, path = "broken", "/broken"

        class push_codec:  # noqa: N801 - an attribute of the channel
            @staticmethod
            async def encode(**_: object) -> dict[str, object]:
                raise RuntimeError("cannot encode")

        @hookimpl
        def push(self, identity: ChannelIdentity, payload: HostedRunResult) -> None: ...

    policy = Redirect(ResponseTarget.identities([ChannelIdentity("broken", "x"), ChannelIdentity("inbox", "bob")]))
    inbox = InboxChannel()
    async with make_world(plugins=[policy], channels=[Broken(), inbox]) as world:
        both = await world.say("to two")
        assert await inbox.wait_for(1) == [("bob", "1: to two")]
        policy.target = ResponseTarget.identity(ChannelIdentity("broken", "x"))
        alone = await world.say("to one")
        await world.settled()
    assert both["outcome"] == alone["outcome"] == "accepted"
    assert world.platform.posts == []


@pytest.mark.requirement("targets.kinds")
@pytest.mark.parametrize("durable", [False, True])
async def test_response_hooks_of_a_delivery_hear_whether_it_goes_back_to_who_asked(make_world, durable: bool) -> None:
    heard: dict[str, bool] = {}

    class Listener:
        @hookimpl
        def response_hook(self, context: ChannelResponseContext) -> None:
            assert context.destination_identity is not None
            heard[context.destination_identity.native_id] = context.originating

    inbox, target = InboxChannel(), ResponseTarget.identity(ChannelIdentity("inbox", "bob"))
    async with make_world(plugins=[Listener()], channels=[inbox], durable=durable) as world:
        identity = ChannelIdentity("inbox", "alice")
        await inbox.context.admit(ChannelRequest("inbox", "message.create", "home", identity=identity))
        await inbox.context.admit(
            ChannelRequest("inbox", "message.create", "away", identity=identity, response_target=target)
        )
        await inbox.wait_for(2)
        await world.settled()
    assert heard == {"alice": True, "bob": False}
