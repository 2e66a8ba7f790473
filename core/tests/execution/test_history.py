from __future__ import annotations

import pytest
from agent_framework import AgentSession, HistoryProvider, InMemoryHistoryProvider, Message

from agent_framework_hosting.execution.history import fork, remember

pytestmark = pytest.mark.anyio


async def test_a_fork_copies_state_and_service_session(doubles) -> None:
    source = AgentSession(session_id="a", service_session_id={"id": "conv"})
    source.state["notes"] = ["old"]
    session = AgentSession(session_id="b")
    await fork(doubles.agent(), source, session)
    session.state["notes"].append("new")
    session.service_session_id["id"] = "other"
    assert (session.session_id, session.state) == ("b", {"notes": ["old", "new"]})
    assert (source.state, source.service_session_id) == ({"notes": ["old"]}, {"id": "conv"})


async def test_a_fork_takes_the_history_kept_outside_along_once(doubles) -> None:
    diary = doubles.Diary()
    agent = doubles.agent(diary)
    source, session = AgentSession(session_id="a"), AgentSession(session_id="b")
    await agent.run("hello", session=source)
    for _ in range(2):
        await fork(agent, source, session)
    await agent.run("in the fork", session=session)
    assert [message.text for message in diary.pages["a"]] == ["hello", "1: hello"]
    assert [message.text for message in diary.pages["b"]][:3] == ["hello", "1: hello", "in the fork"]


async def test_a_fork_does_not_double_history_that_lies_in_the_session(doubles) -> None:
    agent = doubles.agent(InMemoryHistoryProvider())
    source, session = AgentSession(session_id="a"), AgentSession(session_id="b")
    await agent.run("hello", session=source)
    await fork(agent, source, session)
    answer = await agent.run("next", session=session)
    assert answer.text.strip() == "3: next"


async def test_a_provider_that_only_listens_is_not_told_again(doubles) -> None:
    class Audit(HistoryProvider):
        def __init__(self) -> None:
            super().__init__("audit", load_messages=False)
            self.heard: list[str] = []

        async def get_messages(self, session_id, *, state=None, **_) -> list[Message]:
            return [Message("user", [text]) for text in self.heard] if session_id == "a" else []

        async def save_messages(self, session_id, messages, *, state=None, **_) -> None:
            self.heard += [message.text for message in messages]

    audit = Audit()
    agent = doubles.agent(audit)
    source, session = AgentSession(session_id="a"), AgentSession(session_id="b")
    await agent.run("hello", session=source)
    heard = list(audit.heard)
    await fork(agent, source, session)
    assert audit.heard == heard


async def test_what_is_remembered_is_found_by_the_next_run(doubles) -> None:
    for providers in ([], [doubles.Diary()], [InMemoryHistoryProvider()]):
        agent = doubles.agent(*providers)
        session = AgentSession(session_id="a")
        await remember(agent, session, "by the way")
        answer = await agent.run("hello", session=session)
        assert answer.text.strip() == "2: hello"
