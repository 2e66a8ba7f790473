"""The plan of a delivery, for any target and any knowledge about a person."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agent_framework_hosting.delivery.plan import Plan, Reach, Skipped, candidates, plan_delivery
from agent_framework_hosting.model.identity import ChannelIdentity
from agent_framework_hosting.model.target import ResponseTarget, ResponseTargetKind

NAMES = ["api", "chat", "mail", "mute", "gone"]
PUSHING = frozenset({"api", "chat", "mail"})
ENABLED = PUSHING | {"mute"}

identities = st.builds(ChannelIdentity, st.sampled_from(NAMES), st.sampled_from(["ann", "bob"]))
targets = st.one_of(
    st.sampled_from(
        [ResponseTarget.originating, ResponseTarget.active, ResponseTarget.all_linked, ResponseTarget.none]
    ),
    st.lists(st.sampled_from([*NAMES, "originating"]), min_size=1).map(ResponseTarget.channels),
    st.lists(identities, min_size=1).map(ResponseTarget.identities),
)
origins = st.none() | st.builds(ChannelIdentity, st.just("api"), st.just("ann"))
address_books = st.dictionaries(
    st.sampled_from(NAMES), st.lists(st.sampled_from(["ann", "bob"]), min_size=1, unique=True)
).map(lambda book: {name: [ChannelIdentity(name, who) for who in whos] for name, whos in book.items()})


@st.composite
def reaches(draw: st.DrawFn) -> Reach:
    return Reach(
        origin=draw(origins),
        origin_channel="api",
        addresses=draw(address_books),
        active=draw(st.none() | identities),
        knows=ENABLED.__contains__,
        can_push=PUSHING.__contains__,
    )


@given(targets, reaches(), st.frozensets(identities))
def test_every_plan_is_sound(target: ResponseTarget, reach: Reach, refused: frozenset[ChannelIdentity]) -> None:
    plan = plan_delivery(target, reach, refused)
    assert len(set(plan.pushes)) == len(plan.pushes)
    for to in plan.pushes:
        assert to.channel in PUSHING
        assert to not in refused
        assert to != reach.origin
        assert to in candidates(target, reach)
    if target.kind is ResponseTargetKind.NONE:
        assert plan == Plan(here=False)
    else:
        assert plan.here or plan.pushes
    if target.kind in (ResponseTargetKind.ORIGINATING, ResponseTargetKind.ALL_LINKED):
        assert plan.here


@given(targets, reaches(), st.frozensets(identities))
def test_whatever_is_wanted_and_not_reached_is_named(
    target: ResponseTarget, reach: Reach, refused: frozenset[ChannelIdentity]
) -> None:
    plan = plan_delivery(target, reach, refused)
    reasons = {skipped.reason for skipped in plan.skipped}
    assert reasons <= {
        *("unknown_channel", "channel_cannot_push", "unknown_address", "no_active_channel", "refused_by_policy")
    }
    named = {skipped.target for skipped in plan.skipped} | {to.channel for to in plan.pushes}
    for name in target.targets:
        assert name in ("originating", "api") or name in named or any(each.startswith(f"{name}:") for each in named)


def test_the_envelope_says_where_the_answer_goes() -> None:
    plan = Plan(here=False, pushes=(ChannelIdentity("chat", "ann"),), skipped=(Skipped("mail", "unknown_address"),))
    assert plan.envelope("api") == {
        "originating_channel": "api",
        "includes_originating": False,
        "intended_targets": [{"channel": "chat", "native_id": "ann"}],
        "skipped_targets": [{"target": "mail", "reason": "unknown_address"}],
    }


def test_a_person_is_reached_where_they_were_last_on_a_channel() -> None:
    ann, other = ChannelIdentity("chat", "ann"), ChannelIdentity("chat", "ann2")
    reach = Reach(None, "api", {"chat": [ann, other]}, None, ENABLED.__contains__, PUSHING.__contains__)
    assert plan_delivery(ResponseTarget.channel("chat"), reach).pushes == (ann,)
