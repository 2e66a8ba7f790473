from __future__ import annotations

import asyncio

import pytest

from agent_framework_hosting.errors import OperationRefused, PermanentPushError
from agent_framework_hosting.operations.deliveries import Deliveries
from agent_framework_hosting.operations.requests import (
    DropDeliveries,
    ListDeliveries,
    PurgeDeliveries,
    ReplayDeliveries,
)

pytestmark = [pytest.mark.anyio, pytest.mark.requirement("operator.deliveries")]


def refuse(_: object) -> None:
    raise PermanentPushError("gone")


async def until(deliveries: Deliveries, count: int, *status: str) -> list:
    async with asyncio.timeout(10):
        while len(page := (await deliveries.list(ListDeliveries(status=status))).deliveries) < count:  # type: ignore[arg-type]
            await asyncio.sleep(0)
    return list(page)


async def test_a_live_runner_tries_again_what_is_replayed(bench) -> None:
    deliveries = Deliveries(lambda: bench.runner.tasks)
    bench.push = refuse
    ids = [await bench.deliver(to) for to in ("ada", "bob", "ada")]
    dead = await until(deliveries, 3, "dead")
    assert [row.id for row in dead] == ids
    bench.push = lambda task: f"for {task.task_id}"
    assert (await deliveries.replay(ReplayDeliveries(all_dead=True))).done == ids
    done = await until(deliveries, 3, "succeeded")
    assert [row.receipt for row in done] == [f"for {each}" for each in ids]
    refused = await deliveries.replay(ReplayDeliveries((ids[0], "nothing")))
    assert (refused.done, list(refused.refused)) == ([], [ids[0], "nothing"])
    assert refused.refused[ids[0]].startswith(f"Delivery {ids[0]} is succeeded")


async def test_what_is_replayed_is_named_or_all_of_it(bench) -> None:
    deliveries = Deliveries(lambda: bench.runner.tasks)
    for asked in (ReplayDeliveries(), ReplayDeliveries(("x",), all_dead=True)):
        with pytest.raises(OperationRefused):
            await deliveries.replay(asked)


async def test_many_are_paged_through_and_filtered(bench) -> None:
    deliveries = Deliveries(lambda: bench.runner.tasks)
    bench.push = refuse
    for number in range(450):
        await bench.deliver(f"user-{number % 3}")
    await until(deliveries, 100, "dead")
    seen: list[str] = []
    page = await deliveries.list(ListDeliveries(native_id="user-1", limit=40))
    while True:
        seen += [row.id for row in page.deliveries]
        if not page.more:
            break
        page = await deliveries.list(ListDeliveries(native_id="user-1", limit=40, after=seen[-1]))
    assert (len(seen), seen) == (150, sorted(set(seen)))


async def test_what_is_being_tried_is_not_dropped(bench) -> None:
    deliveries = Deliveries(lambda: bench.runner.tasks)
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow(_: object) -> None:
        begun.set()
        await go_on.wait()

    bench.push = slow
    task_id = await bench.deliver("ada")
    await begun.wait()
    refused = await deliveries.drop(DropDeliveries((task_id,)))
    assert "is being tried at this moment" in refused.refused[task_id]
    go_on.set()
    await until(deliveries, 1, "succeeded")
    assert (await deliveries.drop(DropDeliveries((task_id, "nothing")))).done == [task_id]
    assert (await deliveries.list(ListDeliveries())).deliveries == []


async def test_pending_deliveries_are_not_purged(bench) -> None:
    with pytest.raises(OperationRefused, match="one by one"):
        await Deliveries(lambda: bench.runner.tasks).purge(PurgeDeliveries(("pending",), 1e12))


@pytest.mark.requirement("operator.contents")
async def test_of_callbacks_only_the_host_is_shown_and_of_messages_everything(bench) -> None:
    deliveries = Deliveries(lambda: bench.runner.tasks)
    bench.push = refuse
    task_id = await bench.deliver("ada")
    await until(deliveries, 1, "dead")
    shown = await deliveries.show(task_id)
    assert shown.payload["destination"] == {
        "channel": "echo",
        "native_id": "ada",
        "attributes": {"callback": "https://x.org/***"},
    }
    assert shown.payload["answer"] == {"text": "see https://x.org/page"}
    assert [each.error for each in shown.tries] == ["PermanentPushError: gone"]
