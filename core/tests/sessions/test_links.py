from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

import pytest

from agent_framework_hosting.errors import StoreError
from agent_framework_hosting.model.identity import ChannelIdentity
from agent_framework_hosting.model.verdict import LinkParty
from agent_framework_hosting.ports import Delete, Put, Store, Write
from agent_framework_hosting.sessions.registry import IdentityRegistry
from agent_framework_hosting.state.memory import MemoryStore

PHONE, DESK, WATCH = (ChannelIdentity(channel, "a", {"to": channel}) for channel in ("phone", "desk", "watch"))
KEYS = {"phone": "phone:a", "desk": "desk:a", "watch": "watch:a"}

pytestmark = pytest.mark.anyio


class Clock(Protocol):
    now: float

    def __call__(self) -> float: ...


class Kept(Store, Protocol):
    full: bool


async def reopened(store: Store) -> IdentityRegistry:
    again = IdentityRegistry(store)
    await again.load()
    return again


async def keys(registry: IdentityRegistry) -> dict[str, str]:
    return {each.channel: await registry.key_for(each, {}) for each in (PHONE, DESK, WATCH)}


async def link(registry: IdentityRegistry, keep: ChannelIdentity, join: ChannelIdentity) -> str | None:
    return await registry.links.link(LinkParty(keep), LinkParty(join))


@pytest.mark.requirement("linking.merge")
async def test_two_identities_share_the_key_and_the_addresses_of_the_first(kept: Kept) -> None:
    registry = IdentityRegistry(kept)
    await registry.record("desk:a", DESK, "old chat")
    assert await link(registry, PHONE, DESK) == "phone:a"
    for each in (registry, await reopened(kept)):
        assert await keys(each) == KEYS | {"desk": "phone:a"}
        assert each.links.person_of(PHONE) == each.links.person_of(DESK) == "phone:a"
        assert set(each.addresses("phone:a")) == {"phone", "desk"}
        assert len(each.known("phone:a")) == 3
        assert each.addresses("desk:a") == {}
        assert set(each.links.members("phone:a")) == {PHONE, DESK}


async def test_what_belongs_to_the_link_is_committed_with_it(kept: Kept) -> None:
    await kept.commit([Put("codes", "c", "{}")])
    registry = IdentityRegistry(kept)
    await registry.links.link(LinkParty(PHONE), LinkParty(DESK), also=[Delete("codes", "c")])
    assert await kept.count("codes") == 0


@pytest.mark.requirement("linking.merge")
async def test_a_commit_that_fails_links_nobody(kept: Kept) -> None:
    registry = IdentityRegistry(kept)
    kept.full = True
    with pytest.raises(StoreError):
        await link(registry, PHONE, DESK)
    assert await keys(registry) == KEYS
    assert registry.addresses("phone:a") == {}
    kept.full = False
    assert await link(registry, PHONE, DESK) == "phone:a"


async def test_a_third_identity_joins_the_same_person() -> None:
    registry = IdentityRegistry(MemoryStore())
    await link(registry, PHONE, DESK)
    assert await link(registry, DESK, WATCH) == "phone:a"
    assert set((await keys(registry)).values()) == {"phone:a"}


async def test_an_identity_belongs_to_one_person_only() -> None:
    registry = IdentityRegistry(MemoryStore())
    other = ChannelIdentity("phone", "b")
    await link(registry, PHONE, DESK)
    assert await link(registry, other, DESK) is None
    assert await link(registry, other, PHONE) is None
    assert await link(registry, PHONE, PHONE) is None
    assert registry.links.person_of(other) is None


class SlowStore(MemoryStore):
    """Commits wait until the test lets them through."""

    def __init__(self) -> None:
        super().__init__()
        self.open_gate = asyncio.Event()
        self.waiting = asyncio.Event()

    @property
    def durable(self) -> bool:
        return True

    async def commit(self, writes: Sequence[Write]) -> None:
        self.waiting.set()
        await self.open_gate.wait()
        await super().commit(writes)


async def test_two_people_cannot_link_one_identity_at_the_same_time() -> None:
    store = SlowStore()
    registry = IdentityRegistry(store)
    first = asyncio.create_task(link(registry, PHONE, DESK))
    async with asyncio.timeout(5):
        await store.waiting.wait()
        assert await link(registry, WATCH, DESK) is None
        store.open_gate.set()
        assert await first == "phone:a"
    assert registry.links.person_of(WATCH) is None


async def test_a_message_under_way_while_its_speaker_is_linked_ends_up_with_the_person(clock: Clock) -> None:
    store = SlowStore()
    store.open_gate.set()
    registry = IdentityRegistry(store, clock=clock)
    late = registry.sighting("desk:a", DESK, "chat")
    await link(registry, PHONE, DESK)
    await store.commit(late.writes)
    registry.apply(late)
    for each in (registry, await reopened(store)):
        assert each.key_of(DESK) == "phone:a"
        assert each.addresses("desk:a") == {}


@pytest.mark.requirement("linking.unlink")
async def test_unlinking_gives_both_their_own_keys_back(kept: Kept, clock: Clock) -> None:
    registry = IdentityRegistry(kept, clock=clock)
    await registry.record("phone:a", PHONE)
    await link(registry, PHONE, DESK)
    clock.now += 1
    await registry.record("phone:a", DESK)
    clock.now += 1
    assert set(await registry.links.unlink(DESK)) == {PHONE, DESK}
    for each in (registry, await reopened(kept)):
        assert await keys(each) == KEYS
        assert list(each.links) == []
        assert each.addresses("phone:a") == {"phone": [PHONE]}
        assert each.addresses("desk:a") == {"desk": [DESK]}
    assert await registry.links.unlink(DESK) == ()


async def test_one_of_three_leaves_and_the_others_stay_linked(kept: Kept) -> None:
    registry = IdentityRegistry(kept)
    await link(registry, PHONE, DESK)
    await link(registry, PHONE, WATCH)
    assert await registry.links.unlink(WATCH) == (WATCH,)
    for each in (registry, await reopened(kept)):
        assert await keys(each) == KEYS | {"desk": "phone:a"}


async def test_when_the_one_whose_key_is_shared_leaves_nobody_stays_on_it(kept: Kept) -> None:
    registry = IdentityRegistry(kept)
    await link(registry, PHONE, DESK)
    await link(registry, PHONE, WATCH)
    assert set(await registry.links.unlink(PHONE)) == {PHONE, DESK, WATCH}
    for each in (registry, await reopened(kept)):
        assert await keys(each) == KEYS


async def test_an_unlink_that_fails_changes_nothing(kept: Kept) -> None:
    registry = IdentityRegistry(kept)
    await link(registry, PHONE, DESK)
    kept.full = True
    with pytest.raises(StoreError):
        await registry.links.unlink(DESK)
    kept.full = False
    for each in (registry, await reopened(kept)):
        assert await keys(each) == KEYS | {"desk": "phone:a"}


async def test_who_unlinked_does_not_join_again_by_a_claim(kept: Kept) -> None:
    registry = IdentityRegistry(kept, join_claims=["oid"])
    await registry.record("desk:a", DESK, claims={"oid": "o"})
    await registry.record(await registry.key_for(PHONE, {"oid": "o"}), PHONE, claims={"oid": "o"})
    await registry.links.unlink(PHONE)
    again = IdentityRegistry(kept, join_claims=["oid"])
    await again.load()
    for each in (registry, again):
        assert await each.key_for(PHONE, {"oid": "o"}) == "phone:a"
    assert await link(again, DESK, PHONE) == "desk:a"


async def test_claims_are_the_latest_that_a_channel_verified(clock: Clock) -> None:
    registry = IdentityRegistry(MemoryStore(), clock=clock)
    await link(registry, PHONE, DESK)
    assert registry.links.claims_of("phone:a") is None
    await registry.record("phone:a", DESK, claims={"email": "a@x"})
    clock.now += 10
    await registry.record("phone:a", PHONE)
    assert registry.links.claims_of("phone:a") == ({"email": "a@x"}, clock.now - 10)


async def test_members_carry_addresses_of_direct_chats_only() -> None:
    registry = IdentityRegistry(MemoryStore())
    await link(registry, PHONE, DESK)
    await registry.record("phone:a", ChannelIdentity("phone", "a", {"to": "room"}), "room", is_group=True)
    assert registry.links.members("phone:a") == (PHONE, DESK)
