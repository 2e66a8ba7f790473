"""What every store must do for many writers: versions, conditions, and the ends of records."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from ..errors import RecordExists, RecordsDiffer
from ..ports import ABSENT, Delete, Expect, Insert, Put, Store
from .records_contract import PLACE
from .store_hooks import StoreHooks

WRITERS = 20


class WritersContract(StoreHooks):
    """Who may change a record, and for how long it lives."""

    @pytest.mark.anyio
    async def test_the_version_of_a_record_is_its_commit_and_only_grows(self, tmp_path: Path) -> None:
        async with self.opened(tmp_path) as store:
            first = await store.commit([Put("t", "a", ""), Put("t", "b", "")])
            second = await store.commit([Put("t", "a", "again"), Delete("t", "b")])
            third = await store.commit([Insert("t", "b", "")])
            assert ABSENT < first < second < third
            assert [await _version(store, key) for key in ("a", "b", "absent")] == [second, third, ABSENT]
            await store.commit([Delete("t", "a"), Delete("t", "b")])
        async with self.opened(tmp_path) as later:
            assert not later.durable or await later.commit([Put("t", "a", "")]) > third

    @pytest.mark.anyio
    async def test_a_condition_that_holds_lets_the_commit_through(self, tmp_path: Path) -> None:
        async with self.opened(tmp_path) as store:
            version = await store.commit([Put("t", "a", "1"), Put("t", "b", "1"), Put("t", "c", "1")])
            await store.commit(
                [
                    Expect("t", "a", version),
                    Expect("t", "absent", ABSENT),
                    Put("t", "b", "2", expect=version),
                    Delete("t", "c", expect=version),
                    Put("t", "d", "2", expect=ABSENT),
                    Delete("t", "absent", expect=ABSENT),
                ]
            )
            assert await store.scan("t") == [("a", "1"), ("b", "2"), ("d", "2")]
            assert await _version(store, "a") == version

    @pytest.mark.anyio
    async def test_records_that_differ_refuse_their_whole_commit_and_are_all_named(self, tmp_path: Path) -> None:
        async with self.opened(tmp_path) as store:
            old = await store.commit([Put("t", key, "1") for key in ("a", "b", "c", "d")])
            await store.commit([Put("t", key, "2") for key in ("a", "b", "c")])
            before = [await store.read("t", key) for key in ("a", "b", "c", "d")]
            with pytest.raises(RecordsDiffer) as refusal:
                await store.commit(
                    [
                        Put("t", "new", ""),
                        Put("t", "a", "3", expect=old),
                        Expect("t", "d", old),
                        Delete("t", "b", expect=old),
                        Expect("t", "c", old),
                        Put("t", "absent", "", expect=old),
                        Insert("t", "d", ""),
                        Delete("t", "d"),
                    ]
                )
            assert refusal.value.records == tuple(("t", key) for key in ("a", "b", "c", "absent", "d"))
            assert not isinstance(refusal.value, RecordExists)
            assert [await store.read("t", key) for key in ("a", "b", "c", "d")] == before
            assert await store.count("t") == 4

    @pytest.mark.anyio
    async def test_what_had_to_be_new_is_told_apart(self, tmp_path: Path) -> None:
        async with self.opened(tmp_path) as store:
            await store.commit([Insert("t", "taken", "first"), Insert("t", "too", "first")])
            with pytest.raises(RecordExists) as refusal:
                await store.commit(
                    [
                        Put("t", "before", ""),
                        Insert("t", "taken", ""),
                        Put("t", "too", "", expect=ABSENT),
                        Delete("t", "x"),
                    ]
                )
            assert (refusal.value.table, refusal.value.key) == ("t", "taken")
            assert refusal.value.records == (("t", "taken"), ("t", "too"))
            for condition in (Expect("t", "taken", ABSENT), Delete("t", "taken", expect=ABSENT)):
                with pytest.raises(RecordsDiffer) as differing:
                    await store.commit([condition, Insert("t", "too", "")])
                assert not isinstance(differing.value, RecordExists)
            assert await store.scan("t") == [("taken", "first"), ("too", "first")]

    @pytest.mark.anyio
    async def test_a_condition_sees_the_writes_before_it(self, tmp_path: Path) -> None:
        async with self.opened(tmp_path) as store:
            version = await store.commit([Put("t", "a", "1")])
            with pytest.raises(RecordExists):
                await store.commit([Insert("t", "new", "1"), Insert("t", "new", "2")])
            with pytest.raises(RecordsDiffer):
                await store.commit([Put("t", "a", "2"), Expect("t", "a", version)])
            with pytest.raises(RecordsDiffer):
                await store.commit([Delete("t", "a"), Put("t", "a", "2", expect=version)])
            await store.commit(
                [Expect("t", "a", version), Delete("t", "a"), Expect("t", "a", ABSENT), Insert("t", "a", "3")]
            )
            assert await store.scan("t") == [("a", "3")]

    @pytest.mark.anyio
    async def test_of_concurrent_inserts_one_wins_and_neighbours_are_kept(self, tmp_path: Path) -> None:
        async with self.opened(tmp_path) as store:
            outcomes = await asyncio.gather(
                *(store.commit([Insert("t", "one", str(n)), Put("u", str(n), "")]) for n in range(20)),
                *(store.commit([Put("v", str(n), "")]) for n in range(20)),
                return_exceptions=True,
            )
            winners = [n for n, outcome in enumerate(outcomes[:20]) if isinstance(outcome, int)]
            assert len(winners) == 1
            assert all(isinstance(outcome, RecordExists) for n, outcome in enumerate(outcomes[:20]) if n not in winners)
            assert len(set(outcomes[20:])) == 20
            assert all(isinstance(outcome, int) for outcome in outcomes[20:])
            assert await store.get("t", "one") == str(winners[0])
            assert await store.scan("u") == [(str(winners[0]), "")]
            assert await store.count("v") == 20

    @pytest.mark.anyio
    async def test_many_writers_that_decide_on_what_they_read_lose_nothing(self, tmp_path: Path) -> None:
        async with self.opened(tmp_path) as store:
            await store.commit([Put("t", "left", "100"), Put("t", "right", "0")])

            async def move_one() -> None:
                for _ in range(WRITERS):  # each refusal means that another of them went through
                    left, right = await store.read("t", "left"), await store.read("t", "right")
                    assert left is not None
                    assert right is not None
                    try:
                        await store.commit(
                            [
                                Put("t", "left", str(int(left.text) - 1), expect=left.version),
                                Put("t", "right", str(int(right.text) + 1), expect=right.version),
                            ]
                        )
                    except RecordsDiffer:
                        continue
                    return
                raise AssertionError(
                    f"Waited for a commit of {WRITERS} writers; it was refused more often than may be."
                )

            await asyncio.gather(*(move_one() for _ in range(WRITERS)))
            assert await store.scan("t") == [("left", "80"), ("right", "20")]

    # Expiry, sweeping, trimming

    @pytest.mark.anyio
    async def test_a_record_that_has_expired_is_not_there(self, tmp_path: Path) -> None:
        async with self.opened(tmp_path) as store:
            past, future = store.now() - 1, store.now() + 1000
            version = await store.commit(
                [
                    *(Put("t", key, "", expires_at=past, lookups=PLACE) for key in ("a", "b", "c", "d", "e")),
                    Put("t", "f", "", expires_at=future, lookups=PLACE),
                    Put("t", "g", "", lookups=PLACE),
                    Insert("u", "a", "", expires_at=past),
                ]
            )
            assert await store.get("t", "a") is None
            assert await store.read("t", "a") is None
            found = await store.read("t", "f")
            assert found is not None
            assert (found.version, found.expires_at) == (version, future)
            assert await store.scan("t") == await store.find("t", "kind", "place") == [("f", ""), ("g", "")]
            assert await store.scan("t", limit=1) == await store.find("t", "kind", "place", limit=1) == [("f", "")]
            assert await store.count("t") == 2
            assert await store.tables() == ["t"]
            for condition in (Expect("t", "a", version), Delete("t", "b", version), Put("t", "c", "", expect=version)):
                with pytest.raises(RecordsDiffer):
                    await store.commit([condition])
            await store.commit(
                [Insert("t", "d", "again"), Expect("t", "e", ABSENT), Put("t", "a", "new", expect=ABSENT)]
            )
            assert [key for key, _ in await store.scan("t")] == ["a", "d", "f", "g"]
            assert [key for key, _ in await store.find("t", "kind", "place")] == ["f", "g"]

    @pytest.mark.anyio
    async def test_time_ends_records_and_a_later_write_decides_again(self, tmp_path: Path) -> None:
        async with self.opened(tmp_path) as store:
            soon = store.now() + 10
            await store.commit([Put("t", key, "", expires_at=soon) for key in ("a", "b", "c")])
            await store.commit([Put("t", "b", ""), Put("t", "c", "", expires_at=soon + 10)])
            assert await store.count("t") == 3
            self.advance(10)
            assert [key for key, _ in await store.scan("t")] == ["b", "c"]
            self.advance(10)
            assert [key for key, _ in await store.scan("t")] == ["b"]

    @pytest.mark.anyio
    async def test_a_sweep_removes_what_has_expired_and_nothing_else(self, tmp_path: Path) -> None:
        async with self.opened(tmp_path) as store:
            past = store.now() - 1
            await store.commit([Put("t", str(n), "", expires_at=past, lookups=PLACE) for n in range(1500)])
            await store.commit([Put("t", "1", ""), Put("u", "k", "", expires_at=store.now() + 1000)])
            assert await store.sweep() == 1499
            assert await store.sweep() == 0
            assert await store.tables() == ["t", "u"]
            await store.commit([Put("t", "0", "")])
            assert await store.find("t", "kind", "place") == []

    @pytest.mark.anyio
    async def test_trims_nothing_below_the_limit_and_everything_at_none(self, tmp_path: Path) -> None:
        async with self.opened(tmp_path) as store:
            assert await store.trim("t", 0) == await store.trim("t", 5) == 0
            await store.commit([Put("t", key, "", lookups=PLACE) for key in "abcde"])
            for most in (5, 6, 7, 8, 9, 10, 1000):
                assert await store.trim("t", most) == 0
                assert await store.count("t") == 5
            assert await store.trim("t", 0) == 5
            assert await store.scan("t") == await store.find("t", "kind", "place") == []
            await store.commit([Put("t", "only", "")])
            assert await store.trim("t", 0) == 1
            assert await store.tables() == []

    @pytest.mark.anyio
    async def test_trims_those_of_one_commit_in_key_order(self, tmp_path: Path) -> None:
        async with self.opened(tmp_path) as store:
            await store.commit([Put("t", key, "") for key in ("ä", "\U00010000", "a", "\uffff")])
            assert await store.trim("t", 3) == 1
            assert [key for key, _ in await store.scan("t")] == ["ä", "\uffff", "\U00010000"]
            assert await store.trim("t", 1) == 2
            assert await store.scan("t") == [("\U00010000", "")]

    @pytest.mark.anyio
    async def test_trims_what_was_not_written_for_longest(self, tmp_path: Path) -> None:
        async with self.opened(tmp_path) as store:
            for key in ("d", "a", "c", "b", "e"):
                await store.commit([Put("t", key, "", lookups=PLACE)])
            await store.commit([Put("t", "d", "again", lookups=PLACE), Put("t2", "z", "")])
            await store.commit([Put("t", "gone", "", expires_at=store.now() - 1)])
            assert await store.trim("t", 5) == 0
            assert await store.trim("t", 3) == 2
            assert [key for key, _ in await store.scan("t")] == ["b", "d", "e"]
            assert [key for key, _ in await store.find("t", "kind", "place")] == ["b", "d", "e"]
            assert await store.trim("t", 0) == 3
            assert await store.trim("absent", 0) == 0
            assert await store.tables() == ["t2"]


async def _version(store: Store, key: str) -> int:
    found = await store.read("t", key)
    return ABSENT if found is None else found.version
