from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_framework_hosting.linking.pending import (
    ALPHABET,
    Confirmed,
    PendingLink,
    Refusal,
    answer,
    claim,
    hash_code,
    new_code,
    new_number,
    offer,
)
from agent_framework_hosting.model.identity import ChannelIdentity
from agent_framework_hosting.model.verdict import LinkParty

ANNA, ANNA_TOO, EVE = (
    LinkParty(ChannelIdentity("telegram", "anna")),
    LinkParty(ChannelIdentity("teams", "anna")),
    LinkParty(ChannelIdentity("telegram", "eve")),
)
CODE = "ABCDE-FGHJK"


def offered() -> PendingLink:
    return offer(ANNA, CODE, now=100.0, lifetime=600.0)


def claimed() -> PendingLink:
    link = claim(offered(), ANNA_TOO, "1234", now=200.0)
    assert isinstance(link, PendingLink)
    return link


def test_both_sides_lead_to_a_link() -> None:
    assert answer(claimed(), ANNA, "1234", now=300.0) == Confirmed(ANNA, ANNA_TOO)


def test_the_code_itself_is_not_kept() -> None:
    assert "ABCDE" not in repr(offered())
    assert offered().code_hash == hash_code(CODE)


def test_a_code_is_the_same_however_it_is_typed() -> None:
    assert len({hash_code(typed) for typed in (CODE, "abcde fghjk", "ABCDEFGHJK", " abcde-FGHJK ")}) == 1
    assert hash_code("ABCDE-FGHJM") != hash_code(CODE)


def test_codes_and_numbers_are_as_described() -> None:
    codes = {new_code() for _ in range(200)}
    assert len(codes) == 200
    assert all(set(code) <= {*ALPHABET, "-"} and len(code) == 11 for code in codes)
    assert all(len(new_number()) == 4 and new_number().isdigit() for _ in range(50))


def test_only_the_first_claimant_is_one() -> None:
    assert claim(claimed(), EVE, "9999", now=201.0) is Refusal.GONE
    assert claim(claimed(), ANNA_TOO, "9999", now=201.0) is Refusal.GONE


def test_nobody_claims_their_own_code() -> None:
    again = LinkParty(ChannelIdentity("telegram", "anna", {"chat_id": 5}), "other chat")
    assert claim(offered(), again, "1234", now=200.0) is Refusal.OWN_CODE


@pytest.mark.parametrize("now", [700.0, 701.0, 1e12])
def test_time_ends_everything(now: float) -> None:
    assert claim(offered(), ANNA_TOO, "1234", now=now) is Refusal.GONE
    assert answer(claimed(), ANNA, "1234", now=now) is Refusal.GONE


def test_nothing_is_confirmed_that_nobody_asked_for() -> None:
    assert answer(offered(), ANNA, "", now=200.0) is Refusal.NOTHING_TO_CONFIRM
    assert answer(offered(), ANNA, "None", now=200.0) is Refusal.NOTHING_TO_CONFIRM


@pytest.mark.parametrize("somebody", [ANNA_TOO, EVE])
def test_only_the_asker_confirms(somebody: LinkParty) -> None:
    assert answer(claimed(), somebody, "1234", now=300.0) is Refusal.GONE


def test_a_wrong_number_may_be_corrected_twice() -> None:
    once = answer(claimed(), ANNA, "1235", now=300.0)
    assert isinstance(once, PendingLink)
    twice = answer(once, ANNA, "", now=300.0)
    assert isinstance(twice, PendingLink)
    assert answer(twice, ANNA, "1234", now=300.0) == Confirmed(ANNA, ANNA_TOO)
    assert answer(twice, ANNA, "0000", now=300.0) is Refusal.WRONG_NUMBER


parties = st.sampled_from([ANNA, ANNA_TOO, EVE])
numbers = st.sampled_from(["0001", "0002", "1234", "", "x"])
steps = st.lists(st.tuples(st.sampled_from(["claim", "answer"]), parties, numbers, st.integers(0, 400)), max_size=12)


@given(steps)
def test_a_link_is_confirmed_only_by_the_asker_with_the_number_of_the_first_claim(
    taken: list[tuple[str, LinkParty, str, int]],
) -> None:
    link, now, first = offered(), 100.0, None
    for kind, by, number, wait in taken:
        now += wait
        step = claim(link, by, number, now=now) if kind == "claim" else answer(link, by, number, now=now)
        if isinstance(step, Confirmed):
            assert (by, first) == (ANNA, (step.claimant, number))
            assert step.asker == ANNA != step.claimant
            assert now < 700.0
            return
        if isinstance(step, PendingLink):
            first = (by, number) if kind == "claim" else first
            link = step
