from __future__ import annotations

import pytest

from agent_framework_hosting.authorization.allowlists import (
    AllOfAllowlists,
    AllowAll,
    AnyOfAllowlists,
    CallableAllowlist,
    LinkedClaimAllowlist,
    NativeIdAllowlist,
)
from agent_framework_hosting.authorization.decide import AccessRules
from agent_framework_hosting.authorization.validate import channels_named, check_access, check_people
from agent_framework_hosting.errors import ChannelConfigurationError
from agent_framework_hosting.hookspecs import Channel
from agent_framework_hosting.host import AgentFrameworkHost
from agent_framework_hosting.model.identity import ChannelIdentity
from agent_framework_hosting.model.verdict import AllowlistDecision, AuthorizationContext, LinkedIdentity
from agent_framework_hosting.ports import IdentityAllowlist
from agent_framework_hosting.testing import EchoAgent

CLAIM = LinkedClaimAllowlist("email", ["a@x"])


def channel(name: str = "bot", **settings: object) -> Channel:
    made = Channel()
    made.name = name
    for setting, value in settings.items():
        setattr(made, setting, value)
    return made


def rules_of(
    *channels: Channel, default: IdentityAllowlist | None = None, links: bool = False
) -> dict[str, AccessRules]:
    return dict(check_access(channels, default_allowlist=default, links=links))


def refused(*channels: Channel, default: object = None, links: bool = False) -> str:
    with pytest.raises(ChannelConfigurationError) as caught:
        check_access(channels, default_allowlist=default, links=links)  # type: ignore[arg-type]
    return str(caught.value)


def test_each_channel_gets_its_own_list_the_default_or_none() -> None:
    own, default = NativeIdAllowlist(["1"]), NativeIdAllowlist(["2"])
    rules = rules_of(
        channel("a"),
        channel("b", allowlist=None),
        channel("c", allowlist=own, require_link=True),
        default=default,
        links=True,
    )
    assert rules == {"a": AccessRules("a", default), "b": AccessRules("b"), "c": AccessRules("c", own, True)}


def test_without_anything_configured_the_door_is_open() -> None:
    assert rules_of(channel()) == {"bot": AccessRules("bot")}


@pytest.mark.requirement("access.construction")
@pytest.mark.parametrize(
    "allowlist", [CLAIM, AnyOfAllowlists(NativeIdAllowlist(["1"]), AllOfAllowlists(AllowAll(), CLAIM))]
)
def test_claims_that_nobody_can_supply_are_refused(allowlist: IdentityAllowlist) -> None:
    message = refused(channel(allowlist=allowlist))
    assert "'bot'" in message
    assert type(allowlist).__name__ in message
    assert "identity_linker" in message
    assert "default_allowlist" in refused(channel(), default=allowlist)
    assert rules_of(channel(allowlist=allowlist), links=True)
    assert rules_of(channel(allowlist=allowlist, emits_verified_claims=True))
    assert rules_of(channel(allowlist=None), default=allowlist)


@pytest.mark.requirement("access.construction")
def test_require_link_without_a_linker_is_refused() -> None:
    message = refused(channel(require_link=True))
    assert "'bot'" in message
    assert "identity_linker" in message


@pytest.mark.requirement("access.construction")
def test_a_list_for_a_channel_that_is_not_there_is_refused_wherever_it_stands() -> None:
    lost = NativeIdAllowlist(["1"], channel="telegrm")
    nested = AllOfAllowlists(AllowAll(), AnyOfAllowlists(AllowAll(), lost))
    assert channels_named(nested) == {"telegrm"}
    for allowlist in (lost, nested):
        message = refused(channel("telegram"), channel("web", allowlist=allowlist))
        assert "'web'" in message
        assert "Did you mean 'telegram'?" in message
        assert "default_allowlist" in refused(channel("telegram", allowlist=None), default=allowlist)
    assert rules_of(channel("telegram"), channel("web"), default=NativeIdAllowlist(["1"], channel="telegram"))


@pytest.mark.parametrize("allowlist", [["1"], "1", "Inherit", "open", True, {"native_ids": ["1"]}, {"1"}, 5, object()])
def test_what_is_no_allowlist_is_refused(allowlist: object) -> None:
    message = refused(channel(allowlist=allowlist))
    assert "'bot'" in message
    assert "NativeIdAllowlist" in message
    assert "default_allowlist" in refused(channel(), default=allowlist)


def test_a_class_instead_of_an_instance_is_refused() -> None:
    assert "AllowAll(...)" in refused(channel(allowlist=AllowAll))


def test_inherit_is_no_default() -> None:
    assert "default_allowlist" in refused(channel(), default="inherit")


@pytest.mark.parametrize("setting", ["require_link", "emits_verified_claims"])
@pytest.mark.parametrize("value", ["false", 0, None])
def test_a_switch_is_true_or_false(setting: str, value: object) -> None:
    assert setting in refused(channel(**{setting: value}), links=True)


def test_a_requires_linked_claims_that_is_a_method_is_refused() -> None:
    class Custom:
        def requires_linked_claims(self) -> bool:
            return False

        async def evaluate(self, context: AuthorizationContext, /) -> AllowlistDecision:
            return AllowlistDecision.DENY

    assert "make it a property" in refused(channel(allowlist=Custom()))
    assert "make it a property" in refused(channel(allowlist=AnyOfAllowlists(Custom())), links=True)  # type: ignore[arg-type]


def test_a_combinator_without_members_is_refused() -> None:
    assert "no members" in refused(channel(allowlist=AllOfAllowlists()))
    assert "no members" in refused(channel(), default=AnyOfAllowlists(AllowAll(), AnyOfAllowlists()))


@pytest.mark.requirement("access.construction")
@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("allow_list", "allowlist"),
        ("allowlists", "allowlist"),
        ("allowList", "allowlist"),
        ("alowlist", "allowlist"),
        ("whitelist", "allowlist"),
        ("requires_link", "require_link"),
        ("required_link", "require_link"),
        ("link_required", "require_link"),
        ("emit_verified_claims", "emits_verified_claims"),
        ("emits_claims", "emits_verified_claims"),
    ],
)
def test_a_misspelt_setting_is_an_error_and_never_an_open_door(name: str, meant: str) -> None:
    message = refused(channel(**{name: NativeIdAllowlist(["1"])}))
    assert repr(name) in message
    assert repr(meant) in message
    kind = type("Misspelt", (Channel,), {"name": "bot", name: NativeIdAllowlist(["1"])})
    assert repr(name) in refused(kind())


def test_a_channel_may_have_attributes_of_its_own() -> None:
    made = channel(require_login=True, links=[], allowed_hosts=["x"], _allow_list=[], bot_token="t", login_path="/")
    assert rules_of(made) == {"bot": AccessRules("bot")}


def test_a_custom_allowlist_is_taken_as_it_is() -> None:
    custom = CallableAllowlist(lambda context: True)
    assert rules_of(channel(allowlist=custom))["bot"].allowlist is custom


class Resolves:
    async def resolve(self, identity: ChannelIdentity, /) -> LinkedIdentity:
        return LinkedIdentity(identity.native_id)


async def as_their_own(identity: ChannelIdentity) -> str:
    return identity.native_id


def test_what_can_answer_who_somebody_is_is_taken() -> None:
    check_people(None, None)
    check_people(Resolves(), as_their_own)


@pytest.mark.requirement("access.construction")
@pytest.mark.parametrize(
    ("linker", "resolver", "named"),
    [
        (object(), None, "identity_linker is an object"),
        (Resolves, None, "identity_linker is the class Resolves"),
        (None, "users.by_id", "identity_resolver is a str"),
    ],
)
def test_what_could_never_answer_who_somebody_is_is_refused(linker: object, resolver: object, named: str) -> None:
    with pytest.raises(ChannelConfigurationError, match=named):
        check_people(linker, resolver)


@pytest.mark.requirement("access.construction")
@pytest.mark.parametrize("default", [False, "", [], {}])
def test_an_empty_default_is_no_open_door(default: object) -> None:
    with pytest.raises(ChannelConfigurationError, match="default_allowlist is"):
        AgentFrameworkHost(EchoAgent(), channels=[channel()], config={}, default_allowlist=default)  # type: ignore[arg-type]


@pytest.mark.anyio
async def test_doors_that_stand_open_are_named_when_the_host_starts(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "agent_framework_hosting")
    closed, default = channel("closed", allowlist=NativeIdAllowlist(["1"])), NativeIdAllowlist(["2"])
    async with AgentFrameworkHost(EchoAgent(), channels=[closed, channel("wide")], config={}):
        pass
    async with AgentFrameworkHost(
        EchoAgent(), channels=[closed, channel("wide")], config={}, default_allowlist=default
    ):
        pass
    notes = [record.getMessage() for record in caplog.records if "No allowlist" in record.getMessage()]
    assert notes == ["No allowlist, so everyone the channel lets in may speak: wide"]
