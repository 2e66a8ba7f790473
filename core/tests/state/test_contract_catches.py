"""The contract of stores notices what is wrong: a sound store passes, each broken one fails where it should."""

from __future__ import annotations

import asyncio
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest

from agent_framework_hosting.errors import CommitRefused, Fenced, RecordExists, RecordsDiffer, StoreError
from agent_framework_hosting.ports import ABSENT, Delete, Expect, Fence, Insert, Lease, Put, Store, Stored, Write
from agent_framework_hosting.state.memory import MemoryStore
from agent_framework_hosting.testing import HandClock
from agent_framework_hosting.testing.store_contract import StoreContract

Page = Sequence[tuple[str, str]]
BrokenT = TypeVar("BrokenT", bound=type[MemoryStore])

CAUGHT: dict[type[MemoryStore], str] = {}
"""The contract's test that must notice it, by broken store."""


def caught_by(test: str) -> Callable[[BrokenT], BrokenT]:
    def note(broken: BrokenT) -> BrokenT:
        CAUGHT[broken] = test
        return broken

    return note


class Contract(StoreContract):
    patience_seconds = 1.0

    def __init__(self, make: Callable[[HandClock], Store]) -> None:
        self.make = make
        self.clock = HandClock()

    def make_store(self, tmp_path: Path) -> Store:
        return self.make(self.clock)

    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)


def cases(test: str) -> Iterator[Mapping[str, object]]:
    """The arguments a test of the contract is run with."""
    marks = [mark for mark in getattr(StoreContract, test).pytestmark if mark.name == "parametrize"]
    if not marks:
        yield {}
    for mark in marks:
        for value in mark.args[1]:
            yield {mark.args[0]: value}


def check(make: Callable[[HandClock], Store], test: str, tmp_path: Path) -> None:
    for arguments in cases(test):
        asyncio.run(getattr(Contract(make), test)(tmp_path, **arguments))


TESTS = [name for name in dir(StoreContract) if name.startswith("test_")]


@pytest.mark.parametrize("test", TESTS)
def test_a_sound_store_passes(test: str, tmp_path: Path) -> None:
    check(MemoryStore, test, tmp_path)


# Pages


class Paged(MemoryStore):
    """Read all and choose: each subclass chooses in a wrong way."""

    def chosen(self, pairs: Page, after: str, limit: int) -> Page:
        return [pair for pair in pairs if not after or pair[0] > after][:limit]

    async def scan(self, table: str, *, prefix: str = "", after: str = "", limit: int = 1000) -> Page:
        await super().scan(table, prefix=prefix, after=after)
        return self.chosen(await super().scan(table, prefix=prefix, limit=10**6), after, limit)

    async def find(self, table: str, field: str, value: str, *, after: str = "", limit: int = 1000) -> Page:
        await super().find(table, field, value, after=after)
        return self.chosen(await super().find(table, field, value, limit=10**6), after, limit)


@caught_by("test_scans_in_code_point_order_page_by_page")
class ScansFromAfterOn(Paged):
    def chosen(self, pairs: Page, after: str, limit: int) -> Page:
        return [pair for pair in pairs if pair[0] >= after][:limit]

    find = MemoryStore.find


@caught_by("test_finds_records_by_their_fields_page_by_page")
class FindsFromAfterOn(Paged):
    def chosen(self, pairs: Page, after: str, limit: int) -> Page:
        return [pair for pair in pairs if pair[0] >= after][:limit]

    scan = MemoryStore.scan


@caught_by("test_scans_in_code_point_order_page_by_page")
class ScansTheFirstPageForEver(Paged):
    def chosen(self, pairs: Page, after: str, limit: int) -> Page:
        return pairs[:limit]


@caught_by("test_finds_records_by_their_fields_page_by_page")
class FindsTheFirstPageForEver(ScansTheFirstPageForEver):
    scan = MemoryStore.scan


@caught_by("test_scans_in_code_point_order_page_by_page")
class SortsAsUtf16(Paged):
    def chosen(self, pairs: Page, after: str, limit: int) -> Page:
        return super().chosen(sorted(pairs, key=lambda pair: pair[0].encode("utf-16-be")), after, limit)


@caught_by("test_scans_in_code_point_order_page_by_page")
class ForgetsTheLimit(Paged):
    def chosen(self, pairs: Page, after: str, limit: int) -> Page:
        return super().chosen(pairs, after, 10**6)


@caught_by("test_keeps_any_text_as_it_is")
class HidesTheEmptyKey(Paged):
    def chosen(self, pairs: Page, after: str, limit: int) -> Page:
        return [pair for pair in pairs if pair[0] > after][:limit]


@caught_by("test_scans_by_prefix")
class ForgetsThePrefix(MemoryStore):
    async def scan(self, table: str, *, prefix: str = "", after: str = "", limit: int = 1000) -> Page:
        return await super().scan(table, after=after, limit=limit)


@caught_by("test_counts_what_is_there")
class CountsOnePage(MemoryStore):
    async def count(self, table: str) -> int:
        return len(await self.scan(table, limit=100))


# Trimming and sweeping


class Trimming(MemoryStore):
    """Trim record by record: each subclass takes the wrong ones."""

    def over(self, there: Sequence[Stored], most: int) -> Sequence[Stored]:
        raise NotImplementedError

    async def trim(self, table: str, most: int) -> int:
        await super().trim(table, 10**6)
        there = [record for key, _ in await self.scan(table) if (record := await self.read(table, key))]
        over = self.over(sorted(there, key=lambda record: (record.version, record.key)), most)
        await self.commit([Delete(table, record.key) for record in over])
        return len(over)


@caught_by("test_trims_nothing_below_the_limit_and_everything_at_none")
class TrimsBelowTheLimit(Trimming):
    def over(self, there: Sequence[Stored], most: int) -> Sequence[Stored]:
        return there[: len(there) - most]


@caught_by("test_trims_nothing_below_the_limit_and_everything_at_none")
class TrimsNothingAtNone(Trimming):
    def over(self, there: Sequence[Stored], most: int) -> Sequence[Stored]:
        return there[:-most] if len(there) > most else []


@caught_by("test_trims_what_was_not_written_for_longest")
class TrimsByKey(Trimming):
    def over(self, there: Sequence[Stored], most: int) -> Sequence[Stored]:
        return sorted(there, key=lambda record: record.key)[: max(0, len(there) - most)]


@caught_by("test_trims_those_of_one_commit_in_key_order")
class TrimsACommitFromItsEnd(Trimming):
    def over(self, there: Sequence[Stored], most: int) -> Sequence[Stored]:
        by_key = sorted(there, key=lambda record: record.key, reverse=True)
        return sorted(by_key, key=lambda record: record.version)[: max(0, len(there) - most)]


@caught_by("test_a_sweep_removes_what_has_expired_and_nothing_else")
class SweepsWithoutCounting(MemoryStore):
    async def sweep(self) -> int:
        await super().sweep()
        return 0


# What is no text and no name


def cleaned(text: str) -> str:
    """What a store keeps that drops what it should refuse."""
    return "".join(character for character in text if unicodedata.category(character) not in {"Cc", "Cs"})


def without_controls(text: str) -> str:
    """The same, of a store that knows NUL and surrogates but not what a name may not hold."""
    return "".join(c for c in text if unicodedata.category(c) != "Cc" or c == "\0")


@caught_by("test_refuses_what_is_no_text_before_anything_is_applied")
class GetsAnyKey(MemoryStore):
    async def get(self, table: str, key: str) -> str | None:
        return await super().get(table, cleaned(key))


@caught_by("test_refuses_what_is_no_text_before_anything_is_applied")
class ReadsAnyKey(MemoryStore):
    async def read(self, table: str, key: str) -> Stored | None:
        return await super().read(table, cleaned(key))


@caught_by("test_refuses_what_is_no_text_before_anything_is_applied")
class ScansAnyPrefix(MemoryStore):
    async def scan(self, table: str, *, prefix: str = "", after: str = "", limit: int = 1000) -> Page:
        return await super().scan(table, prefix=cleaned(prefix), after=after, limit=limit)


@caught_by("test_refuses_what_is_no_text_before_anything_is_applied")
class ScansAfterAnything(MemoryStore):
    async def scan(self, table: str, *, prefix: str = "", after: str = "", limit: int = 1000) -> Page:
        return await super().scan(table, prefix=prefix, after=cleaned(after), limit=limit)


@caught_by("test_refuses_what_is_no_text_before_anything_is_applied")
class FindsAnyValue(MemoryStore):
    async def find(self, table: str, field: str, value: str, *, after: str = "", limit: int = 1000) -> Page:
        return await super().find(table, field, cleaned(value), after=after, limit=limit)


@caught_by("test_refuses_what_is_no_text_before_anything_is_applied")
class FindsAfterAnything(MemoryStore):
    async def find(self, table: str, field: str, value: str, *, after: str = "", limit: int = 1000) -> Page:
        return await super().find(table, field, value, after=cleaned(after), limit=limit)


@caught_by("test_refuses_what_names_no_table_and_no_field")
class FindsByAnyField(MemoryStore):
    async def find(self, table: str, field: str, value: str, *, after: str = "", limit: int = 1000) -> Page:
        return await super().find(table, without_controls(field), value, after=after, limit=limit)


@caught_by("test_refuses_what_names_no_table_and_no_field")
class ScansAnyTable(MemoryStore):
    async def scan(self, table: str, *, prefix: str = "", after: str = "", limit: int = 1000) -> Page:
        return await super().scan(without_controls(table), prefix=prefix, after=after, limit=limit)


@caught_by("test_refuses_what_names_no_table_and_no_field")
class GetsFromAnyTable(MemoryStore):
    async def get(self, table: str, key: str) -> str | None:
        return await super().get(without_controls(table), key)


@caught_by("test_refuses_what_names_no_table_and_no_field")
class ReadsFromAnyTable(MemoryStore):
    async def read(self, table: str, key: str) -> Stored | None:
        return await super().read(without_controls(table), key)


@caught_by("test_refuses_what_names_no_table_and_no_field")
class CountsAnyTable(MemoryStore):
    async def count(self, table: str) -> int:
        return await super().count(without_controls(table))


@caught_by("test_refuses_what_names_no_table_and_no_field")
class TrimsAnyTable(MemoryStore):
    async def trim(self, table: str, most: int) -> int:
        return await super().trim(without_controls(table), most)


@caught_by("test_refuses_what_names_no_lease_and_no_owner")
class LeasesAnyName(MemoryStore):
    async def acquire(self, name: str, owner: str, seconds: float) -> Lease | None:
        return await super().acquire(without_controls(name), owner, seconds)


@caught_by("test_refuses_what_names_no_lease_and_no_owner")
class LeasesToAnybody(MemoryStore):
    async def acquire(self, name: str, owner: str, seconds: float) -> Lease | None:
        return await super().acquire(name, without_controls(owner), seconds)


@caught_by("test_refuses_what_names_no_lease_and_no_owner")
class TellsTheHolderOfAnyName(MemoryStore):
    async def holder(self, name: str) -> Lease | None:
        return await super().holder(without_controls(name))


# Commits


class Changing(MemoryStore):
    """Change each write before it is committed."""

    def changed(self, write: Write) -> Write:
        raise NotImplementedError

    async def commit(self, writes: Sequence[Write]) -> int:
        return await super().commit([self.changed(write) for write in writes])


@caught_by("test_refuses_what_names_no_lease_and_no_owner")
class TakesAnyFence(Changing):
    def changed(self, write: Write) -> Write:
        return replace(write, name=cleaned(write.name)) if isinstance(write, Fence) else write


@caught_by("test_refuses_what_is_no_text_before_anything_is_applied")
class KeepsAnyText(Changing):
    def changed(self, write: Write) -> Write:
        return replace(write, text=cleaned(write.text)) if isinstance(write, (Put, Insert)) else write


@caught_by("test_what_had_to_be_new_is_told_apart")
class InsertsOverWhatIsThere(Changing):
    def changed(self, write: Write) -> Write:
        if not isinstance(write, Insert):
            return write
        return Put(write.table, write.key, write.text, expires_at=write.expires_at, lookups=write.lookups)


@caught_by("test_records_that_differ_refuse_their_whole_commit_and_are_all_named")
class PutsWhateverIsExpected(Changing):
    def changed(self, write: Write) -> Write:
        return replace(write, expect=None) if isinstance(write, Put) else write


@caught_by("test_records_that_differ_refuse_their_whole_commit_and_are_all_named")
class DeletesWhateverIsExpected(Changing):
    def changed(self, write: Write) -> Write:
        return replace(write, expect=None) if isinstance(write, Delete) else write


@caught_by("test_what_had_to_be_new_is_told_apart")
class DeletesThoughItShouldBeAbsent(Changing):
    def changed(self, write: Write) -> Write:
        return replace(write, expect=None) if isinstance(write, Delete) and write.expect == ABSENT else write


@caught_by("test_a_record_that_has_expired_is_not_there")
class KeepsWhatHasExpired(Changing):
    def changed(self, write: Write) -> Write:
        return replace(write, expires_at=None) if isinstance(write, (Put, Insert)) else write


@caught_by("test_time_ends_records_and_a_later_write_decides_again")
class KeepsForAMomentMore(Changing):
    def changed(self, write: Write) -> Write:
        if not isinstance(write, (Put, Insert)) or write.expires_at is None:
            return write
        return replace(write, expires_at=write.expires_at + 0.001)


@caught_by("test_a_condition_sees_the_writes_before_it")
class ForgetsWhatWasOnlyExpected(MemoryStore):
    async def commit(self, writes: Sequence[Write]) -> int:
        return await super().commit([write for write in writes if not isinstance(write, Expect)])


@caught_by("test_records_that_differ_refuse_their_whole_commit_and_are_all_named")
class CommitsPieceByPiece(MemoryStore):
    async def commit(self, writes: Sequence[Write]) -> int:
        return [await super(CommitsPieceByPiece, self).commit([write]) for write in writes][-1]


@caught_by("test_records_that_differ_refuse_their_whole_commit_and_are_all_named")
class KeepsHalfOfWhatItRefused(MemoryStore):
    async def commit(self, writes: Sequence[Write]) -> int:
        try:
            return await super().commit(writes)
        except CommitRefused:
            await super().commit([write for write in writes if isinstance(write, Put) and write.expect is None])
            raise


@caught_by("test_records_that_differ_refuse_their_whole_commit_and_are_all_named")
class NamesTheFirstOnly(MemoryStore):
    async def commit(self, writes: Sequence[Write]) -> int:
        try:
            return await super().commit(writes)
        except RecordExists:
            raise
        except RecordsDiffer as refusal:
            raise RecordsDiffer(refusal.records[:1]) from refusal


@caught_by("test_what_had_to_be_new_is_told_apart")
class TellsNothingApart(MemoryStore):
    async def commit(self, writes: Sequence[Write]) -> int:
        try:
            return await super().commit(writes)
        except RecordExists as refusal:
            raise RecordsDiffer(refusal.records) from refusal


@caught_by("test_of_concurrent_inserts_one_wins_and_neighbours_are_kept")
class ChecksThenWaitsThenWrites(MemoryStore):
    async def commit(self, writes: Sequence[Write]) -> int:
        taken = [w for w in writes if isinstance(w, Insert) and await self.read(w.table, w.key)]
        await asyncio.sleep(0)
        if taken:
            return await super().commit(writes)
        return await super().commit([Put(w.table, w.key, w.text) if isinstance(w, Insert) else w for w in writes])


@caught_by("test_many_writers_that_decide_on_what_they_read_lose_nothing")
class RefusesForEver(MemoryStore):
    async def commit(self, writes: Sequence[Write]) -> int:
        if any(isinstance(write, Put) and write.expect for write in writes):
            raise RecordsDiffer([("t", "left")])
        return await super().commit(writes)


@caught_by("test_a_write_replaces_the_lookups_and_a_removal_ends_them")
class KeepsOldLookups(MemoryStore):
    def __init__(self, clock: HandClock) -> None:
        super().__init__(clock)
        self.lookups: dict[tuple[str, str], Mapping[str, str]] = {}

    async def commit(self, writes: Sequence[Write]) -> int:
        kept = [
            replace(w, lookups=w.lookups or self.lookups.get((w.table, w.key), {})) if isinstance(w, Put) else w
            for w in writes
        ]
        number = await super().commit(kept)
        self.lookups |= {(w.table, w.key): w.lookups for w in kept if isinstance(w, (Put, Insert))}
        return number


@caught_by("test_time_ends_records_and_a_later_write_decides_again")
class KeepsTheOldEnd(MemoryStore):
    async def commit(self, writes: Sequence[Write]) -> int:
        ends = {(w.table, w.key): await self.read(w.table, w.key) for w in writes if isinstance(w, Put)}
        return await super().commit(
            [
                replace(w, expires_at=found.expires_at)
                if isinstance(w, Put) and w.expires_at is None and (found := ends[w.table, w.key])
                else w
                for w in writes
            ]
        )


@caught_by("test_later_writes_of_a_commit_win")
class KeepsTheFirstWriteOfACommit(MemoryStore):
    async def commit(self, writes: Sequence[Write]) -> int:
        first = {(w.table, w.key): w for w in reversed(writes) if not isinstance(w, (Expect, Fence))}
        return await super().commit([w for w in writes if isinstance(w, (Expect, Fence)) or w in first.values()])


@caught_by("test_the_version_of_a_record_is_its_commit_and_only_grows")
class GivesEveryRecordOneVersion(MemoryStore):
    async def read(self, table: str, key: str) -> Stored | None:
        found = await super().read(table, key)
        return found and replace(found, version=1)


@caught_by("test_a_condition_that_holds_lets_the_commit_through")
class MeetsNoConditionOfAbsence(MemoryStore):
    async def commit(self, writes: Sequence[Write]) -> int:
        if absent := [(w.table, w.key) for w in writes if isinstance(w, Expect) and w.version == ABSENT]:
            raise RecordsDiffer(absent)
        return await super().commit(writes)


# Life


@caught_by("test_returns_what_was_put_last")
class NeverAnswers(MemoryStore):
    async def get(self, table: str, key: str) -> str | None:
        return await asyncio.get_running_loop().create_future()


@caught_by("test_may_be_opened_again")
class NeverCloses(MemoryStore):
    async def close(self) -> None:
        await asyncio.get_running_loop().create_future()


@caught_by("test_a_durable_store_finds_its_records_again")
class OnlySaysItIsDurable(MemoryStore):
    @property
    def durable(self) -> bool:
        return True


@caught_by("test_a_close_finishes_what_waits")
class DropsWhatWaitsAtItsClose(MemoryStore):
    closed = False

    async def close(self) -> None:
        self.closed = True

    async def commit(self, writes: Sequence[Write]) -> int:
        await asyncio.sleep(0)
        if self.closed:
            raise StoreError("Closed.")
        return await super().commit(writes)


@caught_by("test_a_cancelled_caller_harms_nobody")
class DropsAllWithTheOneThatIsCancelled(MemoryStore):
    cancelled = False

    async def commit(self, writes: Sequence[Write]) -> int:
        try:
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        if self.cancelled:
            raise StoreError("Cancelled.")
        return await super().commit(writes)


# Leases


@caught_by("test_the_numbers_of_leases_grow_when_the_store_is_opened_again")
class NumbersLeasesAnewWhenOpened(MemoryStore):
    number = 0

    async def open(self) -> None:
        self.number = 0

    async def acquire(self, name: str, owner: str, seconds: float) -> Lease | None:
        self.number += 1
        lease = await super().acquire(name, owner, seconds)
        return lease and replace(lease, number=self.number)

    async def release(self, lease: Lease) -> None:
        if (held := await self.holder(lease.name)) is not None:
            await super().release(held)


class Remembering(MemoryStore):
    """Remember the last lease of each name until it is let go."""

    def __init__(self, clock: HandClock) -> None:
        super().__init__(clock)
        self.last: dict[str, Lease] = {}

    async def acquire(self, name: str, owner: str, seconds: float) -> Lease | None:
        lease = await super().acquire(name, owner, seconds)
        if lease is not None:
            self.last[name] = lease
        return lease

    async def release(self, lease: Lease) -> None:
        await super().release(lease)
        if await self.holder(lease.name) is None:
            self.last.pop(lease.name, None)


@caught_by("test_who_held_a_lapsed_lease_last_goes_on_under_its_number")
class RenumbersWhoComesBack(Remembering):
    async def acquire(self, name: str, owner: str, seconds: float) -> Lease | None:
        if name in self.last and await self.holder(name) is None:
            await self.release(self.last[name])
        return await super().acquire(name, owner, seconds)


@caught_by("test_who_held_a_lapsed_lease_last_goes_on_under_its_number")
class KeepsAnOwnersNumberForEver(MemoryStore):
    def __init__(self, clock: HandClock) -> None:
        super().__init__(clock)
        self.numbers: dict[tuple[str, str], int] = {}

    async def acquire(self, name: str, owner: str, seconds: float) -> Lease | None:
        lease = await super().acquire(name, owner, seconds)
        return lease and replace(lease, number=self.numbers.setdefault((name, owner), lease.number))


@caught_by("test_who_let_go_comes_back_under_a_new_number")
class ForgetsThatItWasLetGo(Remembering):
    async def release(self, lease: Lease) -> None:
        """Let the time run out only; the lease stays its last owner's."""
        if self.last.get(lease.name) == lease:
            await self.renew(lease, 1e-6)

    async def holder(self, name: str) -> Lease | None:
        found = await super().holder(name)
        return found if found is not None and found.expires_at > self.now() + 1e-3 else None


@caught_by("test_a_lapsed_lease_goes_on_unless_another_came")
class TellsALapsedHolder(Remembering):
    async def holder(self, name: str) -> Lease | None:
        return await super().holder(name) or self.last.get(name)


@caught_by("test_refuses_a_lease_for_no_time_and_changes_nothing")
class LeasesForNoTime(MemoryStore):
    async def acquire(self, name: str, owner: str, seconds: float) -> Lease | None:
        return await super().acquire(name, owner, seconds if seconds > 0 else 1e-6)


@caught_by("test_refuses_a_lease_for_no_time_and_changes_nothing")
class RenewsForNoTime(MemoryStore):
    async def renew(self, lease: Lease, seconds: float) -> Lease:
        return await super().renew(lease, seconds if seconds > 0 else 1e-6)


@caught_by("test_refuses_a_lease_for_no_time_and_changes_nothing")
class RefusesNoTimeButLetsGo(MemoryStore):
    async def renew(self, lease: Lease, seconds: float) -> Lease:
        if not seconds > 0:
            await self.release(lease)
            raise StoreError("For no time.")
        return await super().renew(lease, seconds)


@caught_by("test_a_lapsed_lease_goes_on_unless_another_came")
class RenewsForAMoment(MemoryStore):
    async def renew(self, lease: Lease, seconds: float) -> Lease:
        await super().renew(lease, 1e-6)
        return replace(lease, expires_at=self.now() + seconds)


@caught_by("test_a_lapsed_lease_goes_on_unless_another_came")
class RenewsNothingThatLapsed(MemoryStore):
    async def renew(self, lease: Lease, seconds: float) -> Lease:
        if await self.holder(lease.name) is None:
            raise Fenced(lease.name)
        return await super().renew(lease, seconds)


@caught_by("test_a_lease_is_one_owners_until_it_is_released")
class RenewsForAnybody(MemoryStore):
    async def renew(self, lease: Lease, seconds: float) -> Lease:
        return await super().renew(await self.holder(lease.name) or lease, seconds)


@caught_by("test_a_lease_is_one_owners_until_it_is_released")
class LetsAnybodyRelease(MemoryStore):
    async def release(self, lease: Lease) -> None:
        await super().release(await self.holder(lease.name) or lease)


@caught_by("test_of_many_who_want_a_lease_one_gets_it")
class LooksThenWaitsThenLeases(MemoryStore):
    async def acquire(self, name: str, owner: str, seconds: float) -> Lease | None:
        if await self.holder(name) is not None:
            return None
        await asyncio.sleep(0)
        if (held := await self.holder(name)) is not None:
            await self.release(held)
        return await super().acquire(name, owner, seconds)


@caught_by("test_a_fence_lets_the_holder_through_and_nobody_else")
class ForgetsFences(MemoryStore):
    async def commit(self, writes: Sequence[Write]) -> int:
        return await super().commit([write for write in writes if not isinstance(write, Fence)])


@caught_by("test_a_fence_lets_the_holder_through_and_nobody_else")
class FencesByNameAlone(MemoryStore):
    async def commit(self, writes: Sequence[Write]) -> int:
        held = {w.name: await self.holder(w.name) for w in writes if isinstance(w, Fence)}
        return await super().commit(
            [lease.fence if isinstance(w, Fence) and (lease := held[w.name]) else w for w in writes]
        )


@caught_by("test_a_lapsed_lease_goes_on_unless_another_came")
class FencesWhoeverIsLate(MemoryStore):
    async def commit(self, writes: Sequence[Write]) -> int:
        for write in writes:
            if isinstance(write, Fence) and await self.holder(write.name) is None:
                raise Fenced(write.name)
        return await super().commit(writes)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("broken", CAUGHT, ids=lambda broken: broken.__name__)
def test_a_broken_store_fails_where_it_is_broken(broken: type[MemoryStore], tmp_path: Path) -> None:
    with pytest.raises((AssertionError, CommitRefused, StoreError, pytest.fail.Exception)):
        check(broken, CAUGHT[broken], tmp_path)


def test_every_test_of_the_contract_can_fail() -> None:
    assert set(CAUGHT.values()) == set(TESTS)


@pytest.mark.parametrize(
    ("broken", "what"),
    [
        (NeverAnswers, r"Waited 1\.0 s for get\(\)"),
        (NeverCloses, r"Waited 1\.0 s for close\(\)"),
        (ScansFromAfterOn, "Waited for an empty page"),
        (FindsFromAfterOn, "Waited for an empty page"),
        (RefusesForEver, "Waited for a commit"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_wait_ends_and_says_what_it_waited_for(broken: type[MemoryStore], what: str, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=what):
        check(broken, CAUGHT[broken], tmp_path)
