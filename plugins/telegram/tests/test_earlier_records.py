"""What the first edition kept, without envelopes and under keys of its own, is read, ends and is forgotten."""

from __future__ import annotations

import json
import time

import pytest

from agent_framework_hosting import AgentFrameworkHost, DiskStore, Put
from agent_framework_hosting.testing import EchoAgent
from host_channel_telegram import TelegramChannel

pytestmark = [pytest.mark.anyio, pytest.mark.requirement("state.upgrade")]

QUESTION = {
    "request": {},
    "total": 1,
    "channel": "telegram",
    "user": "-77",
    "chat_id": -77,
    "thread_id": None,
    "expires": 1.0,
    "text": "Pay?",
    "state": "open",
}
MESSAGE = {"message_id": 3, "chat": {"id": 42}}
PRESS = {"update_id": 7, "callback_query": {"id": "q", "from": {"id": 42}, "data": "what", "message": MESSAGE}}
NOTICE = 'notice [{"attributes":{},"channel":"telegram","native_id":"42"},"sorry"]'
FIRST_EDITION = {
    "approvals": {"g:0": json.dumps(QUESTION)},
    "catalogue": {"published": "0086825282b438a45438df47"},
    "controls": {"1:5": '{"at":1.0}', "1:7": json.dumps({"at": 1.0, "update": json.dumps(PRESS)})},
    "dead": {"46": "Forbidden: bot was blocked by the user"},
    "live": {"-77:3 42": '{"message_id":1002,"event":"1:9"}'},
    "moved": {"-100500": "-1001234500"},
    "sending": {"5cowIqQ4DsVc": '{"at":1.0,"sent":{"0":"1002"},"under_way":1,"total":3}', NOTICE: '{"at":1.0}'},
}


@pytest.fixture
async def kept(tmp_path) -> dict[str, dict[str, tuple[dict, bool]]]:
    """What stands in each table, with whether it ends, after a start of today on a store of the first edition."""
    store = DiskStore(str(tmp_path / "state"))
    await store.open()
    await store.commit(
        [Put(f"of.telegram.{table}", key, text) for table, rows in FIRST_EDITION.items() for key, text in rows.items()]
    )
    channel = TelegramChannel(bot_token="1:unreachable", api_base_url="http://127.0.0.1:9")
    async with AgentFrameworkHost(EchoAgent(), channels=[channel], config={}, store=store):
        found: dict[str, dict[str, tuple[dict, bool]]] = {}
        for table in FIRST_EDITION:
            rows = found[table] = {}
            for key, text in await store.scan(f"of.telegram.{table}"):
                read = await store.read(f"of.telegram.{table}", key)
                ends = read is not None and (read.expires_at or 0.0) > time.time()
                rows[key] = (json.loads(text)["data"], ends)
        assert [name for name in await store.tables() if name.endswith(".unreadable")] == []
        return found


async def test_records_are_brought_into_the_form_of_today(kept) -> None:
    asked, ends = kept["approvals"]["g:0"]
    assert (asked["user"], asked["chat"], ends) == ("-77", "-77", True)
    assert kept["catalogue"]["published"][0] == {"digest": "0086825282b438a45438df47"}
    assert kept["dead"]["46"][0] == {"why": "Forbidden: bot was blocked by the user"}
    assert kept["moved"]["-100500"][0] == {"new": "-1001234500"}
    assert kept["controls"]["1:7"][0]["who"] == "42"
    assert kept["live"] == {"42\x1f-77:3": ({"message_id": 1002, "event": "1:9", "host": ""}, True)}


async def test_deliveries_go_on_under_keys_that_name_nobody(kept) -> None:
    steps, ends = kept["sending"].pop("5cowIqQ4DsVc")
    assert (steps, ends) == ({"sent": {"0": "1002"}, "under_way": 1, "total": 3}, True)
    ((key, (_, ends)),) = kept["sending"].items()
    assert key.isalnum()
    assert ends


async def test_commands_are_finished_and_none_acts_twice(api, talker, serving, soon, tmp_path) -> None:
    store = DiskStore(str(tmp_path / "state"))
    await store.open()
    bot_id = api.token.partition(":")[0]
    left = {f"{bot_id}:{key.partition(':')[2]}": text for key, text in FIRST_EDITION["controls"].items()}
    await store.commit([Put("of.telegram.controls", key, text) for key, text in left.items()])
    api.world.queries["q"] = None
    async with serving(api, talker(), host_options={"store": store}):
        await soon(api.until(lambda: api.world.queries["q"] is not None))
        await api.people.say("/whoami", update_id=5)
        await api.people.say("hello", update_id=8)
        await soon(api.until(lambda: api.texts(42) == ["1: hello"]))
        assert await store.scan("of.telegram.controls") == []
