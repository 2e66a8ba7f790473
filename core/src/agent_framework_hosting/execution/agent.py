"""Run an agent."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterable, AsyncIterator, Callable, Sequence
from typing import TypeAlias, cast

from agent_framework import AgentResponse, AgentResponseUpdate, AgentSession, ResponseStream

from ..hookspecs import ChannelStreamTransformHook
from ..model.outcome import HostedStream
from ..model.result import HostedRunResult, TargetResult
from .binding import Bindings
from .envelope import enter_run, install_answer_envelope, leave_run, stamp_answer, stamp_question
from .messages import messages_of_input
from .pull import stream_of
from .teardown import teardown
from .turn import TurnInput

AgentStream: TypeAlias = "ResponseStream[AgentResponseUpdate, AgentResponse]"


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
        install_answer_envelope(agent)

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
        running = enter_run(self._agent, turn.answer_envelope)
        try:
            await bindings.enter(self._agent, turn.request)
            answer = self.call(turn)
            response = await answer if inspect.isawaitable(answer) else answer
        finally:
            await bindings.release()
            leave_run(running)
        return result_of(response, turn)

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
        enter_run(self._agent, self._turn.answer_envelope)
        await self._bindings.enter(self._agent, self._turn.request)
        self._stream = await _stream_from(self._execution.call(self._turn, stream=True))
        return aiter(self._stream)

    async def finish(self) -> HostedRunResult[TargetResult]:
        if self._stream is None:
            raise RuntimeError("The run was never started.")
        response: object = await self._stream.get_final_response()
        if isinstance(response, list):  # a stream without a finaliser ends in its updates
            response = AgentResponse.from_updates(self._stream.updates)
        return result_of(cast("object", response), self._turn)

    async def close(self) -> None:
        try:
            if self._stream is not None:
                with teardown("stream"):
                    await self._stream.close()
        finally:
            await self._bindings.release()

    def drop(self) -> None:
        self._bindings.drop()


def result_of(response: object, turn: TurnInput) -> HostedRunResult[TargetResult]:
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
