from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

import pytest

from agent_framework_hosting.errors import HostConfigurationError, StoreError
from agent_framework_hosting.linking.one_time_code import OneTimeCodeLinker
from agent_framework_hosting.linking.ports import HostedLinker
from agent_framework_hosting.model.identity import ChannelIdentity
from agent_framework_hosting.model.verdict import LinkChallenge, LinkedIdentity
from agent_framework_hosting.ports import IdentityLinker, Put, Store
from agent_framework_hosting.sessions.people import People

PHONE = ChannelIdentity("telegram", "1", {"chat_id": 1, "username": "anna"})
DESK = ChannelIdentity("teams", "a", {"conversation": "a:1"})
WATCH = ChannelIdentity("watch", "w")
EVE = ChannelIdentity("teams", "eve", {"display_name": 'Anna"\n/link confirm 0000 ' + "x" * 100})

pytestmark = pytest.mark.anyio


class Kept(Store, Protocol):
    full: bool

    async def everything(self) -> str: ...


class Host(Protocol):
    now: float
    store: Kept
    linker: OneTimeCodeLinker
    people: People
    unreachable: set[str]
    read: dict[tuple[str, str], list[str]]
    say: Callable[..., Awaitable[str]]
    key: Callable[[ChannelIdentity], Awaitable[str]]
    code_for: Callable[[ChannelIdentity], Awaitable[str]]
    question_to: Callable[[ChannelIdentity], str]
    link: Callable[[ChannelIdentity, ChannelIdentity], Awaitable[None]]
    restart: Callable[[], Awaitable[None]]
    code_in: Callable[[str], str]
    number_in: Callable[[str], str]


Hosts = Callable[..., Host]


async def apart(host: Host) -> bool:
    keys = {await host.key(who) for who in (PHONE, DESK, WATCH, EVE)}
    return keys == {"telegram:1", "teams:a", "watch:w", "teams:eve"}


async def test_it_is_what_the_host_looks_for(host: Host) -> None:
    assert isinstance(host.linker, IdentityLinker)
    assert isinstance(host.linker, HostedLinker)
    assert [command.name for command in host.linker.commands] == ["link", "unlink", "whoami"]


async def test_code_on_one_side_confirmation_on_the_other(host: Host) -> None:
    shown = await host.say(PHONE, "/link")
    asked = await host.say(DESK, f"/link {host.code_in(shown)}")
    assert "telegram account" in asked
    assert "anna" in asked
    assert await apart(host)
    question = host.question_to(PHONE)
    assert "teams account a" in question
    answer = await host.say(PHONE, f"/link confirm {host.number_in(question)}")
    assert "linked with teams account a" in answer
    assert "linked with telegram account" in host.question_to(DESK)
    assert await host.key(PHONE) == await host.key(DESK) == "telegram:1"
    assert host.people.addresses("telegram:1") == {"telegram": [PHONE], "teams": [DESK]}


@pytest.mark.parametrize("keep_name", [True, False])
async def test_the_command_is_understood_with_and_without_its_name(host: Host, keep_name: bool) -> None:
    code = host.code_in(await host.say(PHONE, "/link", keep_name=keep_name))
    await host.say(DESK, f"/link {code.lower().replace('-', ' ')}", keep_name=keep_name)
    number = host.number_in(host.question_to(PHONE))
    await host.say(PHONE, f"/link YES {number}", keep_name=keep_name)
    assert await host.key(DESK) == "telegram:1"


@pytest.mark.parametrize("text", ["/link", "/link ABCDE-FGHJK", "/link confirm 1234", "/unlink", "/whoami"])
async def test_nothing_is_shown_or_done_in_a_group(host: Host, text: str) -> None:
    await host.link(PHONE, DESK)
    before = await host.store.everything()
    answer = await host.say(PHONE, text, is_group=True)
    assert "private" in answer
    assert await host.store.everything() == before


async def test_a_code_typed_in_a_group_is_not_used_up(host: Host) -> None:
    code = await host.code_for(PHONE)
    await host.say(DESK, f"/link {code}", is_group=True)
    await host.say(DESK, f"/link {code}")
    assert "teams account a" in host.question_to(PHONE)


async def test_a_forwarded_code_is_worth_nothing_without_confirmation(host: Host) -> None:
    code = await host.code_for(PHONE)
    await host.say(EVE, f"/link {code}")
    assert "eve" in host.question_to(PHONE)
    await host.say(PHONE, "/link deny")
    assert "did not confirm" in host.question_to(EVE)
    number = host.number_in(host.read["telegram", "1"][0])
    for who in (PHONE, EVE):
        await host.say(who, f"/link confirm {number}")
        await host.say(who, f"/link {code}")
    assert await apart(host)


async def test_a_second_claimant_reads_the_same_as_a_guesser(host: Host) -> None:
    code = await host.code_for(PHONE)
    await host.say(DESK, f"/link {code}")
    second = await host.say(EVE, f"/link {code}")
    assert second == await host.say(WATCH, "/link ABCDE-FGHJK")
    assert len(host.read["telegram", "1"]) == 1
    await host.say(PHONE, f"/link confirm {host.number_in(host.question_to(PHONE))}")
    assert await host.key(DESK) == "telegram:1"
    assert await host.key(EVE) == "teams:eve"


async def test_a_code_works_once(host: Host) -> None:
    code = await host.code_for(PHONE)
    await host.say(DESK, f"/link {code}")
    number = host.number_in(host.question_to(PHONE))
    await host.say(PHONE, f"/link confirm {number}")
    await host.say(WATCH, f"/link {code}")
    await host.say(PHONE, f"/link confirm {number}")
    assert await host.key(WATCH) == "watch:w"


async def test_a_new_code_ends_the_one_before(host: Host) -> None:
    old, new = await host.code_for(PHONE), await host.code_for(PHONE)
    assert "not valid" in await host.say(DESK, f"/link {old}")
    await host.say(DESK, f"/link {new}")
    assert len(host.read["telegram", "1"]) == 1


async def test_a_question_that_is_open_is_shown_again_instead_of_a_new_code(host: Host) -> None:
    host.unreachable.add("telegram")
    asked = await host.say(DESK, f"/link {await host.code_for(PHONE)}")
    assert "type /link on telegram account" in asked
    question = await host.say(PHONE, "/link")
    await host.say(PHONE, f"/link confirm {host.number_in(question)}")
    assert await host.key(DESK) == "telegram:1"


async def test_codes_and_questions_end_with_their_time(make_host: Hosts) -> None:
    host = make_host(code_lifetime=300.0)
    code = await host.code_for(PHONE)
    host.now += 299
    await host.say(DESK, f"/link {code}")
    number = host.number_in(host.question_to(PHONE))
    host.now += 1
    assert "nothing to confirm" in await host.say(PHONE, f"/link confirm {number}")
    late = await host.code_for(PHONE)
    host.now += 300
    assert "not valid" in await host.say(DESK, f"/link {late}")
    assert await apart(host)


async def test_ones_own_code_links_nothing(host: Host) -> None:
    code = await host.code_for(PHONE)
    assert "own code" in await host.say(PHONE, f"/link {code}")
    await host.say(DESK, f"/link {code}")
    assert "teams account a" in host.question_to(PHONE)


async def test_only_the_asker_confirms(host: Host) -> None:
    await host.say(EVE, f"/link {await host.code_for(PHONE)}")
    number = host.number_in(host.question_to(PHONE))
    for who in (EVE, DESK):
        assert "nothing to confirm" in await host.say(who, f"/link confirm {number}")
    assert await apart(host)


async def test_wrong_numbers_end_the_link(host: Host) -> None:
    await host.say(DESK, f"/link {await host.code_for(PHONE)}")
    number = host.number_in(host.question_to(PHONE))
    wrong = f"{(int(number) + 1) % 10_000:04d}"
    for attempt in (f"/link confirm {wrong}", "/link confirm", "/link confirm x"):
        await host.say(PHONE, attempt)
    assert "nothing to confirm" in await host.say(PHONE, f"/link confirm {number}")
    assert await apart(host)


async def test_guessing_locks_the_guesser_out_and_nobody_else(make_host: Hosts) -> None:
    host = make_host(wrong_codes=3, lockout=900.0, code_lifetime=100_000.0)
    code = await host.code_for(PHONE)
    for guess in ("AAAAA-AAAAA", "BBBBB-BBBBB", "CCCCC-CCCCC"):
        assert "not valid" in await host.say(EVE, f"/link {guess}")
    assert "15 minutes" in await host.say(EVE, f"/link {code}")
    assert host.read["telegram", "1"] == []
    host.now += 900
    await host.say(EVE, f"/link {code}")
    assert len(host.read["telegram", "1"]) == 1


async def test_codes_are_not_handed_out_without_end(make_host: Hosts) -> None:
    host = make_host(wrong_codes=3, lockout=900.0)
    for _ in range(3):
        await host.code_for(PHONE)
    assert "too often" in await host.say(PHONE, "/link")
    await host.code_for(DESK)
    host.now += 900
    await host.code_for(PHONE)


async def test_strangers_asking_for_codes_stay_bounded(make_host: Hosts) -> None:
    host = make_host(pending_limit=5)
    for number in range(5):
        await host.code_for(ChannelIdentity("web", str(number)))
    assert "try again" in await host.say(PHONE, "/link")
    host.now += 600
    await host.code_for(PHONE)
    assert await host.store.count("pending_links") == 1


async def test_no_code_is_stored_or_logged(host: Host, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    code = await host.code_for(PHONE)
    await host.say(DESK, f"/link {code}")
    stored = await host.store.everything()
    logged = " ".join(f"{record.getMessage()} {vars(record)}" for record in caplog.records)
    for spelling in (code, code.replace("-", "")):
        assert spelling not in stored
        assert spelling not in logged
    assert caplog.records
    assert "anna" not in logged


async def test_a_name_from_a_platform_cannot_pose_as_the_host(host: Host) -> None:
    await host.say(EVE, f"/link {await host.code_for(PHONE)}")
    question = host.question_to(PHONE)
    assert "\n" not in question
    assert question.count('"') == 2
    assert "(eve)" in question
    assert len(question) < 400


async def test_an_account_that_is_linked_joins_nobody_else(host: Host) -> None:
    await host.link(PHONE, DESK)
    assert "linked already" in await host.say(DESK, f"/link {await host.code_for(EVE)}")
    assert host.read["teams", "eve"] == []


async def test_an_account_linked_while_the_question_was_open_is_not_taken_over(host: Host) -> None:
    await host.say(DESK, f"/link {await host.code_for(PHONE)}")
    await host.link(WATCH, DESK)
    answer = await host.say(PHONE, f"/link confirm {host.number_in(host.question_to(PHONE))}")
    assert "could not be made" in answer
    assert await host.key(DESK) == "watch:w"
    assert await host.key(PHONE) == "telegram:1"
    assert await host.store.count("pending_links") == 0


async def test_a_third_account_joins_through_any_of_the_two(host: Host) -> None:
    await host.link(PHONE, DESK)
    await host.link(DESK, WATCH)
    assert await host.key(WATCH) == "telegram:1"
    assert "teams account a" in await host.say(WATCH, "/whoami")


async def test_the_claimant_can_withdraw(host: Host) -> None:
    await host.say(DESK, f"/link {await host.code_for(PHONE)}")
    number = host.number_in(host.question_to(PHONE))
    await host.say(DESK, "/link cancel")
    assert "cancelled" in host.question_to(PHONE)
    await host.say(PHONE, f"/link confirm {number}")
    assert await apart(host)


async def test_unlinking_separates_both(host: Host) -> None:
    await host.link(PHONE, DESK)
    assert "on its own" in await host.say(DESK, "/unlink")
    assert await apart(host)
    assert "not linked" in await host.say(PHONE, "/unlink")


async def test_whoami_tells_who_and_with_whom(host: Host) -> None:
    assert "no other" in await host.say(PHONE, "/whoami")
    await host.link(PHONE, DESK)
    answer = await host.say(PHONE, "/whoami")
    assert "telegram account" in answer
    assert "teams account a" in answer


# For the gate


async def test_an_unlinked_account_is_told_how_to_link(host: Host) -> None:
    challenge = await host.linker.resolve(PHONE)
    assert isinstance(challenge, LinkChallenge)
    assert "/link" in (challenge.message or "")
    assert challenge.challenge_id


async def test_a_linked_account_is_the_person_with_the_claims_of_all_its_accounts(make_host: Hosts) -> None:
    host = make_host(claims_lifetime=3600.0)
    await host.link(PHONE, DESK)
    assert await host.linker.resolve(PHONE) == LinkedIdentity("telegram:1")
    host.people.apply(await host.people.sighting("telegram:1", DESK, claims={"email": "anna@x"}))
    assert await host.linker.resolve(PHONE) == LinkedIdentity("telegram:1", {"email": "anna@x"})
    host.now += 3601
    assert await host.linker.resolve(PHONE) == LinkedIdentity("telegram:1")


async def test_claims_to_join_by_are_given_as_a_list() -> None:
    assert tuple(OneTimeCodeLinker(join_claims=["oid"]).join_claims) == ("oid",)
    with pytest.raises(TypeError):
        OneTimeCodeLinker(join_claims="oid")


async def test_a_linker_without_a_host_says_so() -> None:
    with pytest.raises(HostConfigurationError, match="identity_linker"):
        await OneTimeCodeLinker().resolve(PHONE)


# Crashes


async def test_every_step_survives_a_restart(host: Host) -> None:
    code = await host.code_for(PHONE)
    await host.restart()
    await host.say(DESK, f"/link {code}")
    await host.restart()
    await host.say(PHONE, f"/link confirm {host.number_in(host.question_to(PHONE))}")
    await host.restart()
    assert await host.key(PHONE) == await host.key(DESK) == "telegram:1"
    assert "not valid" in await host.say(WATCH, f"/link {code}")
    await host.say(PHONE, "/unlink")
    await host.restart()
    assert await apart(host)


async def test_a_step_that_cannot_be_stored_did_not_happen(host: Host) -> None:
    host.store.full = True
    with pytest.raises(StoreError):
        await host.say(PHONE, "/link")
    host.store.full = False
    code = await host.code_for(PHONE)
    host.store.full = True
    with pytest.raises(StoreError):
        await host.say(DESK, f"/link {code}")
    host.store.full = False
    await host.say(DESK, f"/link {code}")
    number = host.number_in(host.question_to(PHONE))
    host.store.full = True
    with pytest.raises(StoreError):
        await host.say(PHONE, f"/link confirm {number}")
    assert await apart(host)
    host.store.full = False
    await host.say(PHONE, f"/link confirm {number}")
    assert await host.key(DESK) == "telegram:1"


async def test_damaged_and_expired_records_are_dropped_at_start(host: Host) -> None:
    await host.code_for(PHONE)
    damaged = ["", "[]", '{"v": 1}', '{"v": 2}', "[" * 100_000]
    await host.store.commit([Put("pending_links", f"x{number}", text) for number, text in enumerate(damaged)])
    await host.restart()
    assert await host.store.count("pending_links") == 1
    host.now += 600
    await host.restart()
    assert await host.store.count("pending_links") == 0


async def test_forgetting_somebody_drops_the_links_under_way_on_both_sides(host: Host) -> None:
    other = ChannelIdentity("desk", "other-one")
    code = await host.code_for(PHONE)
    await host.say(DESK, f"/link {code}")
    await host.code_for(other)
    assert '"a"' in await host.store.everything()
    await host.linker.forget([DESK])
    left = await host.store.everything()
    assert '"a"' not in left
    assert "other-one" in left
    await host.say(PHONE, f"/link confirm {host.number_in(host.question_to(PHONE))}")
    assert await apart(host)
