"""A private conversation on both transports, over real ports."""

from __future__ import annotations

import asyncio

import pytest

from agent_framework_hosting import NativeIdAllowlist
from host_channel_telegram import TelegramChannel
from host_channel_telegram.testing import Fault

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["polling", "webhook"])
def transport(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.mark.requirement("telegram.transports", "telegram.order")
async def test_a_conversation_has_a_memory(api, talker, serving, soon, transport) -> None:
    agent = talker()
    async with serving(api, agent, transport=transport):
        await api.people.say("hello")
        await soon(api.until(lambda: api.texts(42) == ["1: hello"]))
        await api.people.say("still there?")
        await soon(api.until(lambda: api.texts(42) == ["1: hello", "2: still there?"]))
        await api.people.say("me too", user=43)
        await soon(api.until(lambda: api.texts(43) == ["1: me too"]))
    assert len(set(agent.keys)) == 2


@pytest.mark.requirement("telegram.split")
async def test_a_long_answer_with_code_and_emoji_arrives_whole(api, talker, serving, soon, transport) -> None:
    code = "\n".join(f"print({number})  # 😀" for number in range(150))
    answer = "\n\n".join(
        [f"Paragraph {number} **bold** 🎉 " + "text " * 60 for number in range(26)] + [f"```python\n{code}\n```"]
    )
    assert len(answer) > 10_000
    async with serving(api, talker(lambda *_: [answer]), transport=transport):
        await api.people.say("long, please")
        await soon(api.until(lambda: code.split("\n")[-1] in "".join(api.texts(42))))
    shown = " ".join("\n".join(api.texts(42)).split())
    assert shown == " ".join(answer.replace("**", "").replace("```python", "").replace("```", "").split())
    assert [each.kind for each in api.shown(42)] == ["text"] * len(api.shown(42))
    assert any(entity["type"] == "pre" for entity in api.shown(42)[-1].entities)
    assert api.limiter.refusals == 0


@pytest.mark.requirement("telegram.once")
async def test_a_repeated_update_runs_once(api, talker, serving, soon, transport) -> None:
    agent = talker()
    async with serving(api, agent, transport=transport):
        await api.people.say("once", update_id=9001)
        await soon(api.until(lambda: api.texts(42) == ["1: once"]))
        await api.people.say("older", update_id=8000)
        await soon(api.until(lambda: len(api.texts(42)) == 2))
        message = api.people.message("once")
        await api.people.update(message=message)  # taken: a repeated id below must not bring it back
        for number in (9001, 8000):
            api.world.updates.append({"update_id": number, "message": message})
        await api.people.say("last")
        await soon(api.until(lambda: "last" in "".join(api.texts(42))))
    assert agent.texts[:2] == ["once", "older"]
    assert sum("once" in text for text in agent.texts) <= 2


@pytest.mark.requirement("telegram.poison")
async def test_poison_does_not_stop_the_bot(api, talker, serving, soon, transport) -> None:
    nested: object = "deep"
    for _ in range(900):
        nested = [nested]
    async with serving(api, talker(), transport=transport):
        await api.people.update(message={"chat": 5, "text": []})
        await api.people.update(message={"message_id": 1, "chat": {"id": 42, "type": "private"}, "text": "nobody"})
        await api.people.update(
            message={**api.people.message("x"), "entities": [{"type": "new_kind", "offset": "a"}, 7]}
        )
        await api.people.update(message={**api.people.message("y" * 900_000), "forward_origin": 3})
        await api.people.update(surprise={"nested": nested})
        await api.people.update()
        await api.people.say("alive?", user=77)
        await soon(api.until(lambda: api.texts(77) == ["1: alive?"]))


@pytest.mark.requirement("telegram.poison")
async def test_an_update_too_deep_to_read_is_passed(api, talker, serving, soon, transport) -> None:
    async with serving(api, talker(), transport=transport) as hosted:
        if transport == "webhook":
            body = b'{"update_id": 7, "message": ' + b"[" * 5_000 + b"]" * 5_000 + b"}"
            headers = {"x-telegram-bot-api-secret-token": "a-webhook-secret"}
            assert (await hosted.post("/telegram", content=body, headers=headers)).status_code == 200
        else:
            api.push_raw('{"update_id": 500000, "message": ' + "[" * 5_000 + "]" * 5_000 + "}")
        await api.people.say("alive?")
        await soon(api.until(lambda: api.texts(42) == ["1: alive?"]))


@pytest.mark.requirement("telegram.groups")
async def test_strangers_are_told_once_in_private(api, talker, serving, soon, transport) -> None:
    agent = talker()
    async with serving(api, agent, transport=transport, allowlist=NativeIdAllowlist(["42"])):
        await api.people.say("let me in", user=66)
        await soon(api.until(lambda: len(api.texts(66)) == 1))
        await api.people.say("please", user=66)
        await api.people.say("/new", user=66)
        await api.people.say("hi @fake_bot", user=66, chat=-100500)
        await api.people.say("mine", user=42)
        await soon(api.until(lambda: api.texts(42) == ["1: mine"]))
    assert api.texts(66) == ["You are not allowed to talk to this agent."]
    assert api.texts(-100500) == []
    assert agent.texts == ["mine"]


@pytest.mark.requirement("telegram.manners")
async def test_an_error_of_the_agent_is_told_and_leaks_nothing(api, talker, serving, soon, transport) -> None:
    async with serving(api, talker(lambda *_: [ValueError("the secret text")]), transport=transport):
        await api.people.say("break")
        await soon(api.until(lambda: len(api.texts(42)) == 1))
    assert "went wrong" in api.texts(42)[0]
    assert "secret" not in api.texts(42)[0]


@pytest.mark.requirement("telegram.shutdown")
async def test_stopping_during_a_held_poll_is_quick(api, talker, serving, transport) -> None:
    async with asyncio.timeout(25), serving(api, talker(), transport=transport, poll_seconds=50):
        pass
    assert api.world.webhook.url == ""


@pytest.mark.requirement("telegram.merge")
async def test_quick_messages_are_one_turn(api, talker, serving, soon, transport) -> None:
    agent = talker()
    async with serving(api, agent, transport=transport):
        await api.people.say("first")
        await api.people.say("second")
        await soon(api.until(lambda: len(api.texts(42)) == 1))
    assert agent.texts == ["first\nsecond"]


@pytest.mark.requirement("telegram.crowd")
async def test_many_chats_at_once_leave_nothing_behind(api, talker, serving, soon) -> None:
    api.methods.limiter = None
    people = range(1_000, 1_500)
    async with serving(api, talker(), typing=False) as hosted:
        for user in people:
            await api.people.say(f"from {user}", user=user)
        await soon(api.until(lambda: len(api.world.messages) == 500))
        turns = (await hosted.get("/readiness")).json()["turns"]
    assert {user: api.texts(user) for user in people} == {user: [f"1: from {user}"] for user in people}
    assert turns == {"accepted": 500, "answered": 500, "failed": 0, "open": 0}


@pytest.mark.requirement("telegram.webhook-secret")
async def test_a_wrong_secret_is_refused_before_the_body_is_read(api, talker, serving) -> None:
    agent = talker()
    async with serving(api, agent, transport="webhook") as hosted:
        update = {"update_id": 1, "message": api.people.message("let me in")}
        for headers in ({}, {"x-telegram-bot-api-secret-token": "wrong"}, {"x-telegram-bot-api-secret-token": "é"}):
            assert (
                await hosted.post("/telegram", json=update, headers={k: v.encode() for k, v in headers.items()})
            ).status_code == 403
        good = {"x-telegram-bot-api-secret-token": "a-webhook-secret"}
        assert (await hosted.post("/telegram", content=b"{", headers=good)).status_code == 400
    assert agent.heard == []


@pytest.mark.requirement("telegram.transports")
async def test_a_second_poller_is_reported_and_outlived(api, talker, serving, soon) -> None:
    async with serving(api, talker()) as hosted:
        api.fail("getUpdates", *[Fault("refuse", 409, "Conflict: terminated by other getUpdates request")] * 2)
        await api.people.say("wake")
        await soon(api.until(lambda: len(api.calls("getUpdates")) >= 3))
        state = (await hosted.get("/readiness")).json()["channels"]["telegram"]
        assert not state["healthy"]
        assert "Another process polls" in state["faults"][0]
        await soon(api.until(lambda: api.texts(42) == ["1: wake"]))


@pytest.mark.requirement("telegram.transports")
async def test_a_webhook_left_behind_is_removed_for_polling(api, talker, serving, soon) -> None:
    api.world.webhook.url = "https://old.example/hook"
    async with serving(api, talker()):
        await api.people.say("hello")
        await soon(api.until(lambda: api.texts(42) == ["1: hello"]))


@pytest.mark.requirement("telegram.transports")
async def test_a_revoked_token_is_final_and_seen(api, talker, serving, soon) -> None:
    async with serving(api, talker()) as hosted:
        api.fail("getUpdates", Fault("refuse", 401, "Unauthorized"))
        await api.people.say("hello")
        await soon(api.until(lambda: len(api.calls("getUpdates")) >= 2))
        answer = await hosted.get("/readiness")
        while answer.status_code == 200:
            answer = await hosted.get("/readiness")
        assert "BotFather" in answer.text
        assert api.token not in answer.text


@pytest.mark.requirement("telegram.transports", "telegram.privacy")
async def test_the_doctor_sees_a_bad_token_and_a_webhook_in_the_way(api, serving) -> None:
    wrong = TelegramChannel(bot_token="1:wrong", api_base_url=api.url)
    assert "BotFather" in "".join(await wrong.check())
    right = TelegramChannel(bot_token=api.token, api_base_url=api.url)
    assert await right.check() == []
    api.world.webhook.url = "https://elsewhere.example/"
    right.accept_in_group = "all"
    faults = await right.check()
    assert "webhook is set" in faults[0]
    assert "Privacy mode" in faults[1]
    away = TelegramChannel(bot_token=api.token, api_base_url="http://127.0.0.1:9")
    assert "cannot be reached" in "".join(await away.check())
