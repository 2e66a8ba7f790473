"""Run an agent: its providers bound to the request, the host's note on what it is asked and answers."""

from __future__ import annotations

import inspect
import uuid
from collections.abc import AsyncIterable, AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, AsyncExitStack, nullcontext
from contextvars import ContextVar
from typing import NamedTuple, TypeAlias, cast

from agent_framework import (
    AgentResponse,
    AgentResponseUpdate,
    AgentSession,
    ContextProvider,
    ResponseStream,
    SessionContext,
    SupportsAgentRun,
)

from ..hookspecs import ChannelStreamTransformHook
from ..model.outcome import HostedStream
from ..model.request import ChannelRequest
from ..model.result import HostedRunResult, TargetResult
from .messages import messages_of_input, stamp_answer, stamp_question
from .stream import log_teardown, stream_of, teardown, uninterrupted
from .turn import TurnInput

AgentStream: TypeAlias = "ResponseStream[AgentResponseUpdate, AgentResponse]"

_SOURCE_ID = "agent_framework_hosting"


class AgentExecution:
    """Run an ``Agent``, or anything with its ``run``; options and session go where the signature takes them."""

    output_types: Sequence[type] = ()
    unstorable_types: Sequence[type] = ()

    def __init__(self, agent: object) -> None:
        """Look at the agent once and give it the host's context provider."""
        run: object = getattr(agent, "run", None)
        if not callable(run):
            raise TypeError(f"{type(agent).__name__} has no run method.")
        self._agent = agent
        self._run: Callable[..., object] = run
        self._takes = _parameters_of(run)
        _install_answer_envelope(agent)

    def new_session(self, session_id: str) -> AgentSession | None:
        """Let the agent make its session; None when its ``run`` takes none."""
        if not self._accepts("session"):
            return None
        create = getattr(self._agent, "create_session", None)
        return create(session_id=session_id) if callable(create) else AgentSession(session_id=session_id)  # type: ignore[no-any-return]

    async def check(self, turn: TurnInput) -> None:
        """Refuse what is no message."""
        messages_of_input(turn.request.input)

    async def run(self, turn: TurnInput) -> HostedRunResult[TargetResult]:
        """Run to the end."""
        bindings = Bindings()
        running = _running.set(_Running(self._agent, turn.answer_envelope))
        try:
            await bindings.enter(self._agent, turn.request)
            answer = self.call(turn)
            response = await answer if inspect.isawaitable(answer) else answer
        finally:
            await bindings.release()
            _running.reset(running)
        return _result_of(response, turn)

    def stream(self, turn: TurnInput, *, transforms: Sequence[ChannelStreamTransformHook] = ()) -> HostedStream:
        """Run piece by piece."""
        return stream_of(_AgentRun(self, self._agent, turn), transforms)

    async def reset(self, isolation_key: str, *, key: str | None = None) -> None:
        """Do nothing: an agent's conversation is its session, which the host keeps."""

    def call(self, turn: TurnInput, **stream: bool) -> object:
        """Call the agent's ``run`` and return what it returns."""
        messages = stamp_question(messages_of_input(turn.request.input), turn.envelope)
        arguments: dict[str, object] = dict(stream)
        if turn.session is not None and self._accepts("session"):
            arguments["session"] = turn.session
        options = dict(turn.request.options or {})
        if options and self._accepts("options"):
            arguments["options"] = options
        elif "tools" in options and self._accepts("tools"):
            arguments["tools"] = options["tools"]
        return self._run(messages, **arguments)

    def _accepts(self, name: str) -> bool:
        return self._takes is None or name in self._takes


class _AgentRun:
    """One streamed run of an agent; every step happens in the stream's own context."""

    def __init__(self, execution: AgentExecution, agent: object, turn: TurnInput) -> None:
        self._execution = execution
        self._agent = agent
        self._turn = turn
        self._bindings = Bindings()
        self._stream: AgentStream | None = None

    async def open(self) -> AsyncIterator[AgentResponseUpdate]:
        _running.set(_Running(self._agent, self._turn.answer_envelope))
        await self._bindings.enter(self._agent, self._turn.request)
        self._stream = await _stream_from(self._execution.call(self._turn, stream=True))
        return aiter(self._stream)

    async def finish(self) -> HostedRunResult[TargetResult]:
        if self._stream is None:
            raise RuntimeError("The run was never started.")
        response: object = await self._stream.get_final_response()
        if isinstance(response, list):  # a stream without a finaliser ends in its updates
            response = AgentResponse.from_updates(self._stream.updates)
        return _result_of(cast("object", response), self._turn)

    async def close(self) -> None:
        try:
            if self._stream is not None:
                with teardown("stream"):
                    await self._stream.close()
        finally:
            await self._bindings.release()

    def drop(self) -> None:
        self._bindings.drop()


def _result_of(response: object, turn: TurnInput) -> HostedRunResult[TargetResult]:
    """Wrap what an agent answered; agents without context providers get their note here."""
    if not isinstance(response, AgentResponse):
        raise TypeError(f"The agent's run returned {type(response).__name__}; it must return an AgentResponse.")
    answer = cast("AgentResponse", response)
    stamp_answer(answer.messages, turn.answer_envelope)
    return HostedRunResult(answer, session=turn.session)


async def _stream_from(answer: object) -> AgentStream:
    if not isinstance(answer, AsyncIterable) and inspect.isawaitable(answer):
        answer = await answer
    if isinstance(answer, ResponseStream):
        return answer  # type: ignore[reportUnknownVariableType]
    if isinstance(answer, AgentResponse):  # the agent cannot stream
        whole = cast("AgentResponse", answer)
        return ResponseStream(_each(whole), finalizer=lambda _: whole)
    if isinstance(answer, AsyncIterable):
        return ResponseStream(answer, finalizer=AgentResponse.from_updates)  # type: ignore[reportUnknownArgumentType]
    raise TypeError(
        f"The agent's run(stream=True) returned {type(answer).__name__}; it must return a stream of updates."
    )


async def _each(response: AgentResponse) -> AsyncIterator[AgentResponseUpdate]:
    for update in response.to_updates():
        yield update


def _parameters_of(run: Callable[..., object]) -> frozenset[str] | None:
    """Return the keywords ``run`` takes; None when it takes any."""
    try:
        parameters = inspect.signature(run).parameters.values()
    except (TypeError, ValueError):
        return None
    if any(one.kind is inspect.Parameter.VAR_KEYWORD for one in parameters):
        return None
    return frozenset(one.name for one in parameters if one.kind is not inspect.Parameter.POSITIONAL_ONLY)


class _Running(NamedTuple):
    """The run under way in a context, for ``AnswerEnvelope``."""

    agent: object
    answer_envelope: Mapping[str, object]


_running: ContextVar[_Running | None] = ContextVar("agent_framework_hosting_running", default=None)


class AnswerEnvelope(ContextProvider):
    """Write the note on the answer before history providers store it.

    Keeps itself last in the agent's list: ``after_run`` goes through that list from its end. Holds nothing of a run,
    so one stands for all turns of an agent, concurrent ones included.
    """

    def __init__(self) -> None:
        super().__init__(_SOURCE_ID)

    async def before_run(
        self,
        *,
        agent: SupportsAgentRun,
        session: AgentSession,
        context: SessionContext,  # noqa: ARG002 - the signature is agent-framework's
        state: dict[str, object],  # noqa: ARG002 - the signature is agent-framework's
    ) -> None:
        """Move behind providers that were added later, such as the history agent-framework adds by itself."""
        session.state.pop(_SOURCE_ID, None)
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
        session.state.pop(_SOURCE_ID, None)
        running = _running.get()
        if running is not None and running.agent is agent and context.response is not None:
            stamp_answer(context.response.messages, running.answer_envelope)


def _install_answer_envelope(agent: object) -> None:
    """Append an ``AnswerEnvelope`` to an agent that has a list of context providers, unless it has one."""
    providers = _providers_of(agent)
    if providers is not None and not any(isinstance(one, AnswerEnvelope) for one in providers):
        providers.append(AnswerEnvelope())


def _providers_of(agent: object) -> list[object] | None:
    providers: object = getattr(agent, "context_providers", None)
    return providers if isinstance(providers, list) else None  # type: ignore[reportUnknownVariableType]


class Bindings:
    """Hold what ``bind_request_context`` of a target's context providers returned.

    ``release`` may be called from every end a run can have; only the first call does anything.
    """

    def __init__(self) -> None:
        self._stack: AsyncExitStack | None = None
        self._waits = False

    async def enter(self, target: object, request: ChannelRequest) -> None:
        """Bind every provider that can be bound, in the agent's order; releases them again when one fails."""
        found: object = getattr(target, "context_providers", None)
        providers = cast("Sequence[object]", found) if isinstance(found, (list, tuple)) else ()
        binds = (getattr(one, "bind_request_context", None) for one in providers)
        bindable = [bind for bind in binds if callable(bind)]
        if not bindable:
            return
        known = request.known_attributes
        # wires without response ids: providers still get one to file the turn under
        response_id = known.get("response_id") or f"resp_{uuid.uuid4().hex}"
        previous = known.get("previous_response_id")
        try:
            for bind in bindable:
                await self._hold(bind(response_id=response_id, previous_response_id=previous))
        except BaseException:
            await self.release()
            raise

    async def _hold(self, manager: object) -> None:
        if inspect.isawaitable(manager):
            manager = await manager
        self._stack = self._stack or AsyncExitStack()
        if isinstance(manager, AbstractContextManager):
            self._stack.enter_context(manager)  # type: ignore[reportUnknownArgumentType]
        elif isinstance(manager, AbstractAsyncContextManager):
            self._waits = True
            await self._stack.enter_async_context(manager)  # type: ignore[reportUnknownArgumentType]
        else:
            raise TypeError(
                f"bind_request_context returned {type(manager).__name__}; return a context manager, sync or async."
            )

    async def release(self) -> None:
        """Release in reverse order; failures are logged, cancellation waits."""
        stack, self._stack = self._stack, None
        if stack is None:
            return
        with teardown("bindings"):
            async with uninterrupted() if self._waits else nullcontext():
                await stack.aclose()

    def drop(self) -> None:
        """Release now, outside any task, when no manager needs to wait; otherwise leave it to ``release``."""
        if self._waits or self._stack is None:
            return
        closing, self._stack = self._stack.aclose(), None
        try:
            closing.send(None)
        except StopIteration:
            pass
        except Exception as error:
            log_teardown(error, "bindings")
