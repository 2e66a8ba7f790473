"""Put words the host sent without being asked into a conversation's history."""

from __future__ import annotations

from agent_framework import AgentSession, HistoryProvider, InMemoryHistoryProvider, Message


async def remember(target: object, session: AgentSession, text: str) -> None:
    """Store an assistant message with every history provider of an agent, as if it had answered so.

    An agent without one keeps its history in the session, where agent-framework's own provider will find it.
    """
    providers = [each for each in getattr(target, "context_providers", None) or () if isinstance(each, HistoryProvider)]
    for provider in providers or [InMemoryHistoryProvider()]:
        state = session.state.setdefault(provider.source_id, {})
        await provider.save_messages(session.session_id, [Message("assistant", [text])], state=state)
