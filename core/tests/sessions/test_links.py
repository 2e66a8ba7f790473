from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import pytest

from agent_framework_hosting.errors import StoreError
from agent_framework_hosting.model.identity import ChannelIdentity
from agent_framework_hosting.model.verdict import LinkParty
from agent_framework_hosting.ports import Delete, Put, Store, Write
from agent_framework_hosting.state.memory import MemoryStore

PHONE, DESK, WATCH = (ChannelIdentity(channel, "a", {"to": channel}) for channel in ("phone", "desk", "watch"))
KEYS = {"phone": "phone:a", "desk": "desk:a", "watch": "watch:a"}
Make = Callable[..., Any]

pytestmark = pytest.mark.anyio


class Clock(Protocol):
    now: float

    def __call__(self) -> float: ...


class Kept(Store, Protocol):
    full: bool


async def keys(town: Any) -> dict[str, str]:
    return {each.channel: await town.people.key_for(each, {}) for each in (PHONE, DESK, WATCH)}


async def link(town: Any, keep: ChannelIdentity, join: ChannelIdentity) -> str | None:
    return await town.people.link(LinkParty(keep), LinkParty(join))


@pytest.mark.requirement("linking.merge")
async def test_two_identities_share_the_key_and_the_addresses_of_the_first(make: Make, kept: Kept) -> None:
    town = make(kept)
    await town.saw("desk:a", DESK, "old chat")
    assert await link(town, PHONE, DESK) == "phone:a"
    for each in (town, await make(kept).loaded()):
        assert await keys(each) == KEYS | {"desk": "phone:a"}
        assert each.people.person_of(PHONE) == each.people.person_of(DESK) == "phone:a"
        assert set(each.people.addresses("phone:a")) == {"phone", "desk"}
        assert len(each.people.known("phone:a")) == 3
        assert each.people.addresses("desk:a") == {}
        assert set(each.people.members("phone:a")) == {PHONE, DESK}


async def test_what_belongs_to_the_link_is_committed_with_it(make: Make, kept: Kept) -> None:
    await kept.commit([Put("codes", "c", "{}")])
    town = make(kept)
    await town.people.link(LinkParty(PHONE), LinkParty(DESK), also=[Delete("codes", "c")])
    assert await kept.count("codes") == 0


@pytest.mark.requirement("linking.merge")
async def test_a_commit_that_fails_links_nobody(make: Make, kept: Kept) -> None:
    town = make(kept)
    kept.full = True
    with pytest.raises(StoreError):
        await link(town, PHONE, DESK)
    assert await keys(town) == KEYS
    assert town.people.addresses("phone:a") == {}
    kept.full = False
    assert await link(town, PHONE, DESK) == "phone:a"


async def test_a_third_identity_joins_the_same_person(make: Make) -> None:
    town = make(MemoryStore())
    await link(town, PHONE, DESK)
    assert await link(town, DESK, WATCH) == "phone:a"
    assert set((await keys(town)).values()) == {"phone:a"}


async def test_an_identity_belongs_to_one_person_only(make: Make) -> None:
    town = make(MemoryStore())
    other = ChannelIdentity("phone", "b")
    await link(town, PHONE, DESK)
    assert await link(town, other, DESK) is None
    assert await link(town, other, PHONE) is None
    assert await link(town, PHONE, PHONE) is None
    assert town.people.person_of(other) is None


class SlowStore(MemoryStore):
    """Commits wait until the test lets them through."""

    def __init__(self) -> None:
        super().__init__()
        self.open_gate = asyncio.Event()
        self.waiting = asyncio.Event()

    @property
    def durable(self) -> bool:
        return True

    async def commit(self, writes: Sequence[Write]) -> int:
        self.waiting.set()
        await self.open_gate.wait()
        return await super().commit(writes)


async def test_two_people_cannot_link_one_identity_at_the_same_time(make: Make) -> None:
    store = SlowStore()
    town = make(store)
    first = asyncio.create_task(link(town, PHONE, DESK))
    async with asyncio.timeout(5):
        await store.waiting.wait()
        assert await link(town, WATCH, DESK) is None
        store.open_gate.set()
        assert await first == "phone:a"
    assert town.people.person_of(WATCH) is None


async def test_a_message_under_way_while_its_speaker_is_linked_ends_up_with_the_person(
    make: Make, clock: Clock
) -> None:
    store = SlowStore()
    store.open_gate.set()
    town = make(store, clock=clock)
    late = await town.people.sighting("desk:a", DESK, "chat")
    await link(town, PHONE, DESK)
    await store.commit(late.writes)
    town.people.apply(late)
    for each in (town, await make(store).loaded()):
        assert each.people.key_of(DESK) == "phone:a"
        assert each.people.addresses("desk:a") == {}


@pytest.mark.requirement("linking.unlink")
async def test_unlinking_gives_both_their_own_keys_back(make: Make, kept: Kept, clock: Clock) -> None:
    town = make(kept, clock=clock)
    await town.saw("phone:a", PHONE)
    await link(town, PHONE, DESK)
    clock.now += 1
    await town.saw("phone:a", DESK)
    clock.now += 1
    assert set(await town.people.unlink(DESK)) == {PHONE, DESK}
    for each in (town, await make(kept).loaded()):
        assert await keys(each) == KEYS
        assert list(each.people.links()) == []
        assert each.people.addresses("phone:a") == {"phone": [PHONE]}
        assert each.people.addresses("desk:a") == {"desk": [DESK]}
    assert await town.people.unlink(DESK) == ()


async def test_one_of_three_leaves_and_the_others_stay_linked(make: Make, kept: Kept) -> None:
    town = make(kept)
    await link(town, PHONE, DESK)
    await link(town, PHONE, WATCH)
    assert await town.people.unlink(WATCH) == (WATCH,)
    for each in (town, await make(kept).loaded()):
        assert await keys(each) == KEYS | {"desk": "phone:a"}


async def test_when_the_one_whose_key_is_shared_leaves_nobody_stays_on_it(make: Make, kept: Kept) -> None:
    town = make(kept)
    await link(town, PHONE, DESK)
    await link(town, PHONE, WATCH)
    assert set(await town.people.unlink(PHONE)) == {PHONE, DESK, WATCH}
    for each in (town, await make(kept).loaded()):
        assert await keys(each) == KEYS


async def test_an_unlink_that_fails_changes_nothing(make: Make, kept: Kept) -> None:
    town = make(kept)
    await link(town, PHONE, DESK)
    kept.full = True
    with pytest.raises(StoreError):
        await town.people.unlink(DESK)
    kept.full = False
    for each in (town, await make(kept).loaded()):
        assert await keys(each) == KEYS | {"desk": "phone:a"}


async def test_who_unlinked_does_not_join_again_by_a_claim(make: Make, kept: Kept) -> None:
    town = make(kept, join_claims=["oid"])
    await town.saw("desk:a", DESK, claims={"oid": "o"})
    await town.saw(await town.people.key_for(PHONE, {"oid": "o"}), PHONE, claims={"oid": "o"})
    await town.people.unlink(PHONE)
    again = await make(kept, join_claims=["oid"]).loaded()
    for each in (town, again):
        assert await each.people.key_for(PHONE, {"oid": "o"}) == "phone:a"
    assert await link(again, DESK, PHONE) == "desk:a"


async def test_claims_are_the_latest_that_a_channel_verified(make: Make, clock: Clock) -> None:
    town = make(MemoryStore(), clock=clock)
    await link(town, PHONE, DESK)
    assert town.people.claims_of("phone:a") is None
    await town.saw("phone:a", DESK, claims={"email": "a@x"})
    clock.now += 10
    await town.saw("phone:a", PHONE)
    assert town.people.claims_of("phone:a") == ({"email": "a@x"}, clock.now - 10)


async def test_members_carry_addresses_of_direct_chats_only(make: Make) -> None:
    town = make(MemoryStore())
    await link(town, PHONE, DESK)
    await town.saw("phone:a", ChannelIdentity("phone", "a", {"to": "room"}), "room", is_group=True)
    assert town.people.members("phone:a") == (PHONE, DESK)
