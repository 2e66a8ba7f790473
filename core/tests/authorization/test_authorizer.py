from __future__ import annotations

import logging
from collections.abc import Mapping

import pytest

from agent_framework_hosting.authorization.allowlists import LinkedClaimAllowlist, NativeIdAllowlist
from agent_framework_hosting.authorization.authorizer import Authorizer
from agent_framework_hosting.authorization.decide import AccessRules
from agent_framework_hosting.model.identity import ChannelIdentity, shortened
from agent_framework_hosting.model.verdict import (
    Allowed,
    AllowlistDecision,
    AuthorizationContext,
    ClaimValue,
    Denied,
    LinkChallenge,
    LinkedIdentity,
    LinkResolution,
)

LOGGER = "agent_framework_hosting.authorization"
ANNA, EVE = ChannelIdentity("bot", "anna-4711"), ChannelIdentity("bot", "eve-0815")


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


def authorizer(**rules: AccessRules) -> Authorizer:
    return Authorizer(rules, People(), linker=Linker())


def fields(record: logging.LogRecord) -> dict[str, object]:
    names = ("channel", "identity", "outcome", "reason_code", "claim_source", "phase")
    return {name: getattr(record, name) for name in names}


@pytest.mark.requirement("access.audit")
@pytest.mark.anyio
async def test_every_decision_is_one_structured_line_without_raw_ids(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, LOGGER)
    gate = authorizer(
        bot=AccessRules("bot", NativeIdAllowlist(["anna-4711"])),
        claims=AccessRules("claims", LinkedClaimAllowlist("email", ["anna@x"])),
    )
    await gate.authorize(ANNA)
    await gate.authorize(EVE)
    await gate.authorize(ANNA, rules=gate.rules_of("claims"))
    await gate.authorize(EVE, rules=gate.rules_of("claims"))
    await gate.authorize_anonymous("bot")
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


@pytest.mark.anyio
async def test_details_are_logged_for_debugging_only(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, LOGGER)
    gate = Authorizer({"bot": AccessRules("bot", require_link=True)}, People())
    outcome = await gate.authorize(EVE)
    assert isinstance(outcome, Denied)
    assert outcome.log_details
    assert "details" not in vars(caplog.records[0])
    assert caplog.records[1].levelno == logging.DEBUG
    assert caplog.records[1].details == dict(outcome.log_details)  # type: ignore[attr-defined]
    assert str(outcome.log_details["fault"]) not in str(outcome.to_public_dict())


@pytest.mark.anyio
async def test_the_policies_take_part_in_every_decision() -> None:
    async def nobody(identity: ChannelIdentity, context: AuthorizationContext) -> AllowlistDecision:
        return AllowlistDecision.DENY

    gate = Authorizer({"bot": AccessRules("bot")}, People(), policy=nobody)
    assert await gate.authorize(ANNA) == Denied("policy_denied")
    assert await gate.authorize(ANNA, rules=AccessRules("bot")) == Denied("policy_denied")
    assert await gate.authorize_anonymous("bot") == Denied("policy_denied")


@pytest.mark.anyio
async def test_a_speaker_is_judged_by_the_rules_of_their_channel() -> None:
    gate = authorizer(bot=AccessRules("bot", NativeIdAllowlist([])), web=AccessRules("web"))
    assert isinstance(await gate.authorize(ChannelIdentity("bot", "1")), Denied)
    assert await gate.authorize(ChannelIdentity("web", "1")) == Allowed("web:1")
    assert await gate.authorize_anonymous("web") is None
    with pytest.raises(KeyError):
        await gate.authorize(ChannelIdentity("other", "1"))
