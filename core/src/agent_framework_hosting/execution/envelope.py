"""The host's note on messages, ``additional_properties["hosting"]``: on the question and on the answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextvars import ContextVar, Token
from typing import NamedTuple

from agent_framework import AgentSession, ContextProvider, Message, SessionContext, SupportsAgentRun

HOSTING = "hosting"
SOURCE_ID = "agent_framework_hosting"


class _Running(NamedTuple):
    agent: object
    answer_envelope: Mapping[str, object]


_running: ContextVar[_Running | None] = ContextVar("agent_framework_hosting_running", default=None)


def enter_run(agent: object, answer_envelope: Mapping[str, object]) -> Token[_Running | None]:
    """Name the run under way in this context, for ``AnswerEnvelope``."""
    return _running.set(_Running(agent, answer_envelope))


def leave_run(token: Token[_Running | None]) -> None:
    """Undo ``enter_run``, in the same context."""
    _running.reset(token)


def stamp_answer(messages: Iterable[Message], answer_envelope: Mapping[str, object]) -> None:
    """Write the note on an answer's messages, in place: they belong to this run."""
    if answer_envelope:
        for message in messages:
            message.additional_properties[HOSTING] = dict(answer_envelope)


def stamp_question(messages: Sequence[Message], envelope: Mapping[str, object]) -> list[Message]:
    """Return the messages with the note on a copy of the last user message (of the last one when none is a user's)."""
    noted = list(messages)
    if not noted or not envelope:
        return noted
    users = [index for index, message in enumerate(noted) if message.role == "user"]
    index = users[-1] if users else len(noted) - 1
    asked = noted[index]
    noted[index] = Message(
        asked.role,
        list(asked.contents),
        author_name=asked.author_name,
        message_id=asked.message_id,
        additional_properties={**asked.additional_properties, HOSTING: dict(envelope)},
        raw_representation=asked.raw_representation,
    )
    return noted


class AnswerEnvelope(ContextProvider):
    """Write the note on the answer before history providers store it.

    Keeps itself last in the agent's list: ``after_run`` goes through that list from its end. Holds nothing of a run,
    so one stands for all turns of an agent, concurrent ones included.
    """

    def __init__(self) -> None:
        super().__init__(SOURCE_ID)

    async def before_run(
        self,
        *,
        agent: SupportsAgentRun,
        session: AgentSession,
        context: SessionContext,  # noqa: ARG002 - the signature is agent-framework's
        state: dict[str, object],  # noqa: ARG002 - the signature is agent-framework's
    ) -> None:
        """Move behind providers that were added later, such as the history agent-framework adds by itself."""
        session.state.pop(SOURCE_ID, None)
        providers = _providers_of(agent)
        if providers is not None and providers[-1] is not self:
            # A new list: the run under way iterates the old one.
            agent.context_providers = [*(one for one in providers if one is not self), self]  # type: ignore[attr-defined]

    async def after_run(
        self,
        *,
        agent: SupportsAgentRun,
        session: AgentSession,
        context: SessionContext,
        state: dict[str, object],  # noqa: ARG002 - the signature is agent-framework's
    ) -> None:
        """Write the note of the run under way; an agent running inside another's turn has none of its own."""
        session.state.pop(SOURCE_ID, None)
        running = _running.get()
        if running is not None and running.agent is agent and context.response is not None:
            stamp_answer(context.response.messages, running.answer_envelope)


def install_answer_envelope(agent: object) -> None:
    """Append an ``AnswerEnvelope`` to an agent that has a list of context providers, unless it has one."""
    providers = _providers_of(agent)
    if providers is not None and not any(isinstance(one, AnswerEnvelope) for one in providers):
        providers.append(AnswerEnvelope())


def _providers_of(agent: object) -> list[object] | None:
    providers: object = getattr(agent, "context_providers", None)
    return providers if isinstance(providers, list) else None  # type: ignore[reportUnknownVariableType]
