"""Run a workflow: what it answers and asks is the same, streamed or not."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from typing import TypeAlias, cast

from agent_framework import (
    AgentResponse,
    AgentResponseUpdate,
    AgentSession,
    Message,
    ResponseStream,
    WorkflowEvent,
    WorkflowRunResult,
    WorkflowRunState,
)

from ..errors import TargetInputError
from ..hookspecs import ChannelStreamTransformHook
from ..model.outcome import HostedStream
from ..model.result import HostedRunResult, TargetResult
from .adapt import adapt_input
from .checkpoints import Checkpoints, Scope
from .declared import declared_classes, unstorable_classes
from .instances import Instances
from .messages import stamp_answer
from .paused import Memory, Resumption
from .questions import Questions, answers_in
from .stream import log_teardown, stream_of, teardown
from .turn import TurnInput
from .updates import event_updates

WorkflowStream: TypeAlias = ResponseStream[WorkflowEvent, WorkflowRunResult]

_IDLE = (WorkflowRunState.IDLE, WorkflowRunState.IDLE_WITH_PENDING_REQUESTS)


class WorkflowExecution:
    """Run a workflow, a fresh instance for every turn, continuing where its conversation stands."""

    def __init__(self, instances: Instances, checkpoints: Checkpoints | None) -> None:
        self._memory = Memory(instances, checkpoints)
        self._sample = instances.sample
        self.output_types: Sequence[type] = declared_classes(instances.sample)
        self.unstorable_types: Sequence[type] = unstorable_classes(instances.sample)

    def new_session(self, session_id: str) -> AgentSession | None:
        """Return a session: the workflow does not use it, the host knows the conversation's threads by it."""
        return AgentSession(session_id=session_id)

    async def check(self, turn: TurnInput) -> None:
        """Refuse what neither the workflow takes nor its open questions."""
        request = turn.request
        if "responses" not in request.known_attributes:
            try:
                adapt_input(request.input, self._sample, {})
            except TargetInputError:
                pass  # it may be an answer
            else:
                return
        resumed = await self._memory.resume(turn)
        if answers_in(request, resumed.questions) is None and not resumed.questions:
            adapt_input(request.input, self._sample, {})

    async def run(self, turn: TurnInput) -> HostedRunResult[TargetResult]:
        """Run to the end."""
        return await _WorkflowRun(self._memory, turn).whole()

    def stream(self, turn: TurnInput, *, transforms: Sequence[ChannelStreamTransformHook] = ()) -> HostedStream:
        """Run piece by piece."""
        return stream_of(_WorkflowRun(self._memory, turn), transforms)

    async def reset(self, isolation_key: str, *, key: str | None = None) -> None:
        """Forget open questions and checkpoints."""
        await self._memory.forget(Scope(isolation_key, key))


class _WorkflowRun:
    """One run, whole or streamed."""

    def __init__(self, memory: Memory, turn: TurnInput) -> None:
        self._memory = memory
        self._turn = turn
        self._resumed: Resumption | None = None
        self._answered: Mapping[str, object] = {}
        self._stream: WorkflowStream | None = None

    async def whole(self) -> HostedRunResult[TargetResult]:
        resumed, arguments = await self._prepare()
        if arguments is None:
            return await self._ask_again(resumed)
        run = cast("Callable[..., Awaitable[WorkflowRunResult]]", resumed.workflow.run)
        result = await run(**arguments)
        return await self._settle(list(result), result.status_timeline())

    async def open(self) -> AsyncIterator[AgentResponseUpdate]:
        resumed, arguments = await self._prepare()
        if arguments is None:
            return _Updates(None, resumed.questions)
        run = cast("Callable[..., WorkflowStream]", resumed.workflow.run)
        self._stream = run(stream=True, **arguments)
        return _Updates(self._stream, self._left_open(resumed))

    async def finish(self) -> HostedRunResult[TargetResult]:
        if self._resumed is None:
            raise RuntimeError("The run was never started.")
        if self._stream is None:
            return await self._ask_again(self._resumed)
        try:
            result = await self._stream.get_final_response()
        except RuntimeError as error:
            log_teardown(error, "workflow")
            updates = self._stream.updates
            result = WorkflowRunResult(
                [event for event in updates if event.type not in ("started", "status")],
                [event for event in updates if event.type == "status"],
            )
        return await self._settle(list(result), result.status_timeline())

    async def close(self) -> None:
        if self._stream is not None:
            with teardown("workflow"):
                await self._stream.close()

    def drop(self) -> None:
        """Do nothing: a workflow holds nothing but its stream."""

    async def _prepare(self) -> tuple[Resumption, dict[str, object] | None]:
        """Return the workflow and what to run it with; None when open questions were not answered."""
        request = self._turn.request
        resumed = self._resumed = await self._memory.resume(self._turn)
        arguments: dict[str, object] = {}
        if resumed.storage is not None:
            arguments["checkpoint_storage"] = resumed.storage
        answers = answers_in(request, resumed.questions)
        if answers is not None:
            self._answered = answers
            self._memory.take(resumed)
            arguments["responses"] = answers
            if resumed.storage is not None and resumed.storage.restored is not None:
                arguments["checkpoint_id"] = resumed.storage.restored.checkpoint_id
        elif resumed.questions:
            return resumed, None
        else:
            arguments["message"] = adapt_input(request.input, resumed.workflow, self._turn.envelope)
            if resumed.storage is not None and resumed.storage.restored is not None:
                restored = resumed.storage.restored.checkpoint_id
                await resumed.workflow.run(checkpoint_id=restored, checkpoint_storage=resumed.storage)
        return resumed, arguments

    def _left_open(self, resumed: Resumption) -> Questions:
        return {key: value for key, value in resumed.questions.items() if key not in self._answered}

    async def _ask_again(self, resumed: Resumption) -> HostedRunResult[TargetResult]:
        await self._memory.carry(resumed)
        return HostedRunResult(_asked_again(resumed.questions))

    async def _settle(self, events: list[WorkflowEvent], status: list[WorkflowEvent]) -> HostedRunResult[TargetResult]:
        if self._resumed is None:
            raise RuntimeError("The run was never started.")
        left = self._left_open(self._resumed)
        result = _whole_result(events, status, left, self._turn.answer_envelope)
        questions: Questions = {event.request_id: event for event in result.get_request_info_events()}
        await self._memory.keep(self._resumed, questions)
        return HostedRunResult(result)


class _Updates:
    """A workflow's events as updates, and at the end the questions that it left open and did not ask again.

    Errors after the workflow has come to rest belong to its teardown.
    """

    def __init__(self, events: WorkflowStream | None, left_open: Questions) -> None:
        self._events = events
        self._left_open = dict(left_open)
        self._ready: deque[AgentResponseUpdate] = deque()
        self._at_rest = False

    def __aiter__(self) -> _Updates:
        return self

    async def __anext__(self) -> AgentResponseUpdate:
        while not self._ready:
            event = await self._next()
            if event is None:
                break
            if event.type == "status":
                self._at_rest = event.state in _IDLE
                continue
            if event.type == "request_info":
                self._left_open.pop(event.request_id, None)
            self._ready.extend(event_updates(event))
        if not self._ready:
            left, self._left_open = self._left_open, {}
            self._ready.extend(update for event in left.values() for update in event_updates(event))
        if not self._ready:
            raise StopAsyncIteration
        return self._ready.popleft()

    async def _next(self) -> WorkflowEvent | None:
        if self._events is None:
            return None
        try:
            return await anext(self._events, None)
        except RuntimeError as error:
            if not self._at_rest:
                raise
            log_teardown(error, "workflow")
            self._events = None
            return None


def _whole_result(
    events: Iterable[WorkflowEvent], status: list[WorkflowEvent], waiting: Questions, note: Mapping[str, object]
) -> WorkflowRunResult:
    """Return the result of a run: pieces of streamed answers joined, questions still open included, answers noted."""
    joined = _joined(events)
    asked = {event.request_id for event in joined if event.type == "request_info"}
    joined += [question for request_id, question in waiting.items() if request_id not in asked]
    for event in joined:
        if event.type == "output":
            stamp_answer(_messages_in(event.data), note)
    return WorkflowRunResult(joined, status)


def _asked_again(questions: Questions) -> WorkflowRunResult:
    """Return the result of a turn that answered nothing: the same questions, still open."""
    idle: WorkflowEvent = WorkflowEvent.status(WorkflowRunState.IDLE_WITH_PENDING_REQUESTS)
    return WorkflowRunResult(list(questions.values()), [idle])


def _joined(events: Iterable[WorkflowEvent]) -> list[WorkflowEvent]:
    """Join the updates an executor yields in one invocation into one output, at the place of the first."""
    joined: list[WorkflowEvent] = []
    pieces: dict[int, list[AgentResponseUpdate]] = {}
    current: dict[str | None, list[AgentResponseUpdate]] = {}
    for event in events:
        data: object = event.data
        if event.type == "output" and isinstance(data, AgentResponseUpdate):
            if event.executor_id not in current:
                current[event.executor_id] = pieces[len(joined)] = []
                joined.append(event)
            current[event.executor_id].append(data)
            continue
        if event.type in ("executor_completed", "executor_failed"):
            current.pop(event.executor_id, None)
        joined.append(event)
    for index, updates in pieces.items():
        first = joined[index]
        joined[index] = WorkflowEvent(
            "output", AgentResponse.from_updates(updates), origin=first.origin, executor_id=first.executor_id
        )
    return joined


def _messages_in(data: object) -> Iterable[Message]:
    if isinstance(data, AgentResponse):
        return cast("AgentResponse", data).messages
    if isinstance(data, Message):
        return [data]
    if isinstance(data, (list, tuple)):
        return [one for one in cast("list[object]", data) if isinstance(one, Message)]
    return ()
