"""Write into a conversation's history what no run of the agent writes."""

from __future__ import annotations

import copy

from agent_framework import AgentSession, HistoryProvider, InMemoryHistoryProvider, Message


async def remember(target: object, session: AgentSession, text: str) -> None:
    """Store an assistant message with every history provider of an agent, as if it had answered so.

    An agent without one keeps its history in the session, where agent-framework's own provider will find it.
    """
    for provider in _histories_of(target) or [InMemoryHistoryProvider()]:
        state = session.state.setdefault(provider.source_id, {})
        await provider.save_messages(session.session_id, [Message("assistant", [text])], state=state)


async def fork(target: object, source: AgentSession, session: AgentSession) -> None:
    """Let a new session continue what another holds, leaving that one as it is.

    Its state is copied, and so is what a history provider keeps under the session's id: else two continuations of one
    conversation would write into the same history.
    """
    session.state = copy.deepcopy(source.state)
    session.service_session_id = copy.deepcopy(source.service_session_id)
    for provider in _histories_of(target):
        if not provider.load_messages:  # it only listens; what was said is with it already
            continue
        state = session.state.setdefault(provider.source_id, {})
        if await provider.get_messages(session.session_id, state=state):
            continue
        said = await provider.get_messages(source.session_id, state=source.state.get(provider.source_id, {}))
        if said:
            await provider.save_messages(session.session_id, said, state=state)


def _histories_of(target: object) -> list[HistoryProvider]:
    return [each for each in getattr(target, "context_providers", None) or () if isinstance(each, HistoryProvider)]
