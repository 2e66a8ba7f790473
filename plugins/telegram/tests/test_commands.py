"""Commands: the catalogue, the built-in ones, the developer's own."""

from __future__ import annotations

import pytest

from agent_framework_hosting import ChannelCommand, NativeIdAllowlist, OneTimeCodeLinker, result_text

pytestmark = pytest.mark.anyio


@pytest.mark.requirement("telegram.catalogue")
async def test_the_catalogue_is_published_per_scope_and_language(api, talker, serving, soon) -> None:
    async def roll(context) -> None:
        await context.reply("six")

    own = ChannelCommand("roll", "Roll a die", roll)
    texts = {"it": {"roll": "Lancia un dado"}}
    async with serving(api, talker(), commands=[own], command_descriptions=texts):
        await api.people.say("/roll")
        await soon(api.until(lambda: api.texts(42) == ["six"]))
    listed = {each["command"]: each["description"] for each in api.world.commands["all_private_chats", ""]}
    assert listed["roll"] == "Roll a die"
    assert {"new", "stop", "help"} <= set(listed)
    assert {language for scope, language in api.world.commands if scope == "all_group_chats"} == {
        "",
        "de",
        "es",
        "fr",
        "it",
    }
    italian = {each["command"]: each["description"] for each in api.world.commands["all_private_chats", "it"]}
    assert italian["roll"] == "Lancia un dado"


@pytest.mark.requirement("telegram.catalogue")
async def test_an_unchanged_catalogue_is_not_published_again(api, talker, serving, soon, tmp_path) -> None:
    for _ in range(2):
        async with serving(api, talker(), host_options={"state_dir": tmp_path / "state"}):
            pass
    assert len(api.calls("setMyCommands")) == 8


@pytest.mark.requirement("telegram.commands")
async def test_new_starts_afresh_and_help_lists(api, talker, serving, soon) -> None:
    async with serving(api, talker()):
        await api.people.say("one")
        await soon(api.until(lambda: api.texts(42) == ["1: one"]))
        await api.people.say("/NEW@fake_bot")
        await api.people.say("two")
        await soon(api.until(lambda: "1: two" in api.texts(42)))
        await api.people.say("/help")
        await soon(api.until(lambda: any("/stop" in text for text in api.texts(42))))
        await api.people.say("/whoami")
        await soon(api.until(lambda: any("Telegram user 42" in text for text in api.texts(42))))
        await api.people.say("/start")
        await soon(api.until(lambda: any("Hello" in text for text in api.texts(42))))


@pytest.mark.requirement("telegram.once")
async def test_a_command_that_is_repeated_acts_once(api, talker, serving, soon) -> None:
    acted: list[str] = []

    async def act(context) -> None:
        acted.append(context.request.input)
        await context.reply("done")

    async with serving(api, talker(), commands=[ChannelCommand("act", "Act", act)]):
        await api.people.say("/act now", update_id=700)
        await api.people.say("/act now", update_id=700)
        await soon(api.until(lambda: api.texts(42) == ["done"]))
        await api.people.say("hello")
        await soon(api.until(lambda: "1: hello" in api.texts(42)))
    assert acted == ["/act now"]


@pytest.mark.requirement("telegram.commands")
async def test_a_developers_command_may_run_the_agent(api, talker, serving, soon) -> None:
    async def ask(context) -> None:
        outcome = await context.run(context.request)
        await context.reply(f"the agent says: {result_text(outcome.result)}")

    async with serving(api, talker(), commands=[ChannelCommand("ask", "Ask the agent", ask)]):
        await api.people.say("/ask why")
        await soon(api.until(lambda: api.texts(42) == ["the agent says: 1: /ask why"]))


@pytest.mark.requirement("telegram.commands")
async def test_commands_pass_the_same_gate(api, talker, serving, soon) -> None:
    acted: list[str] = []

    async def act(context) -> None:
        acted.append("acted")

    async with serving(
        api, talker(), allowlist=NativeIdAllowlist(["42"]), commands=[ChannelCommand("act", "Act", act)]
    ):
        for said in ("/act", "/new", "/whoami", "/start", "/help", "/stop"):
            await api.people.say(said, user=66)
        await api.people.say("mine")
        await soon(api.until(lambda: api.texts(42) == ["1: mine"]))
    assert acted == []
    assert api.texts(66) == ["You are not allowed to talk to this agent."]


@pytest.mark.requirement("telegram.commands")
async def test_linking_is_offered_when_there_is_a_linker(api, talker, serving, soon) -> None:
    async with serving(api, talker(), host_options={"identity_linker": OneTimeCodeLinker()}):
        await api.people.say("/link")
        await soon(api.until(lambda: any("Your code is" in text for text in api.texts(42))))
        await api.people.say("/whoami")
        await soon(api.until(lambda: len(api.texts(42)) == 2))
        code = api.texts(42)[0].split("Your code is ")[1].split(".")[0]
        await api.people.say(f"/start {code}", user=43)
        await soon(api.until(lambda: len(api.texts(43)) == 1))
    assert "link" in {each["command"] for each in api.world.commands["all_private_chats", ""]}
    assert "link" not in {each["command"] for each in api.world.commands["all_group_chats", ""]}
