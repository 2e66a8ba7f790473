from __future__ import annotations

import json
from pathlib import Path
from typing import Protocol

import pytest
from agent_framework import AgentSession

from agent_framework_hosting.errors import StoreError
from agent_framework_hosting.model.identity import ChannelIdentity
from agent_framework_hosting.model.verdict import LinkParty
from agent_framework_hosting.ports import Delete, Put, Store
from agent_framework_hosting.sessions.registry import IdentityRegistry
from agent_framework_hosting.sessions.resolve import SNAPSHOTS, Sessions
from agent_framework_hosting.state.disk import DiskStore
from agent_framework_hosting.state.memory import MemoryStore

ANNA = ChannelIdentity("telegram", "1", {"chat_id": 1})
ANNA_TEAMS = ChannelIdentity("teams", "a", {"conversation": "19:x"})
BEN = ChannelIdentity("telegram", "2")

pytestmark = pytest.mark.anyio


class Clock(Protocol):
    now: float

    def __call__(self) -> float: ...


class Kept(Store, Protocol):
    full: bool
    commits: list[object]


def registry(store: Store | None = None, **options: object) -> IdentityRegistry:
    return IdentityRegistry(store or MemoryStore(), **options)  # type: ignore[arg-type]


def parties(*identities: ChannelIdentity) -> tuple[LinkParty, ...]:
    return tuple(map(LinkParty, identities))


async def no_forks(_: AgentSession, __: AgentSession) -> None:
    raise NotImplementedError


async def reopened(store: Store, **options: object) -> IdentityRegistry:
    again = registry(store, **options)
    await again.load()
    return again


# Both directions


@pytest.mark.requirement("people.both-ways")
async def test_a_person_is_found_by_identity_and_an_identity_by_person() -> None:
    known = registry()
    assert known.key_of(ANNA) is None
    await known.record("telegram:1", ANNA, "1")
    assert known.key_of(ChannelIdentity("telegram", "1")) == "telegram:1"
    assert known.addresses("telegram:1") == {"telegram": [ANNA]}
    assert known.addresses("nobody") == {}
    assert len(known) == 1


async def test_nothing_is_known_before_a_sighting_is_applied(kept: Kept) -> None:
    known = registry(kept)
    sighting = known.sighting("telegram:1", ANNA)
    assert known.key_of(ANNA) is None
    assert len(sighting.writes) == 1
    await kept.commit(sighting.writes)
    known.apply(sighting)
    assert known.key_of(ANNA) == "telegram:1"


@pytest.mark.requirement("people.both-ways")
async def test_a_direct_chat_and_two_groups_are_all_kept(clock: Clock) -> None:
    known = registry(clock=clock)
    direct, one, two = (ChannelIdentity("telegram", "1", {"chat_id": chat}) for chat in (1, -10, -20))
    for identity, group in ((direct, False), (one, True), (two, True), (one, True)):
        clock.now += 1
        await known.record("p", identity, str(identity.attributes["chat_id"]), is_group=group)
    assert known.addresses("p") == {"telegram": [direct, one, two]}
    assert [address.identity for address in known.known("p")] == [one, two, direct]
    assert [address.since for address in known.known("p")] == [1_000_002.0, 1_000_003.0, 1_000_001.0]


async def test_the_latest_attributes_of_an_address_count() -> None:
    known = registry()
    await known.record("p", ChannelIdentity("hook", "1", {"callback": "old"}), "c")
    await known.record("p", ChannelIdentity("hook", "1", {"callback": "new"}), "c")
    assert known.addresses("p") == {"hook": [ChannelIdentity("hook", "1", {"callback": "new"})]}


async def test_channels_and_addresses_come_most_recent_first(clock: Clock) -> None:
    known = registry(clock=clock)
    for identity in (ANNA, ANNA_TEAMS, ANNA):
        clock.now += 1
        await known.record("p", identity)
    assert list(known.addresses("p")) == ["telegram", "teams"]


async def test_addresses_of_one_person_are_bounded(kept: Kept) -> None:
    known = registry(kept)
    for room in range(100):
        await known.record("p", ANNA, str(room), is_group=True)
    assert {address.conversation_id for address in known.known("p")} == {str(room) for room in range(68, 100)}
    assert await kept.count("identities") == 32


async def test_an_identity_that_is_somebody_else_now_moves_with_its_addresses(kept: Kept) -> None:
    known = registry(kept)
    await known.record("old", ANNA, "dm")
    await known.record("old", ANNA, "room", is_group=True)
    await known.record("new", ANNA, "dm")
    for each in (known, await reopened(kept)):
        assert each.key_of(ANNA) == "new"
        assert each.addresses("old") == {}
        assert len(each.known("new")) == 2


# The active channel


@pytest.mark.requirement("people.active")
async def test_active_is_the_most_recent_other_channel_within_the_window(clock: Clock) -> None:
    known = registry(clock=clock, active_window_seconds=100.0)
    assert known.active("p") is None
    await known.record("p", ANNA, "dm")
    clock.now += 50
    await known.record("p", ANNA_TEAMS, "19:x")
    assert known.active("p") == ANNA_TEAMS
    assert known.active("p", excluding=ANNA_TEAMS) == ANNA
    assert known.active("p", excluding=ANNA) == ANNA_TEAMS
    clock.now += 50
    assert known.active("p", excluding=ANNA_TEAMS) == ANNA
    clock.now += 1
    assert known.active("p", excluding=ANNA_TEAMS) is None


async def test_a_group_is_never_active(clock: Clock) -> None:
    known = registry(clock=clock)
    await known.record("p", ANNA, "room", is_group=True)
    assert known.active("p") is None


async def test_active_is_the_same_after_a_restart(kept: Kept, clock: Clock) -> None:
    known = registry(kept, clock=clock)
    for identity in (ANNA, ANNA_TEAMS, ANNA, ANNA_TEAMS, ANNA):
        clock.now += 1
        await known.record("p", identity)
    again = await reopened(kept, clock=clock)
    assert known.active("p") == again.active("p") == ANNA
    assert again.active("p", excluding=ANNA) == ANNA_TEAMS


# What is stored


async def test_a_person_who_keeps_writing_costs_no_writes(kept: Kept, clock: Clock) -> None:
    known = registry(kept, clock=clock)
    for _ in range(50):
        clock.now += 1
        await known.record("telegram:1", ANNA, "dm")
    assert len(kept.commits) == 1
    clock.now += 300
    await known.record("telegram:1", ANNA, "dm")
    assert len(kept.commits) == 2
    (address,) = (await reopened(kept)).known("telegram:1")
    assert (address.since, address.last_seen) == (1_000_001.0, 1_000_350.0)


@pytest.mark.requirement("people.persisted")
async def test_everything_comes_back_from_disk(tmp_path: Path, clock: Clock) -> None:
    store = DiskStore(str(tmp_path / "state"))
    await store.open()
    known = registry(store, clock=clock)
    await known.record("p", ANNA, None, claims={"oid": "x", "groups": ["a", "b"]})
    await known.record("p", ANNA_TEAMS, "19:x", is_group=True)
    await known.links.link(*parties(ANNA, BEN))
    await store.close()
    await store.open()
    again = await reopened(store)
    assert dict(again.people()) == dict(known.people())
    assert list(again.links) == list(known.links)
    await store.close()


@pytest.mark.parametrize(
    "attributes", [{"callback": print}, {"at": float("nan")}, {"raw": b"x"}, {("a",): 1}, {"ids": {1, 2}}]
)
async def test_an_address_that_is_no_json_is_refused_by_name(attributes: dict[str, object]) -> None:
    known = registry()
    with pytest.raises(StoreError, match=r"'hook'.*ChannelIdentity.attributes"):
        known.sighting("p", ChannelIdentity("hook", "1", attributes))
    assert len(known) == 0


async def test_a_commit_that_fails_leaves_nothing(kept: Kept) -> None:
    known = registry(kept)
    kept.full = True
    with pytest.raises(StoreError):
        await known.record("telegram:1", ANNA)
    assert known.key_of(ANNA) is None


async def test_unreadable_records_are_left_aside(kept: Kept, caplog: pytest.LogCaptureFixture) -> None:
    known = registry(kept)
    await known.record("telegram:1", ANNA)
    good = (await kept.scan("identities"))[0][1]
    damaged = ["", "[]", "\x80", '{"v":1}', good.replace('"v": 1', '"v": 99'), good.replace('"1"', "1"), "[" * 100_000]
    for number, text in enumerate(damaged):
        await kept.commit([Put("identities", f"bad{number}", text), Put("links", f"bad{number}", text)])
    again = await reopened(kept)
    assert dict(again.people()) == dict(known.people())
    assert len(caplog.records) == 2 * len(damaged)
    assert all(record.__dict__["record"] in record.getMessage() for record in caplog.records)
    assert "newer" in caplog.text or "version 99" in caplog.text
    assert await kept.count("identities") == 1 + len(damaged)


# Bounds


@pytest.mark.requirement("people.bounded")
async def test_strangers_do_not_accumulate(kept: Kept) -> None:
    known = registry(kept, limit=100)
    for number in range(1000):
        await known.record(f"web:{number}", ChannelIdentity("web", str(number)), claims={"oid": str(number)})
    assert len(known) == 100
    assert known.key_of(ChannelIdentity("web", "899")) is None
    assert known.key_of(ChannelIdentity("web", "900")) == "web:900"
    assert await kept.count("identities") == 100
    assert dict((await reopened(kept)).people()) == dict(known.people())


async def test_who_is_pushed_out_takes_the_snapshot_of_the_session_along(kept: Kept) -> None:
    known = registry(kept, limit=2)
    sessions = Sessions(lambda name: AgentSession(session_id=name), no_forks, kept, snapshots=True)
    for key in ("web:1", "web:2", "web:3"):
        await known.record(key, ChannelIdentity("web", key[-1]))
        session = await sessions.open(key)
        assert session is not None
        await sessions.keep(key, None, session)
    assert [key.split("\x1f")[0] for key, _ in await kept.scan(SNAPSHOTS)] == ["web:2", "web:3"]


async def test_who_was_seen_longest_ago_goes_first() -> None:
    known = registry(limit=2)
    for native_id in ("1", "2", "1", "3"):
        await known.record(f"web:{native_id}", ChannelIdentity("web", native_id))
    assert [key for key, _ in known.people()] == ["web:3", "web:1"]


async def test_linked_people_are_not_pushed_out_by_strangers(kept: Kept) -> None:
    known = registry(kept, limit=10)
    await known.links.link(*parties(ANNA, ANNA_TEAMS))
    for number in range(500):
        await known.record(f"web:{number}", ChannelIdentity("web", str(number)))
    assert len(known) == 10
    assert known.key_of(ANNA_TEAMS) == "telegram:1"
    assert set(known.addresses("telegram:1")) == {"telegram", "teams"}


async def test_somebody_seen_again_while_being_pushed_out_stays(kept: Kept) -> None:
    known = registry(kept, limit=2)
    for native_id in ("1", "2"):
        await known.record(f"web:{native_id}", ChannelIdentity("web", native_id))
    third = known.sighting("web:3", ChannelIdentity("web", "3"))
    await known.record("web:1", ChannelIdentity("web", "1"))
    await kept.commit(third.writes)
    known.apply(third)
    assert known.key_of(ChannelIdentity("web", "1")) == "web:1"
    await known.record("web:1", ChannelIdentity("web", "1"))
    again = await reopened(kept)
    assert again.key_of(ChannelIdentity("web", "1")) == "web:1"


# Who is who


@pytest.mark.requirement("people.key")
async def test_the_key_is_the_persons_then_the_resolvers_then_the_identitys_own() -> None:
    async def resolver(identity: ChannelIdentity) -> str | None:
        return "user:7" if identity.native_id == "1" else None

    plain, resolving = registry(), registry(resolver=resolver)
    assert await plain.key_for(ANNA, {}) == "telegram:1"
    assert await resolving.key_for(ANNA, {}) == "user:7"
    assert await resolving.key_for(BEN, {}) == "telegram:2"
    await resolving.links.link(*parties(BEN, ANNA))
    assert await resolving.key_for(ANNA, {}) == "telegram:2"


@pytest.mark.requirement("linking.silent-join")
async def test_a_new_identity_with_a_known_claim_joins_silently(kept: Kept) -> None:
    known = registry(kept, join_claims=["oid"])
    await known.record("teams:a", ANNA_TEAMS, claims={"oid": "o-1", "name": "Anna"})
    key = await known.key_for(ANNA, {"oid": "o-1"})
    assert key == "teams:a"
    await known.record(key, ANNA, claims={"oid": "o-1"})
    for each in (known, await reopened(kept, join_claims=["oid"])):
        assert await each.key_for(ANNA, {}) == "teams:a"
        assert await each.key_for(ANNA_TEAMS, {}) == "teams:a"
        assert {alias.origin for alias in each.links} == {"claim"}


@pytest.mark.parametrize("claims", [{}, {"oid": "o-2"}, {"name": "o-1"}, {"oid": None}, {"oid": ["o-1"]}, {"oid": ""}])
async def test_other_claims_join_nobody(claims: dict[str, object]) -> None:
    known = registry(join_claims=["oid"])
    await known.record("teams:a", ANNA_TEAMS, claims={"oid": "o-1", "name": "o-1"})
    assert await known.key_for(ANNA, claims) == "telegram:1"  # type: ignore[arg-type]


async def test_without_join_claims_nobody_joins_silently() -> None:
    known = registry()
    await known.record("teams:a", ANNA_TEAMS, claims={"oid": "o-1"})
    assert await known.key_for(ANNA, {"oid": "o-1"}) == "telegram:1"


async def test_an_identity_with_a_history_of_its_own_never_joins_silently() -> None:
    known = registry(join_claims=["oid"])
    await known.record("teams:a", ANNA_TEAMS, claims={"oid": "o-1"})
    await known.record("telegram:1", ANNA)
    assert await known.key_for(ANNA, {"oid": "o-1"}) == "telegram:1"


async def test_a_claim_that_was_given_up_joins_nobody() -> None:
    known = registry(join_claims=["email"])
    await known.record("teams:a", ANNA_TEAMS, claims={"email": "team@x"})
    await known.record("teams:a", ANNA_TEAMS, claims={"email": "anna@x"})
    assert await known.key_for(BEN, {"email": "team@x"}) == "telegram:2"
    assert await known.key_for(BEN, {"email": "anna@x"}) == "teams:a"


async def test_claims_that_name_two_people_join_neither() -> None:
    known = registry(join_claims=["oid", "email"])
    await known.record("teams:a", ANNA_TEAMS, claims={"oid": "o-1"})
    await known.record("telegram:2", BEN, claims={"email": "ben@x"})
    assert await known.key_for(ANNA, {"oid": "o-1", "email": "ben@x"}) == "telegram:1"


# The operator


@pytest.mark.requirement("people.forget")
async def test_forgetting_removes_every_trace(kept: Kept) -> None:
    known = registry(kept, join_claims=["oid"])
    await known.record("teams:a", ANNA_TEAMS, "19:x", claims={"oid": "o-1"})
    await known.record(await known.key_for(ANNA, {"oid": "o-1"}), ANNA, claims={"oid": "o-1"})
    await known.record("telegram:2", BEN)
    await kept.commit([Put("other", "x", "{}")])
    gone = await known.forget("teams:a", also=[Delete("other", "x")])
    assert {identity.channel for identity in gone} == {"teams", "telegram"}
    for each in (known, await reopened(kept, join_claims=["oid"])):
        assert [key for key, _ in each.people()] == ["telegram:2"]
        assert each.key_of(ANNA) is None
        assert list(each.links) == []
        assert await each.key_for(ANNA, {"oid": "o-1"}) == "telegram:1"
    assert await kept.count("other") == 0
    left = [text for table in ("identities", "links") for _, text in await kept.scan(table)]
    assert [json.loads(text)["id"] for text in left] == ["2"]


async def test_a_host_without_a_state_directory_keeps_people_across_a_restart_of_itself() -> None:
    store = MemoryStore()
    known = registry(store)
    await known.record("telegram:1", ANNA)
    await known.load()
    assert known.key_of(ANNA) == "telegram:1"
    assert await store.count("identities") == 0
