from __future__ import annotations

import asyncio
import dataclasses
import logging
from collections.abc import Callable
from types import ModuleType

import pytest
from agent_framework import AgentResponse, Message

from agent_framework_hosting.errors import PermanentPushError, PluginError, RetryLater
from agent_framework_hosting.hookspecs import Channel, hookimpl
from agent_framework_hosting.model.contribution import ChannelContribution
from agent_framework_hosting.model.identity import ChannelIdentity
from agent_framework_hosting.model.request import ChannelRequest
from agent_framework_hosting.model.result import ChannelResponseContext, HostedRunResult, result_text
from agent_framework_hosting.model.verdict import AllowlistDecision, AuthorizationContext
from agent_framework_hosting.plugins.manager import PluginManager

ALLOW, DENY, ABSTAIN = AllowlistDecision.ALLOW, AllowlistDecision.DENY, AllowlistDecision.ABSTAIN
ANN = ChannelIdentity("wire", "ann")
CONTEXT = AuthorizationContext(ANN)
REQUEST = ChannelRequest("wire", "message.create", "hi", identity=ANN, event_id="e1")


class Wire(Channel):
    def __init__(self, name: str = "wire") -> None:
        self.name = name


class Voter:
    """Vote the same way each time, and remember who was asked about."""

    def __init__(self, vote: object) -> None:
        self.vote = vote
        self.asked: list[ChannelIdentity] = []

    @hookimpl
    def authorize(self, identity: ChannelIdentity):
        self.asked.append(identity)
        if isinstance(self.vote, Exception):
            raise self.vote
        return self.vote


class AsyncVoter(Voter):
    @hookimpl
    async def authorize(self, identity: ChannelIdentity, context: AuthorizationContext):
        await asyncio.sleep(0)
        return Voter.authorize(self, context.identity)


class VotingWire(Wire):
    def __init__(self, vote: object, name: str = "wire") -> None:
        super().__init__(name)
        self.voter = Voter(vote)

    @hookimpl
    async def authorize(self, identity: ChannelIdentity):
        return self.voter.authorize(identity)


def manager_of(*plugins: object) -> PluginManager:
    manager = PluginManager()
    for plugin in plugins:
        if isinstance(plugin, Channel):
            manager.add_channel(plugin)
        else:
            manager.add_policy(plugin)
    return manager


def result_of(text: str) -> HostedRunResult[AgentResponse]:
    return HostedRunResult(AgentResponse(messages=[Message("assistant", [text])]))


# Registration


def test_channels_and_policies_keep_their_registration_order() -> None:
    channels, policies = [Wire("b"), Wire("a")], [Voter(None), AsyncVoter(None)]
    manager = manager_of(*channels, *policies)

    assert list(manager.channels) == channels
    assert [policy for _, policy in manager.policies] == policies
    assert manager.channel("a") is channels[1]
    assert manager.knows("b")
    assert not manager.knows("c")


def test_an_unknown_channel_is_named_with_those_there_are() -> None:
    with pytest.raises(PluginError, match=r"no channel 'c'; its channels are: a, b$"):
        manager_of(Wire("b"), Wire("a")).channel("c")


@pytest.mark.parametrize("name", ["", "Wire", "a b", "-a", "_a", "a/b", "a.b", "ä", "active", "none", "originating", 7])
def test_a_channel_needs_a_plain_name(name: str) -> None:
    with pytest.raises(PluginError, match=r"^Wire has the name .*; a channel's name is of \[a-z0-9_-\]"):
        manager_of(Wire(name))


@pytest.mark.parametrize("name", ["a", "7", "sales-bot", "sales_bot2"])
def test_a_plain_name_is_taken(name: str) -> None:
    assert manager_of(Wire(name)).channel(name).name == name


@pytest.mark.requirement("discovery.twice")
def test_one_plugin_twice_under_two_names_works() -> None:
    assert [channel.name for channel in manager_of(Wire("telegram"), Wire("sales-bot")).channels] == [
        "telegram",
        "sales-bot",
    ]


def test_a_duplicate_name_is_refused() -> None:
    with pytest.raises(PluginError, match=r"^Channel 'wire' is there already; give one of the two another name"):
        manager_of(Wire(), Wire())


def test_an_instance_twice_is_refused() -> None:
    wire = Wire()
    manager = manager_of(wire)
    wire.name = "other"
    with pytest.raises(PluginError, match=r"^Channel 'other' is there already as Channel 'wire'; give each its own"):
        manager.add_channel(wire)


def test_something_else_is_no_channel() -> None:
    with pytest.raises(PluginError, match="is not a Channel; give an instance of a subclass of Channel"):
        PluginManager().add_channel(Voter(None))
    with pytest.raises(PluginError, match="is not a Channel; give an instance of a subclass of Channel"):
        PluginManager().add_channel(Wire)


def test_a_policy_name_is_taken_once() -> None:
    manager = PluginManager()
    manager.add_policy(Voter(None), "quota")
    with pytest.raises(PluginError, match=r"^Policy 'quota' is there already; give one of the two another name"):
        manager.add_policy(Voter(None), "quota")


def test_unnamed_policies_of_one_type_get_names_of_their_own() -> None:
    names = [name for name, _ in manager_of(Voter(None), Voter(None), Voter(None)).policies]
    assert len(set(names)) == 3
    assert all("Voter" in name for name in names)


def test_a_policy_without_a_hook_is_refused() -> None:
    with pytest.raises(PluginError, match=r"implements no hook; mark at least one method with @hookimpl"):
        manager_of(object())


# authorize


@pytest.mark.requirement("hooks.authorize")
@pytest.mark.anyio
@pytest.mark.parametrize(
    ("votes", "decision"),
    [
        ([], ABSTAIN),
        ([None], ABSTAIN),
        ([ABSTAIN, None], ABSTAIN),
        ([None, ALLOW], ALLOW),
        ([ALLOW, ABSTAIN], ALLOW),
        ([ALLOW, DENY], DENY),
        ([DENY, ALLOW], DENY),
        ([ALLOW, RuntimeError()], DENY),
        ([True], DENY),
        (["allow"], DENY),
    ],
)
@pytest.mark.parametrize("kind", [Voter, AsyncVoter])
async def test_one_denial_or_error_refuses_and_one_allow_is_no_objection(
    kind: type[Voter], votes: list[object], decision: AllowlistDecision
) -> None:
    manager = manager_of(Wire(), *(kind(vote) for vote in votes))
    assert await manager.authorize(ANN, CONTEXT) is decision


@pytest.mark.anyio
async def test_the_channel_and_every_policy_are_asked_until_a_denial() -> None:
    channel, first, denies, never = VotingWire(ALLOW), Voter(None), Voter(DENY), Voter(ALLOW)

    assert await manager_of(channel, first, denies, never).authorize(ANN, CONTEXT) is DENY
    assert [len(voter.asked) for voter in (channel.voter, first, denies, never)] == [1, 1, 1, 0]


@pytest.mark.requirement("hooks.policy")
@pytest.mark.anyio
async def test_a_channel_votes_on_its_own_identities_only() -> None:
    wire, other = VotingWire(ALLOW, "wire"), VotingWire(DENY, "other")

    assert await manager_of(wire, other).authorize(ANN, CONTEXT) is ALLOW
    assert other.voter.asked == []


@pytest.mark.requirement("hooks.policy")
@pytest.mark.anyio
async def test_policies_vote_on_channels_without_an_authorize_of_their_own() -> None:
    assert await manager_of(VotingWire(ALLOW, "other"), Wire(), Voter(DENY)).authorize(ANN, CONTEXT) is DENY


@pytest.mark.anyio
async def test_an_error_in_authorize_is_logged_with_its_plugin_and_without_the_speaker(caplog) -> None:
    manager = PluginManager()
    manager.add_policy(Voter(KeyError("lost")), "quota")

    with caplog.at_level(logging.DEBUG):
        assert await manager.authorize(ChannelIdentity("wire", "id-4711"), CONTEXT) is DENY

    (record,) = (each for each in caplog.records if each.levelno > logging.DEBUG)
    assert record.levelno == logging.WARNING
    assert record.getMessage() == "Policy 'quota' failed in authorize, which counts as DENY; repair or remove it"
    assert record.exc_info is not None
    assert "4711" not in caplog.text


@pytest.mark.anyio
async def test_each_call_is_a_debug_line_that_names_hook_and_plugin_and_nothing_said(caplog) -> None:
    manager = PluginManager()
    manager.add_channel(TaggingWire())
    manager.add_policy(Tagger("-1"), "tags")
    said = dataclasses.replace(REQUEST, input="secret-4711")

    with caplog.at_level(logging.DEBUG, "agent_framework_hosting"):
        await manager.run_hook(said, "agent")

    assert [record.getMessage() for record in caplog.records] == [
        "Calling run_hook of Channel 'wire'",
        "Calling run_hook of Policy 'tags'",
    ]
    assert "4711" not in str([vars(record) for record in caplog.records])


@pytest.mark.anyio
async def test_cancelling_a_vote_is_no_vote() -> None:
    asked = asyncio.Event()

    class Slow:
        @hookimpl
        async def authorize(self):
            asked.set()
            await asyncio.Event().wait()

    turn = asyncio.create_task(manager_of(Slow()).authorize(ANN, CONTEXT))
    await asked.wait()
    turn.cancel()
    with pytest.raises(asyncio.CancelledError):
        await turn


# Arguments


def hook_with(signature: str, mark: object = hookimpl) -> object:
    """Build a policy whose run_hook has this signature and returns what it was given."""
    scope: dict[str, object] = {}
    exec(f"def run_hook({signature}):\n    seen.append(dict(locals()))", {"seen": (seen := [])}, scope)  # noqa: S102
    policy = type("Rule", (), {"run_hook": mark(scope["run_hook"])})()
    policy.seen = seen
    return policy


@pytest.mark.requirement("hooks.sync-or-async")
@pytest.mark.anyio
@pytest.mark.parametrize(
    ("signature", "given"),
    [
        ("self, request, target, protocol_request", ["protocol_request", "request", "target"]),
        ("self, protocol_request, request", ["protocol_request", "request"]),
        ("self, target", ["target"]),
        ("self", []),
        ("self, request, target=None, protocol_request=None", ["protocol_request", "request", "target"]),
        ("self, *, protocol_request", ["protocol_request"]),
        ("self, request, /", ["request"]),
        ("self, request, **rest", ["request", "rest"]),
        ("self, *args, **rest", ["args", "rest"]),
    ],
)
async def test_a_hook_gets_the_arguments_it_declares(signature: str, given: list[str]) -> None:
    policy = hook_with(signature)
    request = dataclasses.replace(REQUEST, attributes={"protocol_request": "raw"})
    offered = {"request": request, "target": "agent", "protocol_request": "raw"}

    assert await manager_of(Wire(), policy).run_hook(request, "agent") is request

    (seen,) = policy.seen
    del seen["self"]
    assert sorted(seen) == given
    rest = seen.pop("rest", None)
    assert seen.pop("args", ()) == ()
    assert {name: offered[name] for name in seen} == seen
    if rest is not None:
        assert rest == {name: value for name, value in offered.items() if name not in seen}


@pytest.mark.anyio
async def test_static_class_and_module_functions_are_hooks_too() -> None:
    class Static:
        @hookimpl
        @staticmethod
        def authorize(identity):
            return ALLOW if identity == ANN else None

    class ClassMethod:
        @hookimpl
        @classmethod
        def authorize(cls, context):
            return ALLOW if context is CONTEXT else None

    module = ModuleType("rules")
    module.authorize = hookimpl(lambda identity: ALLOW)

    for plugin in (Static(), ClassMethod(), module):
        assert await manager_of(plugin).authorize(ANN, CONTEXT) is ALLOW


@pytest.mark.anyio
async def test_a_method_of_another_name_may_implement_a_hook() -> None:
    class Named:
        @hookimpl(specname="authorize")
        def may_they(self, identity):
            return DENY

    assert await manager_of(Named()).authorize(ANN, CONTEXT) is DENY


# run_hook


class Tagger:
    """Append a tag to the input."""

    def __init__(self, tag: str) -> None:
        self.tag = tag

    @hookimpl
    def run_hook(self, request: ChannelRequest):
        return dataclasses.replace(request, input=f"{request.input}{self.tag}")


class TaggingWire(Wire):
    @hookimpl
    async def run_hook(self, request: ChannelRequest):
        await asyncio.sleep(0)
        return dataclasses.replace(request, input=f"{request.input}-{self.name}")


def tagger(tag: str, **mark: bool) -> object:
    class Marked(Tagger):
        @hookimpl(**mark)
        def run_hook(self, request: ChannelRequest):
            return dataclasses.replace(request, input=f"{request.input}{self.tag}")

    return Marked(tag)


@pytest.mark.requirement("hooks.run_hook")
@pytest.mark.anyio
async def test_run_hooks_are_chained_own_channel_first_then_policies_in_order() -> None:
    manager = manager_of(Tagger("-1"), TaggingWire("other"), TaggingWire(), Tagger("-2"))
    assert (await manager.run_hook(REQUEST, "agent")).input == "hi-wire-1-2"


@pytest.mark.requirement("hooks.order")
@pytest.mark.anyio
async def test_tryfirst_and_trylast_move_policies_within_the_policies() -> None:
    last, second = tagger("-last", trylast=True), tagger("-2")
    early, earlier = tagger("-early", tryfirst=True), tagger("-later", tryfirst=True)
    manager = manager_of(last, TaggingWire(), tagger("-1"), early, second, earlier, tagger("-end", trylast=True))

    assert (await manager.run_hook(REQUEST, "agent")).input == "hi-wire-early-later-1-2-last-end"


@pytest.mark.anyio
async def test_none_leaves_the_request_as_it_is() -> None:
    class Quiet:
        @hookimpl
        async def run_hook(self):
            return None

    assert await manager_of(Wire(), Quiet()).run_hook(REQUEST, "agent") is REQUEST


@pytest.mark.anyio
@pytest.mark.parametrize(
    "change",
    [
        {"channel": "other"},
        {"identity": ChannelIdentity("wire", "bob")},
        {"identity": ChannelIdentity("wire", "ann", {"callback": "elsewhere"})},
        {"identity": None},
        {"event_id": "e2"},
    ],
)
async def test_channel_identity_and_event_id_are_pinned(change: dict[str, object]) -> None:
    class Changes:
        @hookimpl
        def run_hook(self, request):
            return dataclasses.replace(request, **change)

    manager = PluginManager()
    manager.add_policy(Changes(), "changes")
    with pytest.raises(PluginError) as refusal:
        await manager.run_hook(REQUEST, "agent")
    assert str(refusal.value) == f"Policy 'changes' changed {next(iter(change))!r} in run_hook; leave it as it was"


@pytest.mark.anyio
async def test_later_hooks_see_the_wires_own_request_whatever_earlier_ones_did_to_the_attributes() -> None:
    class Strips:
        @hookimpl
        def run_hook(self, request):
            return dataclasses.replace(request, attributes={})

    sees = hook_with("self, protocol_request")
    request = dataclasses.replace(REQUEST, attributes={"protocol_request": "raw"})
    await manager_of(Strips(), sees).run_hook(request, "agent")

    assert [seen["protocol_request"] for seen in sees.seen] == ["raw"]


@pytest.mark.anyio
@pytest.mark.parametrize(("hook", "wanted"), [("run_hook", "ChannelRequest"), ("response_hook", "HostedRunResult")])
async def test_an_answer_of_another_type_names_the_plugin(hook: str, wanted: str) -> None:
    policy = type("Wrong", (), {hook: hookimpl(lambda self: "text")})()
    manager = PluginManager()
    manager.add_policy(policy, "wrong")
    call: dict[str, Callable[[], object]] = {
        "run_hook": lambda: manager.run_hook(REQUEST, "agent"),
        "response_hook": lambda: manager.response_hook(
            result_of("x"), ChannelResponseContext(REQUEST, "wire", ANN, True)
        ),
    }
    with pytest.raises(PluginError) as refusal:
        await call[hook]()
    assert str(refusal.value) == f"Policy 'wrong' returned str from {hook}; return {wanted} or None"


@pytest.mark.anyio
async def test_an_error_in_run_hook_passes_with_a_note_on_who_raised_it() -> None:
    class Over:
        @hookimpl
        async def run_hook(self):
            raise LookupError("quota")

    manager = PluginManager()
    manager.add_policy(Over(), "quota")
    with pytest.raises(LookupError) as raised:
        await manager.run_hook(REQUEST, "agent")
    assert raised.value.__notes__ == ["Raised by run_hook of Policy 'quota'."]


# response_hook


class Shouter:
    """Change the text in place, as a careless hook does."""

    @hookimpl
    def response_hook(self, result: HostedRunResult[AgentResponse]):
        result.result.messages[0].contents[0].text += "!"
        result.result.messages.append(Message("assistant", ["more"]))
        result.result.additional_properties["seen"] = True


class ReplyingWire(Wire):
    @hookimpl
    async def response_hook(self, result: HostedRunResult[AgentResponse], context: ChannelResponseContext):
        where = f"{self.name}/{context.destination_identity.native_id}"
        return result.replace(result=AgentResponse(messages=[Message("assistant", [result_text(result) + where])]))


@pytest.mark.requirement("hooks.response_hook")
@pytest.mark.anyio
async def test_response_hooks_are_chained_policies_first_then_the_destinations_own() -> None:
    manager = manager_of(ReplyingWire(), ReplyingWire("other"), Shouter())
    to_other = ChannelResponseContext(REQUEST, "other", ChannelIdentity("other", "bob"), False)

    assert result_text(await manager.response_hook(result_of("hi"), to_other)) == "hi!moreother/bob"


@pytest.mark.requirement("hooks.response_hook")
@pytest.mark.anyio
async def test_each_destination_has_its_own_copy() -> None:
    manager, answer = manager_of(Wire(), Shouter()), result_of("hi")
    before = answer.result.to_dict()
    context = ChannelResponseContext(REQUEST, "wire", ANN, True)

    first = await manager.response_hook(answer, context)
    second = await manager.response_hook(answer, context)

    assert [result_text(each) for each in (first, second)] == ["hi!more"] * 2
    assert answer.result.to_dict() == before


@pytest.mark.anyio
async def test_without_a_response_hook_the_answer_is_passed_on_as_it_is() -> None:
    manager, answer = manager_of(Wire(), ReplyingWire("other")), result_of("hi")

    assert [manager.shapes_responses(name) for name in ("wire", "other", "unknown")] == [False, True, False]
    assert await manager.response_hook(answer, ChannelResponseContext(REQUEST, "wire", ANN, True)) is answer
    manager.add_policy(Shouter())
    assert manager.shapes_responses("wire")


# push


class PushingWire(Wire):
    def __init__(self, answer: object) -> None:
        super().__init__()
        self.answer = answer

    @hookimpl
    async def push(self, payload: HostedRunResult[AgentResponse], identity: ChannelIdentity):
        if isinstance(self.answer, Exception):
            raise self.answer
        return f"{identity.native_id}:{result_text(payload)}" if self.answer == "echo" else self.answer


@pytest.mark.requirement("hooks.push")
@pytest.mark.anyio
@pytest.mark.parametrize(("answer", "receipt"), [("echo", "ann:hi"), (None, None), (42, "42")])
async def test_push_goes_to_the_owning_channel_and_returns_its_receipt(answer: object, receipt: str | None) -> None:
    class Intruder:
        @hookimpl
        def push(self):
            raise AssertionError("a policy never pushes")

    manager = manager_of(PushingWire(answer), Wire("other"), Intruder())
    assert [manager.can_push(name) for name in ("wire", "other", "gone")] == [True, False, False]
    assert await manager.push(ANN, result_of("hi")) == receipt


@pytest.mark.anyio
async def test_what_push_raises_passes_unchanged() -> None:
    error = RetryLater(3)
    with pytest.raises(RetryLater) as raised:
        await manager_of(PushingWire(error)).push(ANN, result_of("hi"))
    assert raised.value is error


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("channel", "fault"), [("gone", "is not enabled in this host; enable it"), ("other", "does not implement push")]
)
async def test_a_push_nobody_can_make_is_not_retried(channel: str, fault: str) -> None:
    with pytest.raises(PermanentPushError) as raised:
        await manager_of(Wire("other")).push(ChannelIdentity(channel, "x"), result_of("hi"))
    assert str(raised.value) == f"Channel {channel!r} {fault}, then replay the delivery"


# contribute_routes


class Contributing(Wire):
    def __init__(self, contribution: object) -> None:
        super().__init__()
        self.contribution = contribution
        self.context: object = None

    @hookimpl
    def contribute_routes(self, context):
        self.context = context
        if isinstance(self.contribution, Exception):
            raise self.contribution
        return self.contribution


@pytest.mark.requirement("hooks.contribute_routes")
@pytest.mark.parametrize("contribution", [ChannelContribution(), None])
def test_a_plugin_contributes_with_its_own_context(contribution: ChannelContribution | None) -> None:
    channel, context = Contributing(contribution), object()
    assert manager_of(channel).contribute(channel, context) is contribution
    assert channel.context is context


def test_a_plugin_without_the_hook_contributes_nothing() -> None:
    channel = Wire()
    assert manager_of(channel).contribute(channel, object()) is None


def test_a_contribution_of_another_type_names_the_plugin() -> None:
    channel = Contributing([])
    with pytest.raises(PluginError, match="returned list from contribute_routes; return ChannelContribution or None"):
        manager_of(channel).contribute(channel, object())


def test_an_error_in_contribute_routes_passes_with_a_note() -> None:
    channel = Contributing(OSError("no"))
    with pytest.raises(OSError, match="no") as raised:
        manager_of(channel).contribute(channel, object())
    assert raised.value.__notes__ == ["Raised by contribute_routes of Channel 'wire'."]


# Awkward plugins


@pytest.mark.requirement("hooks.unhashable")
@pytest.mark.anyio
async def test_unhashable_and_equal_policies_are_told_apart_by_identity() -> None:
    @dataclasses.dataclass
    class Equal:
        tag: str = "!"

        @hookimpl
        def run_hook(self, request):
            return dataclasses.replace(request, input=request.input + self.tag)

    class Incomparable(Tagger):
        __hash__ = None

        def __eq__(self, other: object) -> bool:
            raise TypeError("no comparing")

    manager = manager_of(Incomparable("?"), Equal(), Equal(), Incomparable("?"))
    assert (await manager.run_hook(REQUEST, "agent")).input == "hi?!!?"


@pytest.mark.anyio
async def test_a_property_that_raises_is_not_evaluated() -> None:
    class Touchy(Voter):
        @property
        def connection(self):
            raise ConnectionError("not yet open")

    assert await manager_of(Touchy(ALLOW)).authorize(ANN, CONTEXT) is ALLOW
