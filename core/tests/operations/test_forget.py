from __future__ import annotations

import asyncio

import pytest

from agent_framework_hosting.delivery.continuations import TOKENS, Continuations
from agent_framework_hosting.delivery.journal import EVENTS, HISTORY, TURNS, TurnRecord
from agent_framework_hosting.errors import OperationRefused, PermanentPushError
from agent_framework_hosting.model.identity import ChannelIdentity
from agent_framework_hosting.model.verdict import LinkParty
from agent_framework_hosting.operations.deliveries import Deliveries
from agent_framework_hosting.operations.forget import Forgetting
from agent_framework_hosting.operations.people import PeopleView
from agent_framework_hosting.operations.requests import ListDeliveries
from agent_framework_hosting.ports import Put
from agent_framework_hosting.sessions.conversations import RESETS, SNAPSHOTS

pytestmark = [pytest.mark.anyio, pytest.mark.requirement("operator.forget")]

ADA, BOB = ChannelIdentity("echo", "ada"), ChannelIdentity("echo", "bob")


def refuse(_: object) -> None:
    raise PermanentPushError("gone")


def forgetting(bench, patience: float = 10.0) -> Forgetting:
    return Forgetting(bench.state, PeopleView(bench.people), patience=patience)


async def accepted(bench, person: str, *, event_id: str | None = None, ended: bool = True) -> str:
    runs = Continuations(bench.store)
    turn_id = f"turn of {person} {event_id}"
    run, write = runs.mint(turn_id)
    turn = TurnRecord(turn_id, "echo", person, {}, 1.0, event_id=event_id, token=run.token)
    turn = await bench.journal.admit(turn, [write])
    if ended:
        await bench.journal.finish([turn], "answered")
    return turn_id


async def test_everything_of_a_person_goes_and_nothing_of_another(bench) -> None:
    bench.push = refuse
    for identity in (ADA, BOB):
        key = f"echo:{identity.native_id}"
        await bench.saw(key, identity)
        await bench.saw(key, identity, "room", is_group=True)
        turn = await accepted(bench, key, event_id=f"event of {identity.native_id}")
        await bench.deliver(identity.native_id, turn_id=turn)
        await bench.deliver("eve", by=identity.native_id)
        await bench.deliver("eve", turn_id=turn)
        await bench.store.commit(
            [
                Put(TURNS.aside, f"x of {key}", f'{{"isolation_key":"{key}"'),
                Put(SNAPSHOTS.name, f"{key}\x1fthread", "{}"),
                Put(SNAPSHOTS.aside, f"{key}\x1f", '{"words": "my secret'),
                Put(RESETS.name, key, "1"),
            ]
        )
    gone = await forgetting(bench).forget("echo:ada")
    assert (gone.messages, gone.deliveries, gone.background_runs) == (1, 3, 1)
    assert gone.shared_conversations == ["echo:conversation:room"]
    assert bench.forgotten == ["echo:ada"] * 2 + ["echo:conversation:room"] * 2
    assert bench.told == {"linker": [ADA], "channels": [ADA]}
    left = (await Deliveries(lambda: bench.runner.tasks).list(ListDeliveries())).deliveries
    assert [row.native_id for row in left] == ["bob", "eve", "eve"]
    of_each = (HISTORY.name, EVENTS.name, TOKENS.name, TURNS.aside, SNAPSHOTS.name, SNAPSHOTS.aside, RESETS.name)
    for table in of_each:
        rows = await bench.store.scan(table)
        assert (len(rows), "ada" in str(rows)) == (1, False), table
    assert ["ada" in str(await bench.store.scan(table)) for table in await bench.store.tables()].count(True) == 0
    assert [key for key, _ in bench.people.everyone()] == ["echo:bob"]


async def test_a_person_goes_with_all_linked_accounts_and_the_keys_these_had_before(bench) -> None:
    desk = ChannelIdentity("desk", "a")
    for identity in (ADA, desk):
        await accepted(bench, f"{identity.channel}:{identity.native_id}")
    await bench.people.link(LinkParty(ADA, None), LinkParty(desk, None))
    gone = await forgetting(bench).forget("desk:a")
    assert (gone.isolation_key, gone.messages) == ("echo:ada", 2)
    assert {account.native_id for account in gone.accounts} == {"ada", "a"}
    assert set(bench.forgotten) == {"echo:ada", "desk:a"}
    assert bench.people.person_of(desk) is None


async def test_what_is_under_way_is_waited_for(bench) -> None:
    await bench.saw("echo:ada", ADA)
    bench.busy.add("echo:ada")
    waiting = asyncio.create_task(forgetting(bench).forget("echo:ada"))
    await asyncio.sleep(0)
    assert bench.people.key_of(ADA) == "echo:ada"
    bench.busy.clear()
    await waiting
    assert bench.people.key_of(ADA) is None


@pytest.mark.parametrize("what", ["lane", "turn", "delivery"])
async def test_what_stays_under_way_refuses_and_nobody_is_forgotten(bench, what: str) -> None:
    await bench.saw("echo:ada", ADA)
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow(_: object) -> None:
        begun.set()
        await go_on.wait()

    if what == "lane":
        bench.busy.add("echo:ada")
    elif what == "turn":
        await accepted(bench, "echo:ada", ended=False)
    else:
        bench.push = slow
        await bench.deliver("ada")
        await begun.wait()
    with pytest.raises(OperationRefused, match="again"):
        await forgetting(bench, patience=0.0).forget("echo:ada")
    assert bench.people.key_of(ADA) == "echo:ada"
    assert bench.forgotten == []
    go_on.set()
    await bench.runner.shutdown()


async def test_somebody_unknown_is_looked_for_all_the_same(bench) -> None:
    await accepted(bench, "echo:stranger")
    gone = await forgetting(bench).forget("echo:stranger")
    assert gone.messages == 1
    assert bench.told["channels"] == [ChannelIdentity("echo", "stranger")]
    gone = await forgetting(bench).forget("no-such-key")
    assert (gone.messages, gone.accounts) == (0, [])
    bench.left = ["Channel x failed."]
    assert (await forgetting(bench).forget("echo:stranger")).left == ["Channel x failed."]
