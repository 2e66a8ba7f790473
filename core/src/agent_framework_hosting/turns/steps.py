"""The nine steps of a turn, one method each; ``inbound.py`` says in which order."""

from __future__ import annotations

import asyncio
import logging
import weakref
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace

from agent_framework import AgentResponse, AgentResponseUpdate, AgentSession, Message, ResponseStream

from ..delivery.codec import describe_target, encode_identity, encode_request
from ..delivery.continuations import Continuations
from ..delivery.journal import Journal, TurnRecord, TurnStatus
from ..delivery.outbox import Delivery, echo_of
from ..delivery.plan import Reach, candidates, plan_delivery
from ..delivery.staging import NOTHING_STAGED, Outbox, Staged
from ..errors import TurnFailed
from ..execution.stream import updates_of
from ..execution.turn import Execution, TurnInput
from ..model.outcome import Failed, HostedStream
from ..model.request import ChannelRequest
from ..model.result import ChannelResponseContext, HostedRunResult, TargetResult
from ..model.target import ResponseTargetKind
from ..model.verdict import Allowed
from ..plugins.manager import PluginManager
from ..ports import LiveReply, Target, Write
from ..sessions.lanes import Lanes
from ..sessions.registry import IdentityRegistry
from ..sessions.resolve import Sessions, UnknownParent
from ..sessions.scope import conversation_of
from .deadline import Deadline
from .gate import Gate
from .turn import HERE, Turn, TurnRefused, new_turn_id

logger = logging.getLogger(__name__)

SESSION_REQUIRED = Failed("session_required", "This request needs a conversation, and none could be named.", 400)
UNKNOWN_PARENT = Failed("unknown_parent", "The conversation to continue from is not known.", 400)


@dataclass(frozen=True, slots=True)
class TurnParts:
    """Everything a turn passes through, wired by the host."""

    target: Target
    plugins: PluginManager
    gate: Gate
    registry: IdentityRegistry
    sessions: Sessions
    lanes: Lanes
    execution: Execution
    journal: Journal
    continuations: Continuations
    outbox: Outbox
    timeout_seconds: float | None


class Steps:
    """Carry one turn from an allowed request to a committed answer."""

    def __init__(self, parts: TurnParts) -> None:
        self.parts = parts

    # 3 admit

    async def admit(self, request: ChannelRequest, verdict: Allowed, *, journaled: bool) -> Turn:
        """Reserve a place in the lane, then record turn and speaker. Raises ``LaneFull``, ``EventAlreadySeen``."""
        parts, person = self.parts, verdict.isolation_key or None
        conversation = conversation_of(request, person, parts.plugins.channel(request.channel).conversation_scope)
        turn = Turn(new_turn_id(), request, person, conversation, parts.lanes.reserve(conversation.lane))
        try:
            if journaled:
                await self._journal(turn)
            if person is not None and request.identity is not None:
                turn.active = parts.registry.active(person, excluding=request.identity)
                await parts.registry.record(
                    person,
                    request.identity,
                    request.conversation_id,
                    is_group=request.is_group,
                    claims=verdict.verified_claims if verdict.claim_source == "channel" else None,
                )
        except BaseException:
            turn.close()
            raise
        return turn

    async def _journal(self, turn: Turn) -> None:
        parts, request = self.parts, turn.request
        continuation, *writes = parts.continuations.mint(turn.id) if request.background else (None,)
        turn.record = TurnRecord(
            turn_id=turn.id,
            channel=request.channel,
            isolation_key=turn.person or "",
            request=encode_request(request),
            admitted_at=parts.journal.now(),
            event_id=request.event_id,
            token=None if continuation is None else continuation.token,
        )
        await parts.journal.admit(turn.record, writes)

    # 4 run hooks

    async def run_hooks(self, turn: Turn) -> None:
        """Let the channel and the policies shape the request; the speaker stays who the gate saw."""
        turn.request = await self.parts.plugins.run_hook(turn.request, self.parts.target)

    # 5 lane and session

    async def enter(self, turn: Turn) -> None:
        """Wait for the conversation's turn, then open its session."""
        parts, request = self.parts, turn.request
        wanted = conversation_of(request, turn.person, parts.plugins.channel(request.channel).conversation_scope)
        if wanted.lane != turn.conversation.lane:
            turn.close()
            turn.place = parts.lanes.reserve(wanted.lane, limited=False)
        turn.conversation = wanted
        await turn.place.enter()
        turn.session = await self._session(turn)

    async def _session(self, turn: Turn) -> AgentSession | None:
        where, mode = turn.conversation, turn.request.session_mode
        if mode == "disabled":
            return None
        if where.isolation_key is None:
            if mode == "required":
                raise TurnRefused(SESSION_REQUIRED)
            return None
        try:
            return await self.parts.sessions.open(where.isolation_key, where.key, where.parent)
        except UnknownParent as error:
            raise TurnRefused(UNKNOWN_PARENT) from error

    # 6 plan

    async def plan(self, turn: Turn) -> None:
        """Decide where the answer will go."""
        parts, request = self.parts, turn.request
        target = request.response_target
        if target.kind is ResponseTargetKind.ORIGINATING:
            turn.plan = HERE
            return
        reach = Reach(
            origin=request.identity,
            origin_channel=request.channel,
            addresses={} if turn.person is None else parts.registry.addresses(turn.person),
            active=turn.active,
            knows=parts.plugins.knows,
            can_push=parts.plugins.can_push,
        )
        refused = [to for to in candidates(target, reach) if not await parts.gate.may_receive(to)]
        turn.plan = plan_delivery(target, reach, frozenset(refused))

    # 7 execute

    async def execute(self, turn: Turn) -> HostedRunResult[TargetResult]:
        """Run the target to its end."""
        async with asyncio.timeout(self.parts.timeout_seconds):
            return await self.parts.execution.run(self._input(turn))

    def stream(self, turn: Turn) -> HostedStream:
        """Run the target piece by piece: steps 7 to 9 happen while the stream is read.

        The turn ends when the stream is read to its end, awaited, closed or dropped.
        """
        stream: HostedStream = ResponseStream(self._updates(turn, ended := []), finalizer=lambda _: ended[0])
        weakref.finalize(stream, turn.close)
        return stream.with_cleanup_hook(turn.close)

    async def _updates(
        self, turn: Turn, ended: list[HostedRunResult[TargetResult]]
    ) -> AsyncIterator[AgentResponseUpdate]:
        try:
            if self.parts.plugins.shapes_responses(turn.request.channel):
                result = await self.execute(turn)
                ended.append(await self.shown(turn, result))
                for update in updates_of(ended[0]):
                    yield update
            else:
                async with self.running(turn) as running:
                    with self.paced(running) as updates:
                        async for update in updates:
                            yield update
                    result = await running.get_final_response()
                ended.append(result)
            await self.commit(turn, result)
        except Exception as error:
            logger.exception("A streamed turn failed", extra={"channel": turn.request.channel, "turn": turn.id})
            await self.abandon(turn)
            raise TurnFailed("The agent failed.") from error
        finally:
            turn.close()
            if turn.record is not None and not turn.ended:
                await self.abandon(turn)

    def running(self, turn: Turn) -> HostedStream:
        """Start the target's own stream."""
        transform = self.parts.plugins.channel(turn.request.channel).stream_transform
        return self.parts.execution.stream(self._input(turn), transforms=() if transform is None else (transform,))

    def paced(self, stream: HostedStream) -> Deadline[AgentResponseUpdate]:
        """Read a stream under the turn's time limit; enter it before reading."""
        return Deadline(stream, self.parts.timeout_seconds)

    def _input(self, turn: Turn) -> TurnInput:
        request = turn.request
        return TurnInput(
            request=request,
            session=turn.session,
            isolation_key=turn.conversation.isolation_key,
            key=turn.conversation.key,
            parent=turn.conversation.parent,
            envelope={
                "channel": request.channel,
                "identity": None if request.identity is None else encode_identity(request.identity),
                "response_target": describe_target(request.response_target),
            },
            answer_envelope=turn.plan.envelope(request.channel),
        )

    # 8 commit

    async def started(self, turn: Turn) -> None:
        """Mark a journaled turn as running: from here on its tools may act."""
        if turn.record is not None:
            turn.record = await self.parts.journal.start(turn.record)
            if turn.record.token is not None:
                await self.parts.continuations.running(turn.record.token)

    async def commit(self, turn: Turn, result: HostedRunResult[TargetResult], live: LiveReply | None = None) -> None:
        """Keep the session, then end the turn together with its deliveries, in one transaction."""
        await self.keep_session(turn)
        staged = await self.parts.outbox.stage(self._deliveries(turn, result), live)
        ending = [] if turn.token is None else await self.parts.continuations.completed(turn.token, result)
        await self._end(turn, "answered", staged, ending)

    async def abandon(self, turn: Turn, notice: str | None = None, live: LiveReply | None = None) -> None:
        """End a turn that has no answer; ``notice`` tells the origin so, durably."""
        deliveries = [] if notice is None else self._notice(turn, notice)
        staged = await self.parts.outbox.stage(deliveries, live)
        ending = [] if turn.token is None else await self.parts.continuations.failed(turn.token, notice or "Failed.")
        await self._end(turn, "failed", staged, ending, note=notice)

    async def end_with(self, turn: Turn, other: Turn) -> None:
        """End a turn whose message was answered together with another's."""
        status: TurnStatus = "answered" if other.answered else "failed"
        await self._end(turn, status, NOTHING_STAGED, (), note=f"together with {other.id}")

    async def _end(
        self, turn: Turn, status: TurnStatus, staged: Staged, ending: Sequence[Write], *, note: str | None = None
    ) -> None:
        parts, writes = self.parts, [*staged.writes, *ending]
        turn.ended, turn.answered = True, status == "answered"
        if turn.record is not None:
            await parts.journal.finish(turn.record, status, writes, tasks=staged.task_ids, note=note)
        elif writes:
            await parts.journal.commit(writes)
        parts.outbox.start(staged)

    async def keep_session(self, turn: Turn) -> None:
        """Remember the session; one that cannot be stored costs the next turn its memory, never this answer."""
        where = turn.conversation
        if turn.session is None or where.isolation_key is None:
            return
        try:
            await self.parts.sessions.keep(where.isolation_key, where.key, turn.session)
        except Exception:
            logger.exception("A session could not be stored", extra={"channel": turn.request.channel})

    def _deliveries(self, turn: Turn, result: HostedRunResult[TargetResult]) -> list[Delivery]:
        request, plan = turn.request, turn.plan
        if not turn.delivers:
            return []
        echo = echo_of(request.input) if plan.echo else None
        pushes = [Delivery(to, result, echo, request=request, turn_id=turn.id) for to in plan.pushes]
        if turn.deferred and plan.here and request.identity and self.parts.plugins.can_push(request.channel):
            home = Delivery(request.identity, result, originating=True, request=request, turn_id=turn.id)
            return [home, *pushes]
        return pushes

    def _notice(self, turn: Turn, text: str) -> list[Delivery]:
        to = turn.request.identity
        if to is None or not self.parts.plugins.can_push(to.channel):
            return []
        answer = HostedRunResult(AgentResponse(messages=[Message("assistant", [text])]))
        return [Delivery(to, answer, kind="notice", originating=True, turn_id=turn.id)]

    # 9 response hooks

    async def shown(self, turn: Turn, result: HostedRunResult[TargetResult]) -> HostedRunResult[TargetResult]:
        """Return what the asking wire may show."""
        request = turn.request
        if not self.parts.plugins.shapes_responses(request.channel):
            return result
        context = ChannelResponseContext(request, request.channel, request.identity, originating=True)
        return await self.parts.plugins.response_hook(replace(result), context)
