"""One directory for each kind of state: what is left out stays in memory, all else is in the host's one store."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent_framework_hosting import AgentFrameworkHost, ChannelIdentity, ChannelRequest
from agent_framework_hosting.testing import EchoAgent, InboxChannel

pytestmark = [pytest.mark.anyio, pytest.mark.requirement("state.components")]


def said(text: str, event_id: str) -> ChannelRequest:
    identity = ChannelIdentity("inbox", "ada")
    return ChannelRequest("inbox", "message.create", text, identity=identity, event_id=event_id)


async def live(state: dict[str, str], text: str, event_id: str) -> dict[str, object]:
    inbox = InboxChannel()
    async with AgentFrameworkHost(EchoAgent(), channels=[inbox], config={}, state_dir=state):
        return (await inbox.context.dispatch(said(text, event_id))).to_public_dict()


@pytest.mark.parametrize(
    ("components", "remembers"),
    [(("runner",), False), (("sessions",), True), (("runner", "sessions"), True), (("links",), False)],
)
async def test_conversations_outlive_the_process_where_sessions_are_kept(
    tmp_path: Path, components: tuple[str, ...], remembers: bool
) -> None:
    state = {name: str(tmp_path / name) for name in components}
    assert (await live(state, "one", "1"))["text"] == "1: one"
    assert (await live(state, "two", "2"))["text"] == ("2: two" if remembers else "1: two")
    written = b"".join(each.read_bytes() for each in tmp_path.rglob("*") if each.is_file())
    assert (b"identities\x1f" in written) is remembers


@pytest.mark.parametrize("components", [("runner",), ("runner", "sessions")])
async def test_events_are_known_after_a_restart_where_the_runner_is_kept(
    tmp_path: Path, components: tuple[str, ...]
) -> None:
    state = {name: str(tmp_path / name) for name in components}
    await live(state, "one", "1")
    assert (await live(state, "one", "1"))["outcome"] == "duplicate"
