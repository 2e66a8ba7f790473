from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_framework_hosting.authorization.allowlists import (
    AllowAll,
    AnyOfAllowlists,
    CallableAllowlist,
    LinkedClaimAllowlist,
    NativeIdAllowlist,
)
from agent_framework_hosting.authorization.decide import AccessRules, decide, decide_anonymous
from agent_framework_hosting.model.identity import ChannelIdentity
from agent_framework_hosting.model.verdict import (
    Allowed,
    AllowlistDecision,
    AuthorizationContext,
    AuthorizationOutcome,
    ClaimValue,
    Denied,
    LinkChallenge,
    LinkedIdentity,
    LinkRequired,
    LinkResolution,
)

ALLOW, DENY, ABSTAIN = AllowlistDecision.ALLOW, AllowlistDecision.DENY, AllowlistDecision.ABSTAIN
ANNA = ChannelIdentity("telegram", "1")
CHALLENGE = LinkChallenge("c1", url="https://login.example/start")
MIXED = AnyOfAllowlists(NativeIdAllowlist(["1"]), LinkedClaimAllowlist("email", ["a@x"]))


class People:
    """Nobody is linked; identities listed as joined share a person by their claims."""

    def __init__(self, joined: Mapping[str, str] | None = None) -> None:
        self.joined = joined or {}

    def joined_by(self, identity: ChannelIdentity, claims: Mapping[str, ClaimValue]) -> str | None:
        return self.joined.get(str(claims.get("email")))

    async def key_for(self, identity: ChannelIdentity, claims: Mapping[str, ClaimValue]) -> str:
        return self.joined_by(identity, claims) or f"{identity.channel}:{identity.native_id}"


@dataclass
class Linker:
    """Answers what the test says and counts how often it was asked."""

    answer: LinkResolution | Exception | None
    asked: int = 0

    async def resolve(self, identity: ChannelIdentity, /) -> LinkResolution:
        self.asked += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer  # type: ignore[return-value]


def linked(**claims: ClaimValue) -> Linker:
    return Linker(LinkedIdentity("person:anna", claims))


async def judged(identity: ChannelIdentity, rules: AccessRules, **inputs: object) -> AuthorizationOutcome:
    return await decide(identity, rules, **{"people": People(), **inputs})  # type: ignore[arg-type]


def reason(outcome: AuthorizationOutcome) -> str:
    assert isinstance(outcome, Denied)
    return outcome.reason_code


@pytest.mark.anyio
async def test_without_rules_everyone_speaks_as_themselves() -> None:
    assert await judged(ANNA, AccessRules("telegram")) == Allowed("telegram:1")


@pytest.mark.anyio
async def test_a_listed_id_enters_and_no_other_does() -> None:
    rules = AccessRules("telegram", NativeIdAllowlist(["1"]))
    assert await judged(ANNA, rules) == Allowed("telegram:1")
    assert reason(await judged(ChannelIdentity("telegram", "2"), rules)) == "allowlist_denied_pre_link"


@pytest.mark.anyio
async def test_a_list_for_another_channel_lets_nobody_in_here() -> None:
    rules = AccessRules("teams", NativeIdAllowlist(["1"], channel="telegram"))
    assert reason(await judged(ChannelIdentity("teams", "1"), rules)) == "allowlist_abstained_pre_link"


@pytest.mark.requirement("access.mixed")
@pytest.mark.anyio
async def test_in_the_mixed_profile_listed_ids_pass_and_everyone_else_is_asked_to_link() -> None:
    rules, linker = AccessRules("telegram", MIXED), Linker(CHALLENGE)
    assert await judged(ANNA, rules, linker=linker) == Allowed("telegram:1")
    assert linker.asked == 0
    stranger = ChannelIdentity("telegram", "2")
    assert await judged(stranger, rules, linker=linker) == LinkRequired(CHALLENGE)
    assert await judged(stranger, rules, linker=linked(email="a@x")) == Allowed(
        "person:anna", {"email": "a@x"}, "linker"
    )
    assert reason(await judged(stranger, rules, linker=linked(email="b@x"))) == "allowlist_denied_post_link"


@pytest.mark.anyio
async def test_claims_of_the_channel_are_used_before_the_linker_is_asked() -> None:
    rules = AccessRules("teams", LinkedClaimAllowlist("email", ["a@x"]), emits_verified_claims=True)
    identity, linker = ChannelIdentity("teams", "7"), Linker(CHALLENGE)
    allowed = await judged(identity, rules, claims={"email": "a@x"}, linker=linker)
    assert allowed == Allowed("teams:7", {"email": "a@x"}, "channel")
    assert reason(await judged(identity, rules, claims={"email": "b@x"}, linker=linker)) == "allowlist_denied_post_link"
    assert linker.asked == 0
    assert await judged(identity, rules, linker=linker) == LinkRequired(CHALLENGE)
    assert reason(await judged(identity, rules)) == "allowlist_requires_link"


@pytest.mark.anyio
async def test_claims_of_a_channel_that_does_not_verify_them_count_for_nothing() -> None:
    rules = AccessRules("telegram", LinkedClaimAllowlist("email", ["a@x"]))
    assert reason(await judged(ANNA, rules, claims={"email": "a@x"})) == "allowlist_requires_link"
    assert await judged(ANNA, AccessRules("telegram"), claims={"email": "a@x"}) == Allowed("telegram:1")


@pytest.mark.anyio
async def test_require_link_asks_everyone_also_those_an_allowlist_lets_in() -> None:
    for allowlist in (None, AllowAll(), NativeIdAllowlist(["1"]), MIXED):
        rules = AccessRules("telegram", allowlist, require_link=True)
        assert await judged(ANNA, rules, linker=Linker(CHALLENGE)) == LinkRequired(CHALLENGE)
        assert await judged(ANNA, rules, linker=linked(email="z@x")) == Allowed(
            "person:anna", {"email": "z@x"}, "linker"
        )
    denied = AccessRules("telegram", NativeIdAllowlist(["2"]), require_link=True)
    linker = Linker(CHALLENGE)
    assert reason(await judged(ANNA, denied, linker=linker)) == "allowlist_denied_pre_link"
    assert linker.asked == 0


@pytest.mark.anyio
async def test_require_link_is_met_by_claims_that_name_a_known_person() -> None:
    rules = AccessRules("teams", None, require_link=True, emits_verified_claims=True)
    people, linker = People({"a@x": "person:anna"}), Linker(CHALLENGE)
    identity = ChannelIdentity("teams", "7")
    joined = await judged(identity, rules, people=people, claims={"email": "a@x"}, linker=linker)
    assert joined == Allowed("person:anna", {"email": "a@x"}, "channel")
    stranger = await judged(identity, rules, people=people, claims={"email": "b@x"}, linker=linker)
    assert stranger == LinkRequired(CHALLENGE)


@pytest.mark.anyio
async def test_an_abstention_after_linking_refuses() -> None:
    undecided = CallableAllowlist(lambda context: None, requires_linked_claims=True)
    outcome = await judged(ANNA, AccessRules("telegram", undecided), linker=linked())
    assert reason(outcome) == "allowlist_abstained_post_link"


@pytest.mark.requirement("access.fails-closed")
@pytest.mark.anyio
@pytest.mark.parametrize("phase", ["pre_link", "post_link"])
async def test_an_allowlist_that_fails_refuses(phase: str) -> None:
    def fails(context: AuthorizationContext) -> None:
        if context.phase == phase:
            raise RuntimeError("secret of the database")

    rules = AccessRules("telegram", CallableAllowlist(fails, requires_linked_claims=True))
    outcome = await judged(ANNA, rules, linker=linked())
    assert reason(outcome) == f"allowlist_denied_{phase}"
    assert "secret" not in repr(outcome)


@pytest.mark.requirement("access.fails-closed")
@pytest.mark.anyio
@pytest.mark.parametrize("answer", [RuntimeError("token abc"), None, "person:anna", LinkedIdentity("")])
async def test_a_linker_that_fails_refuses_and_says_nothing_of_why(answer: object) -> None:
    rules = AccessRules("telegram", require_link=True)
    outcome = await judged(ANNA, rules, linker=Linker(answer))  # type: ignore[arg-type]
    assert reason(outcome) == "allowlist_requires_link"
    assert isinstance(outcome, Denied)
    assert "abc" not in str(outcome.to_public_dict())


@pytest.mark.anyio
async def test_a_policy_is_asked_first_and_its_denial_is_final() -> None:
    asked: list[AuthorizationContext] = []

    async def votes(identity: ChannelIdentity, context: AuthorizationContext) -> AllowlistDecision:
        asked.append(context)
        return DENY if identity.native_id == "1" else ALLOW

    rules = AccessRules("telegram", NativeIdAllowlist(["1", "3"]))
    assert reason(await judged(ANNA, rules, policy=votes)) == "policy_denied"
    assert reason(await judged(ChannelIdentity("telegram", "2"), rules, policy=votes)) == "allowlist_denied_pre_link"
    assert await judged(ChannelIdentity("telegram", "3"), rules, policy=votes) == Allowed("telegram:3")
    assert reason(await judged(ANNA, AccessRules("telegram"), policy=votes)) == "policy_denied"
    assert [context.phase for context in asked] == ["pre_link"] * 4


@pytest.mark.anyio
async def test_a_speaker_without_identity_enters_open_channels_only() -> None:
    async def denies(identity: ChannelIdentity, context: AuthorizationContext) -> AllowlistDecision:
        assert identity.native_id == ""
        return DENY

    assert await decide_anonymous(AccessRules("web")) is None
    for rules in (AccessRules("web", AllowAll()), AccessRules("web", require_link=True)):
        outcome = await decide_anonymous(rules)
        assert outcome is not None
        assert outcome.reason_code == "allowlist_denied_pre_link"
    outcome = await decide_anonymous(AccessRules("web"), policy=denies)
    assert outcome is not None
    assert outcome.reason_code == "policy_denied"


# Every case against the table

votes = st.sampled_from([ALLOW, DENY, ABSTAIN])
cases = st.fixed_dictionaries(
    {
        "policy": st.none() | votes,
        "listed": st.booleans(),
        "before": votes,
        "after": votes,
        "needs_claims": st.booleans(),
        "require_link": st.booleans(),
        "emits": st.booleans(),
        "claims": st.booleans(),
        "linker": st.sampled_from([None, "challenge", "linked"]),
    }
)


def expected(c: dict[str, object]) -> str:
    claims = c["emits"] and c["claims"]
    ask = {None: "allowlist_requires_link", "challenge": "link", "linked": "person"}[c["linker"]]  # type: ignore[index]
    link = ask if c["require_link"] else "self"
    if c["policy"] is DENY:
        return "policy_denied"
    if not c["listed"] or c["before"] is ALLOW:
        return link
    if c["before"] is DENY or not c["needs_claims"]:
        return "allowlist_denied_pre_link" if c["before"] is DENY else "allowlist_abstained_pre_link"
    if not claims and ask != "person":
        return ask
    if c["after"] is not ALLOW:
        return "allowlist_denied_post_link" if c["after"] is DENY else "allowlist_abstained_post_link"
    return link if claims else "person"


def summary(outcome: AuthorizationOutcome) -> str:
    match outcome:
        case Allowed("person:anna"):
            return "person"
        case Allowed("telegram:1"):
            return "self"
        case LinkRequired():
            return "link"
        case Denied(reason_code):
            return reason_code
        case _:
            return repr(outcome)


@pytest.mark.requirement("access.decision")
@given(cases)
def test_every_case_agrees_with_the_table(c: dict[str, object]) -> None:
    async def policy(identity: ChannelIdentity, context: AuthorizationContext) -> AllowlistDecision:
        return c["policy"]  # type: ignore[return-value]

    allowlist = CallableAllowlist(
        lambda context: c["before"] if context.phase == "pre_link" else c["after"],  # type: ignore[arg-type, return-value]
        requires_linked_claims=bool(c["needs_claims"]),
    )
    rules = AccessRules("telegram", allowlist if c["listed"] else None, bool(c["require_link"]), bool(c["emits"]))
    answers = {None: None, "challenge": Linker(CHALLENGE), "linked": linked(email="a@x")}
    outcome = asyncio.run(
        decide(
            ANNA,
            rules,
            people=People(),
            claims={"email": "a@x"} if c["claims"] else {},
            policy=policy if c["policy"] else None,
            linker=answers[c["linker"]],  # type: ignore[index]
        )
    )
    assert summary(outcome) == expected(c)
