"""Two channels, one person: from the wire to the target and back, with the linker that ships."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from agent_framework_hosting import (
    Accepted,
    AgentFrameworkHost,
    ChannelIdentity,
    ChannelRequest,
    Denied,
    LinkedClaimAllowlist,
    LinkRequired,
    NativeIdAllowlist,
    OneTimeCodeLinker,
    Outcome,
    Reply,
    ResponseTarget,
    result_text,
)
from agent_framework_hosting.testing import EchoAgent, InboxChannel

pytestmark = pytest.mark.anyio


class Chat:
    """One person on one channel of a running host."""

    def __init__(self, channel: InboxChannel, native_id: str) -> None:
        self.channel = channel
        self.identity = ChannelIdentity(channel.name, native_id, {"chat": f"{channel.name}/{native_id}"})

    def request(self, text: str, operation: str = "message.create", **fields: object) -> ChannelRequest:
        return ChannelRequest(
            self.channel.name,
            operation,
            text,
            identity=self.identity,
            conversation_id=self.identity.native_id,
            **fields,
        )  # type: ignore[arg-type]

    async def outcome(self, text: str, **fields: object) -> Outcome:
        return await self.channel.context.dispatch(self.request(text, **fields))

    async def say(self, text: str) -> str:
        outcome = await self.outcome(text)
        assert isinstance(outcome, Reply), outcome
        return result_text(outcome.result)

    async def command(self, text: str, **fields: object) -> tuple[Outcome, list[str]]:
        read: list[str] = []

        async def reply(answer: str) -> None:
            read.append(answer)

        name = text.removeprefix("/").partition(" ")[0]
        request = self.request(text, "command.invoke", **fields)
        return await self.channel.context.invoke_command(name, request, reply), read

    async def asked(self, text: str) -> str:
        outcome, read = await self.command(text)
        assert isinstance(outcome, Accepted), outcome
        return read[-1]

    async def next_notice(self, seen: int) -> str:
        native_id, text = (await self.channel.wait_for(seen + 1))[seen]
        assert native_id == self.identity.native_id
        return text


def found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    assert match, text
    return match[1]


NUMBER = r"/link confirm (\d{4})"
CODE = r"([A-Z0-9]{5}-[A-Z0-9]{5})"


async def code_for(chat: Chat) -> str:
    return found(CODE, await chat.asked("/link"))


async def link(asker: Chat, claimant: Chat) -> None:
    notices = len(asker.channel.inbox)
    await claimant.asked(f"/link {await code_for(asker)}")
    question = await asker.next_notice(notices)
    await asker.asked(f"/link confirm {found(NUMBER, question)}")


@asynccontextmanager
async def running(
    agent: EchoAgent | None = None,
    *,
    phone: InboxChannel | None = None,
    desk: InboxChannel | None = None,
    **options: object,
) -> AsyncIterator[tuple[Chat, Chat]]:
    """A host with two chat channels, and Anna on both."""
    phone, desk = phone or InboxChannel(name="phone"), desk or InboxChannel(name="desk")
    phone.path, desk.path = "/phone", "/desk"
    options.setdefault("identity_linker", OneTimeCodeLinker())
    async with AgentFrameworkHost(agent or EchoAgent(), channels=[phone, desk], config={}, **options):  # type: ignore[arg-type]
        yield Chat(phone, "1"), Chat(desk, "a")


@pytest.mark.requirement("linking.merge")
async def test_memory_is_shared_while_two_channels_are_linked_and_separate_before_and_after() -> None:
    async with running() as (phone, desk):
        assert await phone.say("on the phone") == "1: on the phone"
        assert await desk.say("at the desk") == "1: at the desk"
        await link(phone, desk)
        assert await desk.say("still me") == "2: still me"
        assert await phone.say("and again") == "3: and again"
        await desk.asked("/unlink")
        assert await desk.say("alone") == "2: alone"
        assert await phone.say("alone too") == "4: alone too"


@pytest.mark.requirement("linking.unlink")
async def test_a_link_survives_a_restart_and_so_does_its_end(tmp_path: Path) -> None:
    async with running(state_dir=tmp_path) as (phone, desk):
        assert await desk.say("alone") == "1: alone"
        assert await phone.say("hello") == "1: hello"
        await link(phone, desk)
    async with running(state_dir=tmp_path) as (phone, desk):
        assert await phone.say("one") == "2: one"
        assert await desk.say("two") == "3: two"
        assert "phone account 1" in await desk.asked("/whoami")
        await phone.asked("/unlink")
    async with running(state_dir=tmp_path) as (phone, desk):
        assert await phone.say("one") == "4: one"
        assert await desk.say("two") == "2: two"


async def test_an_answer_reaches_all_linked_channels() -> None:
    async with running() as (phone, desk):
        await link(phone, desk)
        assert "now linked" in await desk.next_notice(0)
        before = len(desk.channel.inbox)
        await phone.outcome("everywhere", response_target=ResponseTarget.all_linked)
        assert await desk.next_notice(before) == "1: everywhere"


async def test_nobody_enters_before_linking_where_it_is_required_and_both_do_after() -> None:
    agent, phone_channel, desk_channel = EchoAgent(), InboxChannel(name="phone"), InboxChannel(name="desk")
    phone_channel.require_link = desk_channel.require_link = True
    async with running(agent, phone=phone_channel, desk=desk_channel) as (phone, desk):
        refused = await phone.outcome("hello")
        assert isinstance(refused, LinkRequired)
        assert "/link" in str(refused.to_public_dict()["message"])
        assert agent.heard == []
        await link(phone, desk)
        assert await phone.say("hello") == "1: hello"
        assert await desk.say("hello") == "2: hello"


async def test_claims_verified_on_one_channel_open_the_other_once_linked() -> None:
    agent, phone_channel, desk_channel = EchoAgent(), InboxChannel(name="phone"), InboxChannel(name="desk")
    desk_channel.emits_verified_claims = True
    allowlist = LinkedClaimAllowlist("email", ["anna@x"])
    anna = {"verified_claims": {"email": "anna@x"}}
    async with running(agent, phone=phone_channel, desk=desk_channel, default_allowlist=allowlist) as (phone, desk):
        assert isinstance(await phone.outcome("hello"), LinkRequired)
        assert isinstance(await desk.outcome("hello", **anna), Reply)
        stranger = await desk.outcome("hello", verified_claims={"email": "eve@x"})
        assert isinstance(stranger, Denied)
        _, read = await desk.command("/link", **anna)
        await phone.asked(f"/link {found(CODE, read[-1])}")
        question = await desk.next_notice(0)
        await desk.command(f"/link confirm {found(NUMBER, question)}", **anna)
        assert await phone.say("hello") == "2: hello"


@pytest.mark.requirement("linking.silent-join")
async def test_a_new_account_with_a_known_claim_joins_silently() -> None:
    phone_channel, desk_channel = InboxChannel(name="phone"), InboxChannel(name="desk")
    phone_channel.emits_verified_claims = desk_channel.emits_verified_claims = True
    linker = OneTimeCodeLinker(join_claims=["oid"])
    async with running(phone=phone_channel, desk=desk_channel, identity_linker=linker) as (phone, desk):
        for chat, oid, answer in (
            (phone, "o-1", "1: hi"),
            (desk, "o-1", "2: hi"),
            (Chat(desk.channel, "b"), "o-2", "1: hi"),
        ):
            outcome = await chat.outcome("hi", verified_claims={"oid": oid})
            assert isinstance(outcome, Reply)
            assert result_text(outcome.result) == answer


@pytest.mark.requirement("turn.denied-no-trace")
async def test_a_person_who_is_denied_reaches_nothing_on_any_path() -> None:
    agent = EchoAgent()
    async with running(agent, default_allowlist=NativeIdAllowlist(["1"])) as (phone, desk):
        await phone.say("I am allowed")
        code = await code_for(phone)
        eve = Chat(desk.channel, "eve")
        paths = [
            await eve.outcome("hello"),
            await eve.outcome("pressed", operation="command.invoke"),
            await eve.outcome("hello", is_group=True),
            await eve.channel.context.dispatch(replace(eve.request("hello"), conversation_id="1")),
            *[
                (await eve.command(text))[0]
                for text in ("/link", f"/link {code}", f"/link {code}", "/whoami", "/unlink")
            ],
        ]
        assert all(isinstance(outcome, Denied) for outcome in paths)
        assert len({str(outcome.to_public_dict()) for outcome in paths}) == 1
        assert [(await eve.command(text))[1] for text in ("/link", "/whoami")] == [[], []]
        assert agent.texts == ["I am allowed"]
        assert phone.channel.inbox == []
        assert await phone.asked("/whoami") == "You are phone account 1. It is linked with no other."


async def test_codes_are_never_posted_into_a_group() -> None:
    async with running() as (phone, _):
        outcome, read = await phone.command("/link", is_group=True)
        assert isinstance(outcome, Accepted)
        assert read == ["Please ask me that in a private chat."]
