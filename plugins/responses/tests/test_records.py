from __future__ import annotations

import msgspec
import pytest

from agent_framework_hosting import MemoryStore
from agent_framework_hosting.testing import HandClock
from host_channel_responses.ids import OUTPUT, item_ids, new_response_id, response_of_item
from host_channel_responses.records import Record, StoredResponses

pytestmark = pytest.mark.anyio


def records(store: MemoryStore | None = None, *, limit: int = 100, days: int = 30) -> StoredResponses:
    return StoredResponses(store or MemoryStore(), per_principal=limit, keep_days=days)


def record(response_id: str, *, item: str = "msg_mine") -> Record:
    body = msgspec.json.encode({"id": response_id, "output": []})
    return Record(response=msgspec.Raw(body), input=[{"id": item}], status="completed", session=response_id)


async def test_a_record_is_found_by_its_own_principal_only() -> None:
    kept, made = records(), new_response_id()
    await kept.save("ann", made, record(made))
    assert await kept.get("ann", made) == record(made)
    assert await kept.get("bob", made) is None
    assert await kept.find_item("ann", "msg_mine") == {"id": "msg_mine"}
    assert await kept.find_item("bob", "msg_mine") is None
    assert await kept.get("ann", "../" + made) is None
    assert await kept.get("", f"ann\x1f{made}") is None


async def test_the_oldest_go_first_and_leave_no_trace() -> None:
    store = MemoryStore()
    kept, ids = records(store, limit=3), [new_response_id() for _ in range(5)]
    gone = [await kept.save("ann", each, record(each, item=f"i{each[-8:]}")) for each in ids]
    assert gone == [[], [], [], [ids[0]], [ids[1]]]
    assert [await kept.get("ann", each) is None for each in ids] == [True, True, False, False, False]
    assert await kept.find_item("ann", f"i{ids[0][-8:]}") is None
    assert await store.count("responses") == 3
    assert await store.count("response_items") == 3


async def test_what_is_too_old_goes_whatever_the_number() -> None:
    kept = records(days=1)
    ancient = "resp_" + "0" * 12 + "f" * 32
    assert await kept.save("ann", ancient, record(ancient)) == [ancient]
    assert await kept.get("ann", ancient) is None


async def test_what_nobody_came_back_for_is_gone_after_its_days() -> None:
    clock, made = HandClock(), new_response_id()
    kept = records(MemoryStore(clock=clock), days=1)
    await kept.save("ann", made, record(made))
    await kept.claim_approval("ann", "mcpr_1")
    clock.advance(86_000.0)
    assert await kept.get("ann", made) == record(made)
    assert await kept.find_item("ann", "msg_mine") == {"id": "msg_mine"}
    clock.advance(500.0)
    assert await kept.get("ann", made) is None
    assert await kept.find_item("ann", "msg_mine") is None
    assert await kept.claim_approval("ann", "mcpr_1")


async def test_an_approval_is_claimed_once_until_it_is_given_back() -> None:
    kept = records()
    assert await kept.claim_approval("ann", "mcpr_1")
    assert not await kept.claim_approval("ann", "mcpr_1")
    assert await kept.claim_approval("bob", "mcpr_1")
    await kept.release_approvals("ann", ["mcpr_1"])
    assert await kept.claim_approval("ann", "mcpr_1")


def test_ids_of_items_name_their_response_and_never_meet() -> None:
    made = new_response_id()
    inputs, outputs = item_ids(made), item_ids(made, OUTPUT)
    ids = [make(prefix) for make in (inputs, outputs) for prefix in ("msg", "fc") for _ in range(3)]
    assert len(set(ids)) == 12
    assert {response_of_item(each) for each in ids} == {made}
    assert response_of_item("msg_1") is None
    assert len({new_response_id() for _ in range(1000)}) == 1000
