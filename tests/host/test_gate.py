"""The one gate: whom it refuses gets no answer pushed, and no command lets anybody past it."""

from __future__ import annotations

import pytest

from agent_framework_hosting import (
    AgentFrameworkHost,
    Allowed,
    ChannelCommand,
    ChannelCommandContext,
    ChannelIdentity,
    ChannelRequest,
    Denied,
    LinkedClaimAllowlist,
    LinkRequired,
    NativeIdAllowlist,
    OneTimeCodeLinker,
    Reply,
    ResponseTarget,
    hookimpl,
    result_text,
)
from agent_framework_hosting.testing import EchoAgent, InboxChannel, call
from host_channel_echo import EchoChannel

pytestmark = pytest.mark.anyio


class House:
    """A policy that shuts out whoever is banned, wherever they are."""

    @hookimpl
    def authorize(self, identity: ChannelIdentity) -> Denied | None:
        return Denied("policy_denied") if identity.native_id == "banned" else None


def target(*people: str) -> ResponseTarget:
    return ResponseTarget.identities([ChannelIdentity("inbox", who) for who in people])


def rules(inbox: InboxChannel, who: str) -> dict[str, object]:
    """Return the options by which a host refuses one person on the inbox channel."""
    if who == "banned":
        return {"plugins": [House()]}
    inbox.allowlist = NativeIdAllowlist(["ada"])
    return {}


@pytest.mark.requirement("access.receivers")
@pytest.mark.parametrize("refused", ["banned", "unlisted"])
async def test_nobody_who_is_refused_gets_an_answer_pushed(refused: str) -> None:
    echo, inbox = InboxChannel(name="echo"), InboxChannel()
    echo.path = "/echo"
    options = rules(inbox, refused)
    async with AgentFrameworkHost(EchoAgent(), channels=[echo, inbox], config={}, **options) as host:

        async def ask(text: str, *people: str):
            speaker = ChannelIdentity("echo", "eve")
            return await echo.context.dispatch(
                ChannelRequest("echo", "message.create", text, identity=speaker, response_target=target(*people))
            )

        both, only = await ask("to both", refused, "ada"), await ask("to one", refused)
        with pytest.raises(ValueError, match="refused_by_policy"):
            await host.deliver("unasked", target(refused))
        await host.deliver("unasked too", target(refused, "ada"))
        assert await inbox.wait_for(2) == [("ada", "1: to both"), ("ada", "unasked too")]
    assert both.to_public_dict()["outcome"] == "accepted"
    assert isinstance(only, Reply)  # nobody may have it, so whoever asked does
    assert result_text(only.result) == "2: to one"


@pytest.mark.requirement("access.commands")
@pytest.mark.parametrize("name", ["link", "unlink", "whoami"])
async def test_a_channels_own_command_does_not_pass_the_demand_to_link_by_its_name(name: str) -> None:
    ran: list[str] = []

    async def own(context: ChannelCommandContext) -> None:
        ran.append(str(context.request.input))
        await context.reply("done")

    strict, linking = EchoChannel(commands=[ChannelCommand(name, "The channel's own", own)]), EchoChannel()
    linking.name, linking.path = "desk", "/desk"
    strict.require_link = linking.require_link = True
    host = AgentFrameworkHost(EchoAgent(), channels=[strict, linking], config={}, identity_linker=OneTimeCodeLinker())

    async def say(path: str) -> tuple[int, str]:
        answer = await call(host.app, "POST", path, json_body={"text": f"/{name}", "user": "stranger"})
        return answer.status, answer.json()["outcome"]

    async with host:
        assert (await say("/echo"))[1] == "link_required"
        assert await say("/desk") == (200, "reply")  # the host's own is how a stranger links
    assert ran == []


@pytest.mark.requirement("access.asked")
async def test_application_code_asks_by_the_channels_rules_and_what_it_adds() -> None:
    echo, strict = EchoChannel(), EchoChannel()
    strict.name, strict.path, strict.require_link = "strict", "/strict", True
    staff = LinkedClaimAllowlist("role", ["staff"])
    host = AgentFrameworkHost(EchoAgent(), channels=[echo, strict], config={}, identity_linker=OneTimeCodeLinker())
    async with host:
        ada, bob = ChannelIdentity("echo", "ada"), ChannelIdentity("strict", "bob")
        assert isinstance(await host.authorize(ada), Allowed)
        assert isinstance(await host.authorize(bob), LinkRequired)
        assert isinstance(await host.authorize(ada, require_link=True), LinkRequired)
        of_staff = await host.authorize(ada, allowlist=staff, verified_claims={"role": "staff"})
        guest = await host.authorize(ada, allowlist=staff, verified_claims={"role": "guest"})
    assert isinstance(of_staff, Allowed)
    assert (of_staff.verified_claims, of_staff.claim_source) == ({"role": "staff"}, "channel")
    assert isinstance(guest, Denied)


@pytest.mark.requirement("access.own-identity")
@pytest.mark.parametrize("foreign", ["a-channel", "z-channel"])
async def test_a_channel_speaks_for_its_own_people_only(foreign: str) -> None:
    inbox, agent = InboxChannel(), EchoAgent()
    async with AgentFrameworkHost(agent, channels=[inbox], config={}):
        request = ChannelRequest("inbox", "message.create", "hi", identity=ChannelIdentity(foreign, "ada"))
        outcomes = [await inbox.context.dispatch(request), await inbox.context.admit(request)]
    assert [type(outcome) for outcome in outcomes] == [Denied, Denied]
    assert agent.texts == []
