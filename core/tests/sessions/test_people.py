from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import pytest
from agent_framework import AgentSession

from agent_framework_hosting.errors import StoreError
from agent_framework_hosting.model.identity import ChannelIdentity
from agent_framework_hosting.model.verdict import LinkParty
from agent_framework_hosting.ports import Delete, Put, Store
from agent_framework_hosting.records import Names, Records, key_of
from agent_framework_hosting.sessions.addresses import IDENTITIES, LINKS
from agent_framework_hosting.sessions.conversations import RESETS, SNAPSHOTS, Sessions
from agent_framework_hosting.state.disk import DiskStore
from agent_framework_hosting.state.memory import MemoryStore

ANNA = ChannelIdentity("telegram", "1", {"chat_id": 1})
ANNA_TEAMS = ChannelIdentity("teams", "a", {"conversation": "19:x"})
BEN = ChannelIdentity("telegram", "2")
Make = Callable[..., Any]

pytestmark = pytest.mark.anyio


class Clock(Protocol):
    now: float

    def __call__(self) -> float: ...


class Kept(Store, Protocol):
    full: bool
    commits: list[object]


def parties(*identities: ChannelIdentity) -> tuple[LinkParty, ...]:
    return tuple(map(LinkParty, identities))


async def no_forks(_: AgentSession, __: AgentSession) -> None:
    raise NotImplementedError


# Both directions


@pytest.mark.requirement("people.both-ways")
async def test_a_person_is_found_by_identity_and_an_identity_by_person(make: Make) -> None:
    known = make()
    assert known.people.key_of(ANNA) is None
    await known.saw("telegram:1", ANNA, "1")
    assert known.people.key_of(ChannelIdentity("telegram", "1")) == "telegram:1"
    assert known.people.addresses("telegram:1") == {"telegram": [ANNA]}
    assert known.people.addresses("nobody") == {}
    assert len(known.people) == 1


async def test_nothing_is_known_before_a_sighting_is_applied(make: Make, kept: Kept) -> None:
    known = make(kept)
    sighting = await known.people.sighting("telegram:1", ANNA)
    assert known.people.key_of(ANNA) is None
    assert len(sighting.writes) == 1
    await kept.commit(sighting.writes)
    known.people.apply(sighting)
    assert known.people.key_of(ANNA) == "telegram:1"


@pytest.mark.requirement("people.both-ways")
async def test_a_direct_chat_and_two_groups_are_all_kept(make: Make, clock: Clock) -> None:
    known = make(clock=clock)
    direct, one, two = (ChannelIdentity("telegram", "1", {"chat_id": chat}) for chat in (1, -10, -20))
    for identity, group in ((direct, False), (one, True), (two, True), (one, True)):
        clock.now += 1
        await known.saw("p", identity, str(identity.attributes["chat_id"]), is_group=group)
    assert known.people.addresses("p") == {"telegram": [direct, one, two]}
    assert [address.identity for address in known.people.known("p")] == [one, two, direct]
    assert [address.since for address in known.people.known("p")] == [1_000_002.0, 1_000_003.0, 1_000_001.0]


async def test_the_latest_attributes_of_an_address_count(make: Make) -> None:
    known = make()
    await known.saw("p", ChannelIdentity("hook", "1", {"callback": "old"}), "c")
    await known.saw("p", ChannelIdentity("hook", "1", {"callback": "new"}), "c")
    assert known.people.addresses("p") == {"hook": [ChannelIdentity("hook", "1", {"callback": "new"})]}


async def test_channels_and_addresses_come_most_recent_first(make: Make, clock: Clock) -> None:
    known = make(clock=clock)
    for identity in (ANNA, ANNA_TEAMS, ANNA):
        clock.now += 1
        await known.saw("p", identity)
    assert list(known.people.addresses("p")) == ["telegram", "teams"]


async def test_addresses_of_one_person_are_bounded(make: Make, kept: Kept) -> None:
    known = make(kept)
    for room in range(100):
        await known.saw("p", ANNA, str(room), is_group=True)
    assert {address.conversation_id for address in known.people.known("p")} == {str(room) for room in range(68, 100)}
    assert await kept.count("identities") == 32


async def test_an_identity_that_is_somebody_else_now_moves_with_its_addresses(make: Make, kept: Kept) -> None:
    known = make(kept)
    await known.saw("old", ANNA, "dm")
    await known.saw("old", ANNA, "room", is_group=True)
    await known.saw("new", ANNA, "dm")
    for each in (known, await make(kept).loaded()):
        assert each.people.key_of(ANNA) == "new"
        assert each.people.addresses("old") == {}
        assert len(each.people.known("new")) == 2


# The active channel


@pytest.mark.requirement("people.active")
async def test_active_is_the_most_recent_other_channel_within_the_window(make: Make, clock: Clock) -> None:
    known = make(clock=clock, active_window_seconds=100.0)
    assert known.people.active("p") is None
    await known.saw("p", ANNA, "dm")
    clock.now += 50
    await known.saw("p", ANNA_TEAMS, "19:x")
    assert known.people.active("p") == ANNA_TEAMS
    assert known.people.active("p", excluding=ANNA_TEAMS) == ANNA
    assert known.people.active("p", excluding=ANNA) == ANNA_TEAMS
    clock.now += 50
    assert known.people.active("p", excluding=ANNA_TEAMS) == ANNA
    clock.now += 1
    assert known.people.active("p", excluding=ANNA_TEAMS) is None


async def test_a_group_is_never_active(make: Make, clock: Clock) -> None:
    known = make(clock=clock)
    await known.saw("p", ANNA, "room", is_group=True)
    assert known.people.active("p") is None


async def test_active_is_the_same_after_a_restart(make: Make, kept: Kept, clock: Clock) -> None:
    known = make(kept, clock=clock)
    for identity in (ANNA, ANNA_TEAMS, ANNA, ANNA_TEAMS, ANNA):
        clock.now += 1
        await known.saw("p", identity)
    again = await make(kept, clock=clock).loaded()
    assert known.people.active("p") == again.people.active("p") == ANNA
    assert again.people.active("p", excluding=ANNA) == ANNA_TEAMS


# What is stored


async def test_a_person_who_keeps_writing_costs_no_writes(make: Make, kept: Kept, clock: Clock) -> None:
    known = make(kept, clock=clock)
    for _ in range(50):
        clock.now += 1
        await known.saw("telegram:1", ANNA, "dm")
    assert len(kept.commits) == 1
    clock.now += 300
    await known.saw("telegram:1", ANNA, "dm")
    assert len(kept.commits) == 2
    (address,) = (await make(kept).loaded()).people.known("telegram:1")
    assert (address.since, address.last_seen) == (1_000_001.0, 1_000_350.0)


@pytest.mark.requirement("people.persisted")
async def test_everything_comes_back_from_disk(make: Make, tmp_path: Path, clock: Clock) -> None:
    store = DiskStore(str(tmp_path / "state"))
    await store.open()
    known = make(store, clock=clock)
    await known.saw("p", ANNA, None, claims={"oid": "x", "groups": ["a", "b"]})
    await known.saw("p", ANNA_TEAMS, "19:x", is_group=True)
    await known.people.link(*parties(ANNA, BEN))
    await store.close()
    await store.open()
    again = await make(store).loaded()
    assert dict(again.people.everyone()) == dict(known.people.everyone())
    assert list(again.people.links()) == list(known.people.links())
    await store.close()


@pytest.mark.parametrize(
    "attributes", [{"callback": print}, {"at": float("nan")}, {"raw": b"x"}, {("a",): 1}, {"ids": {1, 2}}]
)
async def test_an_address_that_is_no_json_is_refused_by_name(make: Make, attributes: dict[str, object]) -> None:
    known = make()
    with pytest.raises(StoreError, match=r"'hook'.*ChannelIdentity.attributes"):
        await known.people.sighting("p", ChannelIdentity("hook", "1", attributes))
    assert len(known.people) == 0


async def test_a_commit_that_fails_leaves_nothing(make: Make, kept: Kept) -> None:
    known = make(kept)
    kept.full = True
    with pytest.raises(StoreError):
        await known.saw("telegram:1", ANNA)
    assert known.people.key_of(ANNA) is None


async def test_unreadable_records_are_left_aside(make: Make, kept: Kept, caplog: pytest.LogCaptureFixture) -> None:
    known = make(kept)
    await known.saw("telegram:1", ANNA)
    good = (await kept.scan("identities"))[0][1]
    damaged = ["", "[]", "\x80", '{"v":1}', good.replace('"v":1', '"v":99'), good.replace('"1"', "1"), "[" * 100_000]
    for number, text in enumerate(damaged):
        await kept.commit([Put("identities", f"bad{number}", text), Put("links", f"bad{number}", text)])
    again = await make(kept).loaded()
    assert dict(again.people.everyone()) == dict(known.people.everyone())
    assert len(caplog.records) == 2 * len(damaged)
    assert all(record.__dict__["record"] in record.getMessage() for record in caplog.records)
    assert "version 99" in caplog.text
    assert (await kept.count("identities"), await kept.count("links")) == (1, 0)
    for table in ("identities.unreadable", "links.unreadable"):
        assert dict(await kept.scan(table)) == {f"bad{number}": text for number, text in enumerate(damaged)}


# Bounds


@pytest.mark.requirement("people.bounded")
async def test_strangers_do_not_accumulate(make: Make, kept: Kept) -> None:
    known = make(kept, limit=100)
    for number in range(1000):
        await known.saw(f"web:{number}", ChannelIdentity("web", str(number)), claims={"oid": str(number)})
    assert len(known.people) == 100
    assert known.people.key_of(ChannelIdentity("web", "899")) is None
    assert known.people.key_of(ChannelIdentity("web", "900")) == "web:900"
    assert await kept.count("identities") == 100
    assert dict((await make(kept).loaded()).people.everyone()) == dict(known.people.everyone())


@pytest.mark.requirement("people.bounded")
async def test_who_goes_takes_conversations_and_counters_along_in_the_same_commit(make: Make, kept: Kept) -> None:
    known = make(kept, limit=10)
    sessions = Sessions(lambda name: AgentSession(session_id=name), no_forks, kept, snapshots=True)
    for number in range(210):
        key = f"web:{number}"
        await known.saw(key, ChannelIdentity("web", str(number)))
        await sessions.reset(key)
        for thread in (None, "a", "b/%\x1f"):
            session = await sessions.open(key, thread)
            assert session is not None
            await kept.commit(sessions.keep(key, thread, session))
    staying = {f"web:{number}" for number in range(200, 210)}
    assert {key for key, _ in known.people.everyone()} == staying
    snapshots = [key.partition("\x1f")[0] for key, _ in await kept.scan(SNAPSHOTS.name)]
    assert sorted(snapshots) == sorted([*staying] * 3)
    assert {key for key, _ in await kept.scan(RESETS.name)} == staying
    going = [
        (sorted(write.table for write in commit if isinstance(write, Delete)), len(commit))
        for commit in kept.commits
        if any(isinstance(write, Put) and write.table == "identities" for write in commit)
    ]
    assert going[10:] == [(["identities", "resets", "snapshots", "snapshots", "snapshots"], 6)] * 200


@pytest.mark.requirement("people.bounded")
async def test_who_goes_takes_nothing_of_a_neighbour_along(make: Make, kept: Kept) -> None:
    known = make(kept, limit=2)
    names = ["web:1", "web:11", "web:1%", "web:1\x1f1"]
    for name in names:
        await kept.commit([Put(SNAPSHOTS.name, f"{key_of(name)}\x1f", "{}"), Put(RESETS.name, key_of(name), "1")])
    for name in [*names, "web:2"]:
        await known.saw(name, ChannelIdentity("web", name.removeprefix("web:")))
        left = {key.rpartition("\x1f")[0] for key, _ in await kept.scan(SNAPSHOTS.name)}
        gone = [each for each in names if each not in dict(known.people.everyone())] if name == "web:2" else None
    assert gone == ["web:1", "web:11", "web:1%"]
    assert left == {key_of("web:1\x1f1")}
    assert [key for key, _ in await kept.scan(RESETS.name)] == [key_of("web:1\x1f1")]


@pytest.mark.parametrize("store", [MemoryStore, None], ids=["memory", "kept"])
@pytest.mark.parametrize("odd", ["a\0b", "\ud800", "a\x1fb", "%00", ""])
async def test_no_name_a_wire_makes_up_stands_in_the_way_of_the_next_one(
    make: Make, kept: Kept, store: Callable[[], Store] | None, odd: str
) -> None:
    known = make(kept if store is None else store(), limit=1)
    for native_id in (odd, "2"):
        await known.saw(f"web:{native_id}", ChannelIdentity("web", native_id))
    assert [key for key, _ in known.people.everyone()] == ["web:2"]


async def test_who_was_seen_longest_ago_goes_first(make: Make) -> None:
    known = make(limit=2)
    for native_id in ("1", "2", "1", "3"):
        await known.saw(f"web:{native_id}", ChannelIdentity("web", native_id))
    assert [key for key, _ in known.people.everyone()] == ["web:3", "web:1"]


async def test_linked_people_are_not_pushed_out_by_strangers(make: Make, kept: Kept) -> None:
    known = make(kept, limit=10)
    await known.people.link(*parties(ANNA, ANNA_TEAMS))
    for number in range(500):
        await known.saw(f"web:{number}", ChannelIdentity("web", str(number)))
    assert len(known.people) == 10
    assert known.people.key_of(ANNA_TEAMS) == "telegram:1"
    assert set(known.people.addresses("telegram:1")) == {"telegram", "teams"}


async def test_somebody_seen_again_while_being_pushed_out_stays(make: Make, kept: Kept) -> None:
    known = make(kept, limit=2)
    for native_id in ("1", "2"):
        await known.saw(f"web:{native_id}", ChannelIdentity("web", native_id))
    third = await known.people.sighting("web:3", ChannelIdentity("web", "3"))
    await known.saw("web:1", ChannelIdentity("web", "1"))
    await kept.commit(third.writes)
    known.people.apply(third)
    assert known.people.key_of(ChannelIdentity("web", "1")) == "web:1"
    await known.saw("web:1", ChannelIdentity("web", "1"))
    again = await make(kept).loaded()
    assert again.people.key_of(ChannelIdentity("web", "1")) == "web:1"


# Who is who


@pytest.mark.requirement("people.key")
async def test_the_key_is_the_persons_then_the_resolvers_then_the_identitys_own(make: Make) -> None:
    async def resolver(identity: ChannelIdentity) -> str | None:
        return "user:7" if identity.native_id == "1" else None

    plain, resolving = make(), make(resolver=resolver)
    assert await plain.people.key_for(ANNA, {}) == "telegram:1"
    assert await resolving.people.key_for(ANNA, {}) == "user:7"
    assert await resolving.people.key_for(BEN, {}) == "telegram:2"
    await resolving.people.link(*parties(BEN, ANNA))
    assert await resolving.people.key_for(ANNA, {}) == "telegram:2"


@pytest.mark.requirement("linking.silent-join")
async def test_a_new_identity_with_a_known_claim_joins_silently(make: Make, kept: Kept) -> None:
    known = make(kept, join_claims=["oid"])
    await known.saw("teams:a", ANNA_TEAMS, claims={"oid": "o-1", "name": "Anna"})
    key = await known.people.key_for(ANNA, {"oid": "o-1"})
    assert key == "teams:a"
    await known.saw(key, ANNA, claims={"oid": "o-1"})
    for each in (known, await make(kept, join_claims=["oid"]).loaded()):
        assert await each.people.key_for(ANNA, {}) == "teams:a"
        assert await each.people.key_for(ANNA_TEAMS, {}) == "teams:a"
        assert {alias.origin for alias in each.people.links()} == {"claim"}


@pytest.mark.parametrize("claims", [{}, {"oid": "o-2"}, {"name": "o-1"}, {"oid": None}, {"oid": ["o-1"]}, {"oid": ""}])
async def test_other_claims_join_nobody(make: Make, claims: dict[str, object]) -> None:
    known = make(join_claims=["oid"])
    await known.saw("teams:a", ANNA_TEAMS, claims={"oid": "o-1", "name": "o-1"})
    assert await known.people.key_for(ANNA, claims) == "telegram:1"  # type: ignore[arg-type]


async def test_without_join_claims_nobody_joins_silently(make: Make) -> None:
    known = make()
    await known.saw("teams:a", ANNA_TEAMS, claims={"oid": "o-1"})
    assert await known.people.key_for(ANNA, {"oid": "o-1"}) == "telegram:1"


async def test_an_identity_with_a_history_of_its_own_never_joins_silently(make: Make) -> None:
    known = make(join_claims=["oid"])
    await known.saw("teams:a", ANNA_TEAMS, claims={"oid": "o-1"})
    await known.saw("telegram:1", ANNA)
    assert await known.people.key_for(ANNA, {"oid": "o-1"}) == "telegram:1"


async def test_a_claim_that_was_given_up_joins_nobody(make: Make) -> None:
    known = make(join_claims=["email"])
    await known.saw("teams:a", ANNA_TEAMS, claims={"email": "team@x"})
    await known.saw("teams:a", ANNA_TEAMS, claims={"email": "anna@x"})
    assert await known.people.key_for(BEN, {"email": "team@x"}) == "telegram:2"
    assert await known.people.key_for(BEN, {"email": "anna@x"}) == "teams:a"


async def test_claims_that_name_two_people_join_neither(make: Make) -> None:
    known = make(join_claims=["oid", "email"])
    await known.saw("teams:a", ANNA_TEAMS, claims={"oid": "o-1"})
    await known.saw("telegram:2", BEN, claims={"email": "ben@x"})
    assert await known.people.key_for(ANNA, {"oid": "o-1", "email": "ben@x"}) == "telegram:1"


# The operator


@pytest.mark.requirement("people.forget")
async def test_forgetting_removes_every_trace(make: Make, kept: Kept) -> None:
    known = make(kept, join_claims=["oid"])
    await known.saw("teams:a", ANNA_TEAMS, "19:x", claims={"oid": "o-1"})
    await known.saw(await known.people.key_for(ANNA, {"oid": "o-1"}), ANNA, claims={"oid": "o-1"})
    await known.saw("telegram:2", BEN)
    anna = Names(frozenset({"teams:a", "telegram:1"}), frozenset({("teams", "a"), ("telegram", "1")}))
    await kept.commit([each async for each in known.catalog.about(anna)])
    known.people.drop(anna.keys, anna.accounts)
    for each in (known, await make(kept, join_claims=["oid"]).loaded()):
        assert [key for key, _ in each.people.everyone()] == ["telegram:2"]
        assert each.people.key_of(ANNA) is None
        assert list(each.people.links()) == []
        assert await each.people.key_for(ANNA, {"oid": "o-1"}) == "telegram:1"
    left = [record.id for table in (IDENTITIES, LINKS) async for _, record in Records(kept, table).all()]
    assert left == ["2"]


async def test_a_host_without_a_state_directory_keeps_people_across_a_restart_of_itself(make: Make) -> None:
    store = MemoryStore()
    known = make(store)
    await known.saw("telegram:1", ANNA)
    await known.loaded()
    assert known.people.key_of(ANNA) == "telegram:1"
    assert await store.count("identities") == 0


# Several hosts on one store


@pytest.mark.requirement("people.shared")
async def test_another_host_learns_of_a_link_and_of_its_end_with_the_next_message(make: Make, clock: Clock) -> None:
    store = MemoryStore()
    here, there = (make(store, shared=True, clock=clock) for _ in range(2))
    await here.saw("telegram:1", ANNA, "dm")
    await here.saw("teams:a", ANNA_TEAMS, "19:y", is_group=True)
    await here.saw("teams:a", ANNA_TEAMS, "19:x")
    for identity in (ANNA, ANNA_TEAMS):
        await there.people.refresh(identity)
    clock.now += 1
    await here.people.link(*parties(ANNA, ANNA_TEAMS))
    for speaker in (ANNA_TEAMS, ANNA):
        await there.people.refresh(speaker)
        assert await there.people.key_for(ANNA_TEAMS, {}) == "telegram:1"
        assert same(there, here, "telegram:1", "teams:a")
    clock.now += 1
    await here.people.unlink(ANNA_TEAMS)
    await there.people.refresh(ANNA)
    assert await there.people.key_for(ANNA_TEAMS, {}) == "teams:a"
    assert same(there, here, "telegram:1", "teams:a")
    assert there.people.members("telegram:1") == ()


@pytest.mark.requirement("people.shared")
async def test_who_left_a_person_elsewhere_gets_nothing_of_theirs_any_more(make: Make, clock: Clock) -> None:
    store = MemoryStore()
    here, there, late = (make(store, shared=True, clock=clock) for _ in range(3))
    await late.loaded()
    watch = ChannelIdentity("watch", "w")
    for joins in (ANNA_TEAMS, watch):
        await here.people.link(*parties(ANNA, joins))
    await there.people.refresh(ANNA)
    assert set(there.people.addresses("telegram:1")) == {"telegram", "teams", "watch"}
    clock.now += 1
    await here.people.unlink(watch)
    for each in (there, late):
        await each.people.refresh(ANNA)
        assert set(each.people.addresses("telegram:1")) == {"telegram", "teams"}
        assert set(each.people.members("telegram:1")) == {ANNA, ANNA_TEAMS}
        assert await each.people.key_for(watch, {}) == "watch:w"


@pytest.mark.requirement("people.shared")
async def test_who_was_forgotten_elsewhere_is_known_nowhere(make: Make) -> None:
    store = MemoryStore()
    here, there = (make(store, shared=True) for _ in range(2))
    await here.saw("telegram:2", BEN)
    await here.people.link(*parties(ANNA, ANNA_TEAMS))
    for identity in (ANNA, BEN):
        await there.people.refresh(identity)
    anna = Names(frozenset({"teams:a", "telegram:1"}), frozenset({("teams", "a"), ("telegram", "1")}))
    await store.commit([each async for each in here.catalog.about(anna)])
    await there.people.refresh(ANNA_TEAMS)
    assert [key for key, _ in there.people.everyone()] == ["telegram:2"]
    assert list(there.people.links()) == []
    assert await there.people.key_for(ANNA_TEAMS, {}) == "teams:a"


@pytest.mark.requirement("people.shared")
async def test_those_a_resolver_takes_for_one_stay_one(make: Make) -> None:
    store = MemoryStore()
    here, there = (make(store, shared=True) for _ in range(2))
    await here.saw("user:7", ANNA)
    await there.people.refresh(ANNA)
    await here.saw("user:7", ANNA_TEAMS)
    for speaker in (ANNA, ANNA_TEAMS):
        await there.people.refresh(speaker)
        assert set(there.people.addresses("user:7")) == {"telegram", "teams"}


def same(one: Any, other: Any, *keys: str) -> bool:
    """Say whether two hosts know people alike, whatever they think of the order."""
    return all(set(one.people.known(key)) == set(other.people.known(key)) for key in keys)
