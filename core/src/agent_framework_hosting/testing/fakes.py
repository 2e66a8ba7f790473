"""Real doubles: an agent that answers with what it heard, a channel that keeps what it was pushed, a hand-set clock."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Literal, cast, overload

from agent_framework import (
    AgentResponse,
    AgentResponseUpdate,
    AgentRunInputs,
    AgentSession,
    Content,
    Message,
    ResponseStream,
    ServiceSessionId,
)

from ..hookspecs import Channel, hookimpl
from ..model.contribution import ChannelContribution
from ..model.identity import ChannelIdentity
from ..model.result import HostedRunResult, TargetResult, result_text
from ..ports import ChannelContext
from .arrivals import Arrivals


class EchoAgent:
    """Answer ``<turn>: <what was said>``, counting turns in the session; remembers every input in ``heard``.

    ``before`` is awaited ahead of each answer: hold it to keep turns running, raise in it to make them fail.
    """

    def __init__(self, before: Callable[[str], Awaitable[None]] | None = None) -> None:
        self.id = "echo-agent"
        self.name: str | None = "echo"
        self.description: str | None = "Repeats what it hears."
        self.heard: list[Message] = []
        self._before = before

    @property
    def texts(self) -> list[str]:
        """What it heard, as text."""
        return [message.text for message in self.heard]

    def create_session(self, *, session_id: str | None = None) -> AgentSession:
        """Create a session."""
        return AgentSession(session_id=session_id)

    def get_session(self, service_session_id: str | ServiceSessionId, *, session_id: str | None = None) -> AgentSession:
        """Wrap a service's session."""
        return AgentSession(service_session_id=service_session_id, session_id=session_id)

    @overload
    def run(
        self,
        messages: AgentRunInputs | None = None,
        *,
        stream: Literal[False] = ...,
        session: AgentSession | None = None,
        **_: object,
    ) -> Awaitable[AgentResponse]: ...

    @overload
    def run(
        self,
        messages: AgentRunInputs | None = None,
        *,
        stream: Literal[True],
        session: AgentSession | None = None,
        **_: object,
    ) -> ResponseStream[AgentResponseUpdate, AgentResponse]: ...

    def run(
        self,
        messages: AgentRunInputs | None = None,
        *,
        stream: bool = False,
        session: AgentSession | None = None,
        **_: object,
    ) -> Awaitable[AgentResponse] | ResponseStream[AgentResponseUpdate, AgentResponse]:
        """Answer, whole or word by word."""
        if stream:
            return ResponseStream(self._words(messages, session), finalizer=AgentResponse.from_updates)
        return self._whole(messages, session)

    async def _whole(self, messages: object, session: AgentSession | None) -> AgentResponse:
        return AgentResponse(messages=[Message("assistant", [await self._answer(messages, session)])])

    async def _words(self, messages: object, session: AgentSession | None) -> AsyncIterator[AgentResponseUpdate]:
        answer = await self._answer(messages, session)
        for index, word in enumerate(answer.split(" ")):
            text = f" {word}" if index else word
            yield AgentResponseUpdate(contents=[Content.from_text(text)], role="assistant", message_id="answer")

    async def _answer(self, messages: object, session: AgentSession | None) -> str:
        said = _last_message(messages)
        self.heard.append(said)
        if self._before is not None:
            await self._before(said.text)
        if session is None:
            return said.text
        turn = int(session.state.get("turns", 0)) + 1
        session.state["turns"] = turn
        return f"{turn}: {said.text}"


def _last_message(messages: object) -> Message:
    heard = cast("list[object]", messages) if isinstance(messages, list) else [messages]
    last = heard[-1] if heard else None
    return last if isinstance(last, Message) else Message("user", ["" if last is None else str(last)])


class InboxChannel(Channel):
    """Keep every push in ``inbox`` as (native id, text); ``context`` is the host's, once the app is built.

    ``failures`` are raised by the next pushes, first one first.
    """

    path = "/inbox"

    def __init__(self, *, name: str = "inbox") -> None:
        self.name = name
        self.failures: list[Exception] = []
        self._arrived = Arrivals[tuple[str, str]]()
        self._context: ChannelContext | None = None

    @property
    def inbox(self) -> list[tuple[str, str]]:
        """Every push so far as (native id, text), oldest first."""
        return self._arrived.items

    @property
    def context(self) -> ChannelContext:
        """The host's context for this channel. Raises ``RuntimeError`` before the app is built."""
        if self._context is None:
            raise RuntimeError("The host has not built its app yet; enter it or read host.app first.")
        return self._context

    @hookimpl
    def contribute_routes(self, context: ChannelContext) -> ChannelContribution:
        """Keep the context; there is no wire."""
        self._context = context
        return ChannelContribution()

    @hookimpl
    async def push(self, identity: ChannelIdentity, payload: HostedRunResult[TargetResult]) -> str:
        """Keep what was pushed and return its place in the inbox."""
        if self.failures:
            raise self.failures.pop(0)
        self._arrived.add((identity.native_id, result_text(payload)))
        return str(len(self.inbox))

    async def wait_for(self, count: int) -> list[tuple[str, str]]:
        """Wait until at least ``count`` pushes have arrived and return them all."""
        return await self._arrived.wait_for(count)


class HandClock:
    """A clock that moves only when told; call it for seconds since the epoch."""

    def __init__(self, start: datetime | None = None) -> None:
        self._now = (start or datetime(2026, 1, 1, tzinfo=UTC)).timestamp()

    def __call__(self) -> float:
        """Return the time in seconds since the epoch."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Move on."""
        self._now += seconds
