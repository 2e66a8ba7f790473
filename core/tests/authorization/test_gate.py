from __future__ import annotations

import logging
from collections.abc import Mapping

import pytest

from agent_framework_hosting.authorization.allowlists import LinkedClaimAllowlist, NativeIdAllowlist
from agent_framework_hosting.authorization.decide import AccessRules
from agent_framework_hosting.authorization.gate import Gate
from agent_framework_hosting.model.identity import ChannelIdentity, shortened
from agent_framework_hosting.model.request import ChannelRequest
from agent_framework_hosting.model.verdict import (
    Allowed,
    AllowlistDecision,
    AuthorizationContext,
    ClaimValue,
    Denied,
    LinkChallenge,
    LinkedIdentity,
    LinkRequired,
    LinkResolution,
)

LOGGER = "agent_framework_hosting.authorization"
ANNA, EVE = ChannelIdentity("bot", "anna-4711"), ChannelIdentity("bot", "eve-0815")

pytestmark = pytest.mark.anyio


class People:
    def joined_by(self, identity: ChannelIdentity, claims: Mapping[str, ClaimValue]) -> str | None:
        return None

    async def key_for(self, identity: ChannelIdentity, claims: Mapping[str, ClaimValue]) -> str:
        return f"{identity.channel}:{identity.native_id}"


class Linker:
    async def resolve(self, identity: ChannelIdentity, /) -> LinkResolution:
        if identity == ANNA:
            return LinkedIdentity("person:anna", {"email": "anna@x"})
        return LinkChallenge("c")


def said(
    channel: str, identity: ChannelIdentity | None = None, claims: Mapping[str, ClaimValue] | None = None
) -> ChannelRequest:
    return ChannelRequest(channel, "message.create", "hi", identity=identity, verified_claims=claims or {})


def fields(record: logging.LogRecord) -> dict[str, object]:
    names = ("channel", "identity", "outcome", "reason_code", "claim_source", "phase")
    return {name: getattr(record, name) for name in names}


@pytest.mark.requirement("access.audit")
async def test_every_decision_is_one_structured_line_without_raw_ids(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, LOGGER)
    gate = Gate({"bot": AccessRules("bot", NativeIdAllowlist(["anna-4711"]))}, People(), linker=Linker())
    by_claim = LinkedClaimAllowlist("email", ["anna@x"])
    await gate.authorize_request(said("bot", ANNA))
    await gate.authorize(EVE)
    await gate.authorize(ANNA, allowlist=by_claim)
    await gate.authorize(EVE, allowlist=by_claim)
    await gate.authorize_request(said("bot"))
    anna, eve = shortened(ANNA), shortened(EVE)
    rows = [tuple(fields(record).values()) for record in caplog.records]
    assert rows == [
        ("bot", anna, "allowed", None, "none", "pre_link"),
        ("bot", eve, "denied", "allowlist_denied_pre_link", "none", "pre_link"),
        ("bot", anna, "allowed", None, "linker", "post_link"),
        ("bot", eve, "link_required", None, "none", "pre_link"),
        ("bot", "anonymous", "denied", "allowlist_denied_pre_link", "none", "pre_link"),
    ]
    everything = " ".join(f"{record.getMessage()} {vars(record)}" for record in caplog.records)
    assert not any(secret in everything for secret in ("4711", "0815", "anna@x", "person:anna"))


async def test_details_are_logged_for_debugging_only(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, LOGGER)
    gate = Gate({"bot": AccessRules("bot", require_link=True)}, People())
    outcome = await gate.authorize(EVE)
    assert isinstance(outcome, Denied)
    assert outcome.log_details
    assert "details" not in vars(caplog.records[0])
    assert caplog.records[1].levelno == logging.DEBUG
    assert caplog.records[1].details == dict(outcome.log_details)  # type: ignore[attr-defined]
    assert str(outcome.log_details["fault"]) not in str(outcome.to_public_dict())


async def test_the_policies_take_part_in_every_decision() -> None:
    async def nobody(identity: ChannelIdentity, context: AuthorizationContext) -> AllowlistDecision:
        return AllowlistDecision.DENY

    gate = Gate({"bot": AccessRules("bot")}, People(), policy=nobody)
    assert await gate.authorize(ANNA) == Denied("policy_denied")
    assert await gate.authorize(ANNA, allowlist=NativeIdAllowlist(["anna-4711"])) == Denied("policy_denied")
    assert await gate.authorize(ChannelIdentity("elsewhere", "1")) == Denied("policy_denied")
    for identity in (ANNA, None):
        assert await gate.authorize_request(said("bot", identity)) == Denied("policy_denied")
    assert not await gate.may_receive(ANNA)


async def test_a_speaker_is_judged_by_the_rules_of_their_channel() -> None:
    gate = Gate({"bot": AccessRules("bot", NativeIdAllowlist([])), "web": AccessRules("web")}, People())
    assert isinstance(await gate.authorize(ChannelIdentity("bot", "1")), Denied)
    assert await gate.authorize(ChannelIdentity("web", "1")) == Allowed("web:1")
    assert await gate.authorize_request(said("web")) == Allowed("")
    assert isinstance(await gate.authorize_request(said("web", ChannelIdentity("bot", "1"))), Denied)
    with pytest.raises(KeyError):
        await gate.authorize_request(said("other"))


async def test_who_is_on_a_channel_this_host_does_not_have_is_judged_by_the_default() -> None:
    stranger = ChannelIdentity("other", "1")
    assert await Gate({}, People()).authorize(stranger) == Allowed("other:1")
    closed = Gate({}, People(), default_allowlist=NativeIdAllowlist([]))
    assert isinstance(await closed.authorize(stranger), Denied)


async def test_a_caller_adds_to_the_rules_and_takes_nothing_away() -> None:
    gate = Gate({"bot": AccessRules("bot", require_link=True)}, People(), linker=Linker())
    assert isinstance(await gate.authorize(EVE), LinkRequired)
    assert isinstance(await gate.authorize(EVE, require_link=False), LinkRequired)
    open_gate = Gate({"bot": AccessRules("bot")}, People(), linker=Linker())
    assert isinstance(await open_gate.authorize(EVE, require_link=True), LinkRequired)
    by_claim = LinkedClaimAllowlist("email", ["anna@x"])
    vouched = await open_gate.authorize(EVE, allowlist=by_claim, verified_claims={"email": "anna@x"})
    assert isinstance(vouched, Allowed)
    assert vouched.claim_source == "channel"


async def test_a_channel_that_verifies_nothing_is_not_believed() -> None:
    by_claim = LinkedClaimAllowlist("email", ["anna@x"])
    told = said("bot", EVE, {"email": "anna@x"})
    for verifies, outcome in ((False, LinkRequired), (True, Allowed)):
        gate = Gate({"bot": AccessRules("bot", by_claim, emits_verified_claims=verifies)}, People(), linker=Linker())
        assert isinstance(await gate.authorize_request(told), outcome)


async def test_an_answer_reaches_whoever_is_not_refused_outright() -> None:
    gate = Gate(
        {
            "bot": AccessRules("bot", NativeIdAllowlist(["anna-4711"])),
            "link": AccessRules("link", require_link=True),
            "claim": AccessRules("claim", LinkedClaimAllowlist("email", ["anna@x"])),
        },
        People(),
        linker=Linker(),
    )
    assert await gate.may_receive(ANNA)
    assert not await gate.may_receive(EVE)
    assert await gate.may_receive(ChannelIdentity("link", "1"))
    assert await gate.may_receive(ChannelIdentity("claim", "1"))


async def test_what_other_hosts_wrote_is_learnt_before_it_is_decided() -> None:
    learnt: list[ChannelIdentity] = []

    class Late(People):
        async def key_for(self, identity: ChannelIdentity, claims: Mapping[str, ClaimValue]) -> str:
            return "person" if identity in learnt else await super().key_for(identity, claims)

    async def refresh(identity: ChannelIdentity) -> None:
        learnt.append(identity)

    gate = Gate({"bot": AccessRules("bot")}, Late(), refresh=refresh)
    assert await gate.authorize_request(said("bot", ANNA)) == Allowed("person")
    assert await gate.authorize(EVE) == Allowed("person")
    assert learnt == [ANNA, EVE]
