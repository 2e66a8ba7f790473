"""What every store must do with records, whoever writes them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from ..errors import RecordExists, StoreError
from ..ports import ABSENT, Delete, Expect, Insert, Put, Store, Write
from .store_hooks import NO_NAME, NO_TEXT, StoreHooks, keys_by_pages

KEYS = ["", "a", "a/1", "a/10", "a/2", "b", "ä", "日本", "\ue000", "\uffff", "\U00010000", "\U0001f600"]
"""Sorted by code point, which is not the order of UTF-16: there the last two come before U+E000."""

PLACE = {"kind": "place", "town": "Turku"}


class RecordsContract(StoreHooks):
    """Texts, order, tables, lookups, and the life of a store."""

    @pytest.mark.anyio
    async def test_returns_what_was_put_last(self, tmp_path: Path) -> None:
        async with self.opened(tmp_path) as store:
            await store.commit([Put("t", "k", "one")])
            await store.commit([Put("t", "k", "two"), Put("u", "k", "other table")])
            assert await store.get("t", "k") == "two"
            assert await store.get("u", "k") == "other table"
            assert await store.get("t", "absent") is None
            assert await store.get("absent", "k") is None
            assert await store.tables() == ["t", "u"]

    @pytest.mark.anyio
    async def test_keeps_any_text_as_it_is(self, tmp_path: Path) -> None:
        texts = {key: f"{key}\n\x01\x1f\t'\"\\\u2028" * 50 for key in [*KEYS, "\x01\x1f\n"]}
        async with self.opened(tmp_path) as store:
            await store.commit([Put("t", key, text) for key, text in texts.items()])
            assert dict(await store.scan("t")) == texts
            assert [await store.get("t", key) for key in texts] == list(texts.values())
            assert [key for key, _ in await store.scan("t", prefix="\x01")] == ["\x01\x1f\n"]
            assert [key for key, _ in await store.scan("t", after="\x01\x1f\n", limit=1)] == ["a"]

    @pytest.mark.anyio
    @pytest.mark.parametrize("bad", NO_TEXT)
    async def test_refuses_what_is_no_text_before_anything_is_applied(self, tmp_path: Path, bad: str) -> None:
        refused: list[Write] = [
            *(kind(*texts) for kind in (Put, Insert) for texts in (("t", bad, ""), ("t", "k", bad))),
            *(kind("t", "k", "", lookups={"field": bad}) for kind in (Put, Insert)),
            Delete("t", bad),
            Expect("t", bad, ABSENT),
        ]
        async with self.opened(tmp_path) as store:
            await _refuses_to_write(store, refused)
            await store.commit([Put("t", "k", "", lookups=PLACE)])
            for ask in (
                lambda: store.get("t", bad),
                lambda: store.read("t", bad),
                lambda: store.scan("t", prefix=bad),
                lambda: store.scan("t", after=bad),
                lambda: store.find("t", "kind", bad),
                lambda: store.find("t", "kind", "place", after=bad),
            ):
                with pytest.raises(StoreError):
                    await ask()

    @pytest.mark.anyio
    @pytest.mark.parametrize("bad", NO_NAME)
    async def test_refuses_what_names_no_table_and_no_field(self, tmp_path: Path, bad: str) -> None:
        refused: list[Write] = [
            *(kind(bad, "k", "") for kind in (Put, Insert)),
            *(kind("t", "k", "", lookups={bad: "value"}) for kind in (Put, Insert)),
            Delete(bad, "k"),
            Expect(bad, "k", ABSENT),
        ]
        async with self.opened(tmp_path) as store:
            await _refuses_to_write(store, refused)
            await store.commit([Put("t", "k", "", lookups=PLACE)])
            for ask in (
                lambda: store.get(bad, "k"),
                lambda: store.read(bad, "k"),
                lambda: store.scan(bad),
                lambda: store.find(bad, "kind", "place"),
                lambda: store.find("t", bad, "place"),
                lambda: store.count(bad),
                lambda: store.trim(bad, 0),
                lambda: store.trim(bad, 1),
            ):
                with pytest.raises(StoreError):
                    await ask()
            assert await store.scan("t") == [("k", "")]

    @pytest.mark.anyio
    async def test_later_writes_of_a_commit_win(self, tmp_path: Path) -> None:
        async with self.opened(tmp_path) as store:
            await store.commit([Put("t", "a", "1"), Delete("t", "a"), Insert("t", "a", "2"), Put("t", "b", "1")])
            await store.commit([Put("t", "b", "2"), Delete("t", "b"), Delete("t", "never there")])
            assert await store.scan("t") == [("a", "2")]

    @pytest.mark.anyio
    async def test_scans_in_code_point_order_page_by_page(self, tmp_path: Path) -> None:
        async with self.opened(tmp_path) as store:
            await store.commit([Put("t", key, key.upper()) for key in reversed(KEYS)])
            await store.commit([Put("t2", "a", ""), Put("s", "z", ""), Put("t t", "a", "")])
            assert await store.scan("t") == [(key, key.upper()) for key in KEYS]
            assert len(await store.scan("t", limit=2)) == 2
            assert await keys_by_pages(lambda last: store.scan("t", after=last, limit=2), most=len(KEYS)) == KEYS
            assert await store.scan("t", after=KEYS[-1]) == []
            assert await store.scan("absent") == []
            assert await store.tables() == ["s", "t", "t t", "t2"]

    @pytest.mark.anyio
    async def test_scans_by_prefix(self, tmp_path: Path) -> None:
        async with self.opened(tmp_path) as store:
            await store.commit([Put("t", key, "") for key in KEYS])
            assert [key for key, _ in await store.scan("t", prefix="a")] == ["a", "a/1", "a/10", "a/2"]
            assert [key for key, _ in await store.scan("t", prefix="a/1", after="a/1")] == ["a/10"]
            assert [key for key, _ in await store.scan("t", prefix="b", after="a")] == ["b"]
            assert [key for key, _ in await store.scan("t", prefix="\uffff")] == ["\uffff"]
            assert await store.scan("t", prefix="a", after="b") == []
            assert await store.scan("t", prefix="a/1", limit=1) == [("a/1", "")]

    @pytest.mark.anyio
    async def test_counts_what_is_there(self, tmp_path: Path) -> None:
        async with self.opened(tmp_path) as store:
            assert await store.count("t") == 0
            await store.commit([Put("t", str(n), "") for n in range(300)])
            await store.commit([Put("t", "7", "again"), Put("t2", "1", ""), Delete("t", "8"), Delete("t", "absent")])
            assert await store.count("t") == 299
            await store.commit([Delete("t", str(n)) for n in range(300)])
            assert await store.count("t") == 0
            assert await store.scan("t") == []
            assert await store.tables() == ["t2"]

    # Lookups

    @pytest.mark.anyio
    async def test_finds_records_by_their_fields_page_by_page(self, tmp_path: Path) -> None:
        async with self.opened(tmp_path) as store:
            await store.commit([Put("t", key, key.upper(), lookups=PLACE) for key in reversed(KEYS)])
            await store.commit([Put("t", "x", "", lookups={"kind": "other"}), Put("u", "a", "", lookups=PLACE)])
            assert await store.find("t", "kind", "place") == [(key, key.upper()) for key in KEYS]
            pages = keys_by_pages(lambda last: store.find("t", "kind", "place", after=last, limit=2), most=len(KEYS))
            assert await pages == KEYS
            assert await store.find("t", "kind", "place", after="a", limit=2) == [("a/1", "A/1"), ("a/10", "A/10")]
            assert await store.find("t", "kind", "place", after=KEYS[-1]) == []
            for nothing in (
                ("t", "kind", "pla"),
                ("t", "town", "place"),
                ("t", "absent", ""),
                ("absent", "kind", "place"),
            ):
                assert await store.find(*nothing) == []

    @pytest.mark.anyio
    async def test_a_write_replaces_the_lookups_and_a_removal_ends_them(self, tmp_path: Path) -> None:
        async with self.opened(tmp_path) as store:
            await store.commit([Put("t", key, "", lookups=PLACE) for key in ("a", "b", "c", "d", "e")])
            await store.commit(
                [
                    Put("t", "a", "", lookups={"kind": "place", "town": "Oulu"}),
                    Put("t", "b", "", lookups={"kind": "place"}),
                    Put("t", "c", ""),
                    Delete("t", "d"),
                ]
            )
            assert await _found(store, "kind", "place") == ["a", "b", "e"]
            assert await _found(store, "town", "Turku") == ["e"]
            assert await _found(store, "town", "Oulu") == ["a"]
            await store.commit([Put("t", "d", ""), Delete("t", "e"), Insert("t", "e", "", lookups={"town": "Turku"})])
            assert await _found(store, "kind", "place") == ["a", "b"]
            assert await _found(store, "town", "Turku") == ["e"]
            with pytest.raises(RecordExists):
                await store.commit([Put("t", "c", "", lookups=PLACE), Insert("t", "a", "")])
            assert await _found(store, "kind", "place") == ["a", "b"]

    # Life

    @pytest.mark.anyio
    async def test_a_cancelled_caller_harms_nobody(self, tmp_path: Path) -> None:
        async with self.opened(tmp_path) as store:
            callers = [asyncio.ensure_future(store.commit([Put("t", str(n), "")])) for n in range(30)]
            await asyncio.sleep(0)
            for caller in callers[::2]:
                caller.cancel()
            outcomes = await asyncio.gather(*callers, return_exceptions=True)
            kept = {key for key, _ in await store.scan("t")}
            assert {str(n) for n in range(1, 30, 2)} <= kept
            assert all(isinstance(outcome, int) for outcome in outcomes[1::2])

    @pytest.mark.anyio
    async def test_may_be_opened_again(self, tmp_path: Path) -> None:
        store = self.made(tmp_path)
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
        async with self.opened(tmp_path) as store:
            version = await store.commit(
                [Put("t", key, key, expires_at=store.now() + 1000, lookups=PLACE) for key in KEYS]
            )
            await store.commit([Delete("t", "b")])
            durable, kept = store.durable, [(key, key) for key in KEYS if key != "b"]
            before = await store.read("t", "a")
        async with self.opened(tmp_path) as later:
            assert await later.scan("t") == (kept if durable else [])
            assert await later.find("t", "town", "Turku") == (kept if durable else [])
            assert await later.read("t", "a") == (before if durable else None)
            await later.commit([Put("t", "a", "anew"), Delete("t", "ä")])
            await later.commit([Insert("t", "ä", "anew")])
            found = await later.read("t", "a")
            assert found is not None
            assert (found.text, found.expires_at) == ("anew", None)
            kept = [(key, text) for key, text in kept if key not in {"a", "ä"}]
            assert await later.find("t", "town", "Turku") == (kept if durable else [])
        assert before is not None
        assert before.version == version

    @pytest.mark.anyio
    async def test_a_close_finishes_what_waits(self, tmp_path: Path) -> None:
        store = self.made(tmp_path)
        await store.open()
        waiting = [asyncio.ensure_future(store.commit([Put("t", str(n), "")])) for n in range(10)]
        await asyncio.sleep(0)
        await store.close()
        assert len(set(await asyncio.gather(*waiting))) == 10


async def _refuses_to_write(store: Store, refused: Sequence[Write]) -> None:
    for write in refused:
        with pytest.raises(StoreError):
            await store.commit([Put("t", "before", ""), write])
    assert await store.tables() == []


async def _found(store: Store, field: str, value: str) -> Sequence[str]:
    return [key for key, _ in await store.find("t", field, value)]
