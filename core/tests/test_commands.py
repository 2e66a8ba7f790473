from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

import pytest

from agent_framework_hosting import (
    Accepted,
    AgentFrameworkHost,
    ChannelCommand,
    ChannelCommandContext,
    ChannelContext,
    ChannelContribution,
    ChannelIdentity,
    ChannelRequest,
    Denied,
    Failed,
    LinkChallenge,
    LinkedIdentity,
    LinkRequired,
    NativeIdAllowlist,
    OneTimeCodeLinker,
    Reply,
    hookimpl,
    result_text,
)
from agent_framework_hosting.testing import EchoAgent, InboxChannel

pytestmark = pytest.mark.anyio

ADA = ChannelIdentity("shop", "ada")
Handle = Callable[[ChannelCommandContext], Awaitable[None]]


class Shop(InboxChannel):
    """An inbox with commands."""

    def __init__(self, *commands: ChannelCommand) -> None:
        super().__init__(name="shop")
        self.offered: Sequence[ChannelCommand] = commands

    @hookimpl
    def contribute_routes(self, context: ChannelContext) -> ChannelContribution:
        super().contribute_routes(context)
        return ChannelContribution(commands=self.offered)


def asked(text: str, **fields: object) -> ChannelRequest:
    return ChannelRequest("shop", "command.invoke", text, **{"identity": ADA, **fields})


async def fresh(context: ChannelCommandContext) -> None:
    await context.reset_session()
    await context.reply("fresh")


async def say(shop: Shop, text: str, **fields: object) -> str:
    outcome = await shop.context.dispatch(replace(asked(text, **fields), operation="message.create"))
    assert isinstance(outcome, Reply)
    return result_text(outcome.result)


class Replies:
    def __init__(self) -> None:
        self.texts: list[str] = []

    async def __call__(self, text: str) -> None:
        self.texts.append(text)


async def test_a_command_replies_to_the_asker() -> None:
    shop, replies = Shop(ChannelCommand("fresh", "Start again.", fresh)), Replies()
    async with AgentFrameworkHost(EchoAgent(), channels=[shop], config={}):
        assert [command.name for command in shop.context.commands] == ["fresh"]
        assert await shop.context.invoke_command("fresh", asked("/fresh"), replies) == Accepted("")
    assert replies.texts == ["fresh"]


async def test_a_reset_is_of_the_conversation_the_command_was_sent_in() -> None:
    shop = Shop(ChannelCommand("fresh", "Start again.", fresh))
    room = {"is_group": True, "conversation_id": "room"}
    async with AgentFrameworkHost(EchoAgent(), channels=[shop], config={}):
        for _ in range(2):
            await say(shop, "private")
            await say(shop, "public", **room)
        await shop.context.invoke_command("fresh", asked("/fresh", **room), Replies())
        assert await say(shop, "public", **room) == "1: public"
        assert await say(shop, "private") == "3: private"
        await shop.context.invoke_command("fresh", asked("/fresh"), Replies())
        assert await say(shop, "private") == "1: private"
        assert await say(shop, "public", **room) == "2: public"


async def test_a_stranger_learns_nothing_about_commands() -> None:
    shop, replies = Shop(ChannelCommand("fresh", "Start again.", fresh)), Replies()
    shop.allowlist = NativeIdAllowlist(["ada"])
    eve = ChannelIdentity("shop", "eve")
    async with AgentFrameworkHost(EchoAgent(), channels=[shop], config={}):
        for name in ("fresh", "unknown"):
            outcome = await shop.context.invoke_command(name, asked("/x", identity=eve), replies)
            assert isinstance(outcome, Denied)
        unknown = await shop.context.invoke_command("unknown", asked("/x"), replies)
        assert isinstance(unknown, Failed)
        assert unknown.code == "unknown_command"
    assert replies.texts == []


async def test_a_command_in_a_group_that_was_not_meant_for_the_bot_is_left_alone() -> None:
    shop, replies = Shop(ChannelCommand("fresh", "Start again.", fresh)), Replies()
    elsewhere = {"is_group": True, "conversation_id": "room", "addressed": False}
    async with AgentFrameworkHost(EchoAgent(), channels=[shop], config={}):
        assert await shop.context.invoke_command("fresh", asked("/fresh", **elsewhere), replies) == Accepted("")
        assert replies.texts == []
        shop.accept_in_group = "command_only"
        await shop.context.invoke_command("fresh", asked("/fresh", **elsewhere), replies)
    assert replies.texts == ["fresh"]


async def test_a_failing_command_is_an_outcome_without_the_errors_text() -> None:
    async def broken(_: ChannelCommandContext) -> None:
        raise RuntimeError("secret")

    shop = Shop(ChannelCommand("broken", "x", broken))
    async with AgentFrameworkHost(EchoAgent(), channels=[shop], config={}):
        outcome = await shop.context.invoke_command("broken", asked("/broken"), Replies())
    assert isinstance(outcome, Failed)
    assert (outcome.code, "secret" in str(outcome.to_public_dict())) == ("command_failed", False)


async def test_a_failing_linker_does_not_reach_the_channel() -> None:
    class Broken:
        async def resolve(self, identity: ChannelIdentity) -> LinkedIdentity | LinkChallenge:
            raise RuntimeError("secret")

    shop, replies = Shop(ChannelCommand("fresh", "Start again.", fresh)), Replies()
    shop.require_link = True
    async with AgentFrameworkHost(EchoAgent(), channels=[shop], identity_linker=Broken(), config={}):
        outcome = await shop.context.invoke_command("fresh", asked("/fresh"), replies)
    assert outcome.status_code >= 400
    assert "secret" not in str(outcome.to_public_dict())
    assert replies.texts == []


async def test_who_must_link_may_use_the_linkers_commands_and_no_other() -> None:
    shop, replies = Shop(ChannelCommand("fresh", "Start again.", fresh)), Replies()
    shop.require_link = True
    async with AgentFrameworkHost(EchoAgent(), channels=[shop], identity_linker=OneTimeCodeLinker(), config={}):
        linking = [command.name for command in shop.context.commands if command.name != "fresh"]
        assert linking
        assert isinstance(await shop.context.invoke_command("fresh", asked("/fresh"), replies), LinkRequired)
        assert replies.texts == []
        assert isinstance(await shop.context.invoke_command(linking[0], asked(f"/{linking[0]}"), replies), Accepted)
    assert len(replies.texts) == 1


async def test_a_channels_own_command_hides_the_hosts_of_the_same_name() -> None:
    linker = OneTimeCodeLinker()
    plain = Shop()
    async with AgentFrameworkHost(EchoAgent(), channels=[plain], identity_linker=linker, config={}):
        name = plain.context.commands[0].name
    shop, replies = Shop(ChannelCommand(name, "Mine.", fresh)), Replies()
    async with AgentFrameworkHost(EchoAgent(), channels=[shop], identity_linker=OneTimeCodeLinker(), config={}):
        assert [command.description for command in shop.context.commands if command.name == name] == ["Mine."]
        await shop.context.invoke_command(name, asked("/x"), replies)
    assert replies.texts == ["fresh"]
