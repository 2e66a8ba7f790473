"""What every store must do, as tests to subclass.

class TestMyStore(StoreContract):
    def make_store(self, tmp_path):
        return MyStore(tmp_path)
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from ..errors import RecordExists
from ..ports import Delete, Insert, Put, Store

KEYS = ["a", "a/1", "a/10", "a/2", "b", "ä", "日本", "\U0001f600"]


class StoreContract:
    """Subclass it and say how to make the store. Tests run on asyncio through anyio's pytest plugin."""

    def make_store(self, tmp_path: Path) -> Store:
        """Return a new store, not opened; every call in one test names the same place (``tmp_path``)."""
        raise NotImplementedError("Return a new store of yours from make_store().")

    @asynccontextmanager
    async def _opened(self, tmp_path: Path) -> AsyncGenerator[Store]:
        store = self.make_store(tmp_path)
        await store.open()
        try:
            yield store
        finally:
            await store.close()

    @pytest.mark.anyio
    async def test_returns_what_was_put_last(self, tmp_path: Path) -> None:
        async with self._opened(tmp_path) as store:
            await store.commit([Put("t", "k", "one")])
            await store.commit([Put("t", "k", "two"), Put("u", "k", "other table")])
            assert await store.get("t", "k") == "two"
            assert await store.get("u", "k") == "other table"
            assert await store.get("t", "absent") is None
            assert await store.get("absent", "k") is None

    @pytest.mark.anyio
    async def test_keeps_any_text_as_it_is(self, tmp_path: Path) -> None:
        texts = {key: f"{key}\n\0\t'\"\\\u2028" * 50 for key in KEYS}
        async with self._opened(tmp_path) as store:
            await store.commit([Put("t", key, text) for key, text in texts.items()])
            assert dict(await store.scan("t")) == texts
            assert [await store.get("t", key) for key in KEYS] == list(texts.values())

    @pytest.mark.anyio
    async def test_later_writes_of_a_commit_win(self, tmp_path: Path) -> None:
        async with self._opened(tmp_path) as store:
            await store.commit([Put("t", "a", "1"), Delete("t", "a"), Insert("t", "a", "2"), Put("t", "b", "1")])
            await store.commit([Put("t", "b", "2"), Delete("t", "b"), Delete("t", "never there")])
            assert await store.scan("t") == [("a", "2")]

    @pytest.mark.anyio
    async def test_an_insert_that_meets_a_record_refuses_its_whole_commit(self, tmp_path: Path) -> None:
        async with self._opened(tmp_path) as store:
            await store.commit([Insert("t", "taken", "first")])
            with pytest.raises(RecordExists) as refusal:
                await store.commit([Put("t", "before", "x"), Insert("t", "taken", "second"), Put("t", "after", "x")])
            assert (refusal.value.table, refusal.value.key) == ("t", "taken")
            with pytest.raises(RecordExists):
                await store.commit([Insert("t", "new", "1"), Insert("t", "new", "2")])
            assert await store.scan("t") == [("taken", "first")]

    @pytest.mark.anyio
    async def test_of_concurrent_inserts_one_wins_and_neighbours_are_kept(self, tmp_path: Path) -> None:
        async with self._opened(tmp_path) as store:
            outcomes = await asyncio.gather(
                *(store.commit([Insert("t", "one", str(n)), Put("u", str(n), "")]) for n in range(20)),
                *(store.commit([Put("v", str(n), "")]) for n in range(20)),
                return_exceptions=True,
            )
            winners = [n for n, outcome in enumerate(outcomes[:20]) if outcome is None]
            assert len(winners) == 1
            assert all(isinstance(outcome, RecordExists) for n, outcome in enumerate(outcomes[:20]) if n not in winners)
            assert outcomes[20:] == [None] * 20
            assert await store.get("t", "one") == str(winners[0])
            assert await store.scan("u") == [(str(winners[0]), "")]
            assert await store.count("v") == 20

    @pytest.mark.anyio
    async def test_scans_in_key_order_page_by_page(self, tmp_path: Path) -> None:
        async with self._opened(tmp_path) as store:
            await store.commit([Put("t", key, key.upper()) for key in reversed(KEYS)])
            await store.commit([Put("t2", "a", ""), Put("s", "z", "")])
            assert [key for key, _ in await store.scan("t")] == sorted(KEYS)
            found: list[str] = [""]
            while page := await store.scan("t", after=found[-1], limit=2):
                assert len(page) <= 2
                found += [key for key, _ in page]
            assert found[1:] == sorted(KEYS)
            assert await store.scan("absent") == []

    @pytest.mark.anyio
    async def test_scans_by_prefix(self, tmp_path: Path) -> None:
        async with self._opened(tmp_path) as store:
            await store.commit([Put("t", key, "") for key in KEYS])
            assert [key for key, _ in await store.scan("t", prefix="a")] == ["a", "a/1", "a/10", "a/2"]
            assert [key for key, _ in await store.scan("t", prefix="a/1", after="a/1")] == ["a/10"]
            assert [key for key, _ in await store.scan("t", prefix="b", after="a")] == ["b"]
            assert await store.scan("t", prefix="a", after="b") == []
            assert await store.scan("t", prefix="a/1", limit=1) == [("a/1", "")]

    @pytest.mark.anyio
    async def test_counts_what_is_there(self, tmp_path: Path) -> None:
        async with self._opened(tmp_path) as store:
            assert await store.count("t") == 0
            await store.commit([Put("t", str(n), "") for n in range(300)])
            await store.commit([Put("t", "7", "again"), Put("t2", "1", ""), Delete("t", "8"), Delete("t", "absent")])
            assert await store.count("t") == 299
            await store.commit([Delete("t", str(n)) for n in range(300)])
            assert await store.count("t") == 0
            assert await store.scan("t") == []

    @pytest.mark.anyio
    async def test_a_cancelled_caller_harms_nobody(self, tmp_path: Path) -> None:
        async with self._opened(tmp_path) as store:
            callers = [asyncio.ensure_future(store.commit([Put("t", str(n), "")])) for n in range(30)]
            await asyncio.sleep(0)
            for caller in callers[::2]:
                caller.cancel()
            await asyncio.wait(callers)
            kept = {key for key, _ in await store.scan("t")}
            assert {str(n) for n in range(1, 30, 2)} <= kept
            assert [caller.exception() for caller in callers[1::2]] == [None] * 15

    @pytest.mark.anyio
    async def test_may_be_opened_again(self, tmp_path: Path) -> None:
        store = self.make_store(tmp_path)
        await store.open()
        await store.open()
        await store.commit([Put("t", "k", "text")])
        await store.close()
        await store.close()
        await store.open()
        try:
            await store.commit([Put("t", "k2", "more")])
            assert ("k2", "more") in await store.scan("t")
        finally:
            await store.close()

    @pytest.mark.anyio
    async def test_a_durable_store_finds_its_records_again(self, tmp_path: Path) -> None:
        async with self._opened(tmp_path) as store:
            await store.commit([Put("t", key, key) for key in KEYS])
            await store.commit([Delete("t", "b")])
            durable = store.durable
        async with self._opened(tmp_path) as later:
            found = [key for key, _ in await later.scan("t")]
        assert found == (sorted(set(KEYS) - {"b"}) if durable else [])

    @pytest.mark.anyio
    async def test_a_close_finishes_what_waits(self, tmp_path: Path) -> None:
        store = self.make_store(tmp_path)
        await store.open()
        waiting = [asyncio.ensure_future(store.commit([Put("t", str(n), "")])) for n in range(10)]
        await asyncio.sleep(0)
        await store.close()
        assert await asyncio.gather(*waiting) == [None] * 10
