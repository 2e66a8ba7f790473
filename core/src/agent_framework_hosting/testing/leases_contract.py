"""What every store must do with leases, and with the fences that commits carry."""

from __future__ import annotations

import asyncio
from math import nan
from pathlib import Path

import pytest

from ..errors import Fenced, StoreError
from ..ports import Fence, Insert, Put
from .store_hooks import NO_NAME, StoreHooks


class LeasesContract(StoreHooks):
    """Who holds which name, for how long, and under which number."""

    @pytest.mark.anyio
    async def test_a_lease_is_one_owners_until_it_is_released(self, tmp_path: Path) -> None:
        async with self.opened(tmp_path) as store:
            first = await store.acquire("lane", "ada", 100)
            assert first is not None
            assert (first.name, first.owner) == ("lane", "ada")
            assert first.expires_at == pytest.approx(store.now() + 100, abs=5)
            assert await store.acquire("lane", "bob", 100) is None
            assert await store.holder("lane") == first
            again = await store.acquire("lane", "ada", 200)
            assert again is not None
            assert (again.number, again.expires_at > first.expires_at) == (first.number, True)
            assert (await store.renew(first, 100)).number == first.number
            other = await store.acquire("other", "bob", 100)
            await store.release(first)
            assert await store.holder("lane") is None
            assert await store.holder("other") == other
            second = await store.acquire("lane", "bob", 100)
            assert second is not None
            assert second.number > first.number
            await store.release(first)
            assert await store.holder("lane") == second
            with pytest.raises(Fenced):
                await store.renew(first, 100)

    @pytest.mark.anyio
    async def test_of_many_who_want_a_lease_one_gets_it(self, tmp_path: Path) -> None:
        async with self.opened(tmp_path) as store:
            leases = await asyncio.gather(*(store.acquire("lane", f"owner {n}", 100) for n in range(20)))
            assert len([lease for lease in leases if lease is not None]) == 1

    @pytest.mark.anyio
    async def test_a_fence_lets_the_holder_through_and_nobody_else(self, tmp_path: Path) -> None:
        async with self.opened(tmp_path) as store:
            lease = await store.acquire("lane", "ada", 100)
            assert lease is not None
            await store.commit([lease.fence, Put("t", "a", "1")])
            for fence in (Fence("lane", lease.number + 1), Fence("absent", lease.number)):
                with pytest.raises(Fenced) as refusal:
                    await store.commit([Put("t", "a", "2"), fence, Insert("t", "a", "3")])
                assert refusal.value.lease == fence.name
            await store.release(lease)
            with pytest.raises(Fenced):
                await store.commit([Put("t", "a", "2"), lease.fence])
            assert await store.scan("t") == [("a", "1")]

    @pytest.mark.anyio
    async def test_a_lapsed_lease_goes_on_unless_another_came(self, tmp_path: Path) -> None:
        async with self.opened(tmp_path) as store:
            lease = await store.acquire("lane", "ada", 10)
            assert lease is not None
            self.advance(10)
            assert await store.holder("lane") is None
            await store.commit([lease.fence, Put("t", "late", "")])
            assert await store.holder("lane") is None
            lease = await store.renew(lease, 10)
            assert await store.holder("lane") == lease
            assert await store.acquire("lane", "bob", 10) is None
            self.advance(10)
            taken = await store.acquire("lane", "bob", 10)
            assert taken is not None
            assert taken.number > lease.number
            with pytest.raises(Fenced):
                await store.renew(lease, 10)
            with pytest.raises(Fenced):
                await store.commit([lease.fence, Put("t", "later", "")])
            await store.commit([taken.fence, Put("t", "taken", "")])
            assert [key for key, _ in await store.scan("t")] == ["late", "taken"]

    @pytest.mark.anyio
    async def test_the_numbers_of_leases_grow_when_the_store_is_opened_again(self, tmp_path: Path) -> None:
        store = self.made(tmp_path)
        numbers: list[int] = []
        for owner in ("ada", "bob", "eve"):
            await store.open()
            lease = await store.acquire("lane", owner, 100)
            assert lease is not None
            numbers.append(lease.number)
            await store.release(lease)
            await store.close()
        assert numbers == sorted(set(numbers))

    @pytest.mark.anyio
    async def test_who_held_a_lapsed_lease_last_goes_on_under_its_number(self, tmp_path: Path) -> None:
        async with self.opened(tmp_path) as store:
            first = await store.acquire("lane", "ada", 10)
            assert first is not None
            self.advance(11)
            again = await store.acquire("lane", "ada", 10)
            assert again is not None
            assert again.number == first.number, "nobody came meanwhile"
            assert await store.holder("lane") == again
            await store.commit([first.fence, Put("t", "k", "")])
            self.advance(11)
            other = await store.acquire("lane", "bob", 10)
            assert other is not None
            self.advance(11)
            later = await store.acquire("lane", "ada", 10)
            assert later is not None
            assert later.number > other.number > again.number, "bob came meanwhile"

    @pytest.mark.anyio
    async def test_who_let_go_comes_back_under_a_new_number(self, tmp_path: Path) -> None:
        async with self.opened(tmp_path) as store:
            first = await store.acquire("lane", "ada", 100)
            assert first is not None
            await store.release(first)
            again = await store.acquire("lane", "ada", 100)
            assert again is not None
            assert again.number > first.number
            with pytest.raises(Fenced):
                await store.commit([first.fence, Put("t", "k", "")])

    @pytest.mark.anyio
    @pytest.mark.parametrize("seconds", [0, -1, nan])
    async def test_refuses_a_lease_for_no_time_and_changes_nothing(self, tmp_path: Path, seconds: float) -> None:
        async with self.opened(tmp_path) as store:
            with pytest.raises(StoreError):
                await store.acquire("lane", "ada", seconds)
            assert await store.holder("lane") is None
            lease = await store.acquire("lane", "ada", 100)
            assert lease is not None
            for ask in (lambda: store.acquire("lane", "ada", seconds), lambda: store.renew(lease, seconds)):
                with pytest.raises(StoreError):
                    await ask()
                assert await store.holder("lane") == lease

    @pytest.mark.anyio
    @pytest.mark.parametrize("bad", NO_NAME)
    async def test_refuses_what_names_no_lease_and_no_owner(self, tmp_path: Path, bad: str) -> None:
        async with self.opened(tmp_path) as store:
            for ask in (
                lambda: store.acquire(bad, "ada", 100),
                lambda: store.acquire("lane", bad, 100),
                lambda: store.holder(bad),
                lambda: store.commit([Put("t", "k", ""), Fence(bad, 1)]),
            ):
                with pytest.raises(StoreError):
                    await ask()
            assert await store.holder("lane") is None
            assert await store.tables() == []
