from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_framework_hosting.authorization.allowlists import (
    AllOfAllowlists,
    AllowAll,
    AnyOfAllowlists,
    CallableAllowlist,
    LinkedClaimAllowlist,
    LoadedIds,
    NativeIdAllowlist,
)
from agent_framework_hosting.authorization.policy import AuthPolicy
from agent_framework_hosting.model.identity import ChannelIdentity
from agent_framework_hosting.model.verdict import AllowlistDecision, AuthorizationContext
from agent_framework_hosting.ports import IdentityAllowlist

ALLOW, DENY, ABSTAIN = AllowlistDecision.ALLOW, AllowlistDecision.DENY, AllowlistDecision.ABSTAIN


def speaker(native_id: str = "1", channel: str = "telegram") -> AuthorizationContext:
    return AuthorizationContext(ChannelIdentity(channel, native_id))


def linked(**claims: object) -> AuthorizationContext:
    return AuthorizationContext(ChannelIdentity("telegram", "1"), "post_link", "p", claims, "linker")  # type: ignore[arg-type]


@pytest.mark.anyio
async def test_everyone_is_allowed_by_allow_all() -> None:
    assert await AllowAll().evaluate(speaker()) is ALLOW
    assert AuthPolicy.open() == AllowAll()


@pytest.mark.anyio
@pytest.mark.parametrize("ids", [["1", "2"], {"1"}, (1,), frozenset({"1"}), iter(["1"])])
async def test_listed_ids_are_allowed_and_others_denied(ids: object) -> None:
    allowlist = NativeIdAllowlist(ids)  # type: ignore[arg-type]
    assert await allowlist.evaluate(speaker("1")) is ALLOW
    assert await allowlist.evaluate(speaker("11")) is DENY


@pytest.mark.requirement("access.empty")
@pytest.mark.anyio
async def test_an_empty_list_is_nobody() -> None:
    assert await NativeIdAllowlist([]).evaluate(speaker()) is DENY
    assert await LinkedClaimAllowlist("email", []).evaluate(linked(email="a@x")) is DENY
    assert await AnyOfAllowlists().evaluate(speaker()) is DENY
    assert await AllOfAllowlists().evaluate(speaker()) is DENY


@pytest.mark.anyio
async def test_a_list_of_one_channel_abstains_on_the_others() -> None:
    allowlist = NativeIdAllowlist(["1"], channel="telegram")
    assert await allowlist.evaluate(speaker("1", "teams")) is ABSTAIN
    assert await allowlist.evaluate(speaker("2", "teams")) is ABSTAIN
    assert await allowlist.evaluate(speaker("1", "zulip")) is ABSTAIN
    assert await allowlist.evaluate(speaker("2", "telegram")) is DENY


@pytest.mark.parametrize("ids", ["12345", b"12345", [""], [None], [True], [1.5]])
def test_ids_that_would_match_nobody_or_the_wrong_people_are_refused(ids: object) -> None:
    with pytest.raises(TypeError):
        NativeIdAllowlist(ids)  # type: ignore[arg-type]


@pytest.mark.anyio
async def test_claims_are_judged_once_they_are_known() -> None:
    allowlist = LinkedClaimAllowlist("email", ["a@x", "b@x"])
    assert allowlist.requires_linked_claims
    assert await allowlist.evaluate(speaker()) is ABSTAIN
    assert await allowlist.evaluate(linked(email="b@x")) is ALLOW
    assert await allowlist.evaluate(linked(email="B@x")) is DENY
    assert await allowlist.evaluate(linked(name="b@x")) is DENY
    assert await allowlist.evaluate(linked(email=None)) is DENY


@pytest.mark.anyio
@pytest.mark.parametrize("groups", [["staff", "sales"], ("sales",), "sales"])
async def test_one_value_of_a_multi_valued_claim_is_enough(groups: object) -> None:
    assert await LinkedClaimAllowlist("groups", ["sales"]).evaluate(linked(groups=groups)) is ALLOW
    assert await LinkedClaimAllowlist("groups", ["sale"]).evaluate(linked(groups=groups)) is DENY


@pytest.mark.anyio
async def test_claim_values_are_compared_with_their_types() -> None:
    assert await LinkedClaimAllowlist("admin", [True]).evaluate(linked(admin=True)) is ALLOW
    assert await LinkedClaimAllowlist("admin", [True]).evaluate(linked(admin=1)) is DENY
    assert await LinkedClaimAllowlist("level", [1]).evaluate(linked(level=True)) is DENY
    assert await LinkedClaimAllowlist("admin", [True]).evaluate(linked(admin={"x": 1})) is DENY


def test_a_bare_string_of_claim_values_is_refused() -> None:
    with pytest.raises(TypeError, match="list of values"):
        LinkedClaimAllowlist("email", "a@x")


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("answer", "vote"),
    [(True, ALLOW), (False, DENY), (None, ABSTAIN), (ALLOW, ALLOW), (DENY, DENY), (ABSTAIN, ABSTAIN)],
)
async def test_a_function_votes_sync_or_async(answer: AllowlistDecision | bool | None, vote: AllowlistDecision) -> None:
    async def later(context: AuthorizationContext) -> AllowlistDecision | bool | None:
        return answer

    assert await CallableAllowlist(lambda context: answer).evaluate(speaker()) is vote
    assert await CallableAllowlist(later).evaluate(speaker()) is vote


@pytest.mark.anyio
async def test_an_answer_that_is_no_vote_never_opens_the_door() -> None:
    truthy = CallableAllowlist(lambda context: "yes")  # type: ignore[arg-type, return-value]
    with pytest.raises(TypeError):
        await truthy.evaluate(speaker())
    assert await AnyOfAllowlists(truthy).evaluate(speaker()) is DENY


def test_values_are_equal_by_what_they_say() -> None:
    assert NativeIdAllowlist(["1", "2"]) == NativeIdAllowlist({"2", "1"})
    assert NativeIdAllowlist(["1"]) != NativeIdAllowlist(["1"], channel="telegram")
    assert hash(LinkedClaimAllowlist("a", ["x", "y"])) == hash(LinkedClaimAllowlist("a", ["y", "x"]))
    assert AuthPolicy.any_of(AuthPolicy.native_ids(["1"]), AuthPolicy.linked_claim("a", ["x"])) == AnyOfAllowlists(
        NativeIdAllowlist(["1"]), LinkedClaimAllowlist("a", ["x"])
    )
    assert AuthPolicy.all_of(AllowAll()) == AllOfAllowlists(AllowAll())
    assert AuthPolicy.custom(bool) == CallableAllowlist(bool)


@pytest.mark.parametrize("member", ["1", ["1"], AllowAll, None])
def test_combinators_take_allowlists_only(member: object) -> None:
    with pytest.raises(TypeError):
        AnyOfAllowlists(member)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        AllOfAllowlists(member)  # type: ignore[arg-type]


def test_a_combinator_needs_claims_when_anything_inside_does() -> None:
    claim = LinkedClaimAllowlist("email", ["a@x"])
    assert AllOfAllowlists(AllowAll(), AnyOfAllowlists(NativeIdAllowlist(["1"]), claim)).requires_linked_claims
    assert not AllOfAllowlists(AllowAll(), AnyOfAllowlists(NativeIdAllowlist(["1"]))).requires_linked_claims


# Random trees against the decision table


def leaf(vote: AllowlistDecision) -> IdentityAllowlist:
    return CallableAllowlist(lambda context: vote)


def broken() -> IdentityAllowlist:
    def fail(context: AuthorizationContext) -> AllowlistDecision:
        raise RuntimeError("database is gone")

    return CallableAllowlist(fail)


Tree = tuple[str, object]
trees = st.recursive(
    st.tuples(st.just("leaf"), st.sampled_from([ALLOW, DENY, ABSTAIN, "broken"])),
    lambda children: st.tuples(st.sampled_from(["any", "all"]), st.lists(children, min_size=1, max_size=4)),
    max_leaves=12,
)


def built(tree: Tree) -> IdentityAllowlist:
    kind, content = tree
    if kind == "leaf":
        return broken() if content == "broken" else leaf(content)  # type: ignore[arg-type]
    members = [built(child) for child in content]  # type: ignore[attr-defined]
    return AnyOfAllowlists(*members) if kind == "any" else AllOfAllowlists(*members)


def reference(tree: Tree) -> AllowlistDecision:
    kind, content = tree
    if kind == "leaf":
        return DENY if content == "broken" else content  # type: ignore[return-value]
    votes = [reference(child) for child in content]  # type: ignore[attr-defined]
    first, last = (ALLOW, DENY) if kind == "any" else (DENY, ALLOW)
    if first in votes:
        return first
    return last if set(votes) == {last} else ABSTAIN


@pytest.mark.requirement("access.combinators")
@given(trees)
def test_random_trees_agree_with_the_decision_table(tree: Tree) -> None:
    top = AnyOfAllowlists(built(tree))  # an error inside counts as a DENY there
    assert asyncio.run(top.evaluate(speaker())) is reference(("any", [tree]))


# Loaded lists


class Loader:
    """A source of ids that can fail, and that answers when the test lets it."""

    def __init__(self, *answers: object) -> None:
        self.answers = list(answers)
        self.calls = 0
        self.asked = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self) -> list[str]:
        self.calls += 1
        self.asked.set()
        await self.gate.wait()
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer  # type: ignore[return-value]


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.anyio
async def test_a_loader_is_asked_once_however_many_wait_for_it() -> None:
    loader = Loader(["1"])
    loader.gate.clear()
    allowlist = NativeIdAllowlist(loader)
    waiting = [asyncio.create_task(allowlist.evaluate(speaker())) for _ in range(20)]
    async with asyncio.timeout(5):
        await loader.asked.wait()
        waiting[0].cancel()
        loader.gate.set()
        assert await asyncio.gather(*waiting[1:]) == [ALLOW] * 19
    assert await allowlist.evaluate(speaker("2")) is DENY
    assert loader.calls == 1


@pytest.mark.requirement("access.loader")
@pytest.mark.anyio
async def test_a_loaded_list_is_refreshed_after_its_interval() -> None:
    loader, clock = Loader(["1"], ["2"]), Clock()
    ids = LoadedIds(loader, 60.0, clock)
    assert await ids.get() == {"1"}
    clock.now += 59
    assert await ids.get() == {"1"}
    clock.now += 1
    assert await ids.get() == {"2"}
    assert loader.calls == 2


@pytest.mark.requirement("access.loader")
@pytest.mark.anyio
@pytest.mark.parametrize("failure", [RuntimeError("down"), "12345", [None]])
async def test_a_failed_refresh_keeps_the_last_good_list_and_is_tried_again_soon(failure: object) -> None:
    loader, clock = Loader(["1"], failure, ["3"]), Clock()
    ids = LoadedIds(loader, 60.0, clock)
    await ids.get()
    clock.now += 60
    assert await ids.get() == {"1"}
    assert await ids.get() == {"1"}
    assert loader.calls == 2
    clock.now += 5
    assert await ids.get() == {"3"}


@pytest.mark.requirement("access.loader")
@pytest.mark.anyio
async def test_everybody_is_refused_until_a_list_was_loaded() -> None:
    loader = Loader(RuntimeError("down"))
    allowlist = AuthPolicy.native_ids(loader, refresh_seconds=0.0)
    assert await allowlist.evaluate(speaker()) is DENY
    loader.answers = [["1"]]
    assert await allowlist.evaluate(speaker()) is ALLOW


def test_a_loaded_list_works_in_a_second_event_loop() -> None:
    loader = Loader(["1"])
    allowlist = NativeIdAllowlist(loader, refresh_seconds=0.0)
    assert asyncio.run(allowlist.evaluate(speaker())) is ALLOW
    assert asyncio.run(allowlist.evaluate(speaker("2"))) is DENY
    assert loader.calls == 2
