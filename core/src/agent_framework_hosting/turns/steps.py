"""The nine steps of a turn, one method each; ``inbound.py`` says in which order."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from agent_framework import AgentResponseUpdate, AgentSession

from ..delivery.codec import describe_target, encode_identity, encode_request
from ..delivery.journal import TurnRecord
from ..delivery.plan import Reach, candidates, plan_delivery
from ..execution.turn import TurnInput
from ..hookspecs import ChannelStreamTransformHook
from ..model.isolation import get_current_isolation_keys
from ..model.outcome import Failed, HostedStream
from ..model.request import ChannelRequest
from ..model.result import ChannelResponseContext, HostedRunResult, TargetResult
from ..model.target import ResponseTargetKind
from ..model.verdict import Allowed
from ..ports import Write
from ..sessions.resolve import UnknownParent
from ..sessions.scope import conversation_of
from .deadline import Deadline
from .endings import Endings
from .parts import TurnParts
from .turn import HERE, Turn, TurnRefused, new_turn_id

SESSION_REQUIRED = Failed("session_required", "This request needs a conversation, and none could be named.", 400)
TOOK_TOO_LONG = Failed("timeout", "The agent took too long to answer. Please try again.", 504)
UNKNOWN_PARENT = Failed("unknown_parent", "The conversation to continue from is not known.", 400)


class Steps:
    """Carry one turn from an allowed request to a committed answer."""

    def __init__(self, parts: TurnParts) -> None:
        self.parts = parts
        self.endings = Endings(parts)

    # 3 admit

    async def admit(self, request: ChannelRequest, verdict: Allowed, *, journaled: bool) -> Turn:
        """Reserve a place in the lane, then record turn and speaker. Raises ``LaneFull``, ``EventAlreadySeen``."""
        parts, person = self.parts, verdict.isolation_key or None
        conversation = conversation_of(request, person, parts.plugins.channel(request.channel).conversation_scope)
        turn = Turn(new_turn_id(), request, person, conversation, parts.lanes.reserve(conversation.lane))
        try:
            if person is not None and request.identity is not None:
                turn.active = parts.registry.active(person, excluding=request.identity)
                await parts.registry.record(
                    person,
                    request.identity,
                    request.conversation_id,
                    is_group=request.is_group,
                    claims=verdict.verified_claims if verdict.claim_source == "channel" else None,
                )
            if journaled:  # last: what the journal holds is run, whatever else fails
                await self._journal(turn)
        except BaseException:
            turn.close()
            raise
        parts.journal.counters.accepted += 1
        return turn

    async def _journal(self, turn: Turn) -> None:
        parts, request = self.parts, turn.request
        writes: list[Write] = []
        if request.background:
            turn.continuation, writes = parts.continuations.mint(turn.id)
        record = TurnRecord(
            turn_id=turn.id,
            channel=request.channel,
            isolation_key=turn.person or "",
            request=encode_request(request),
            admitted_at=parts.journal.now(),
            event_id=request.event_id,
            token=turn.token,
            active=None if turn.active is None else encode_identity(turn.active),
            hints=_hints(),
        )
        await parts.journal.admit(record, writes)
        turn.record = record

    # 4 run hooks

    async def run_hooks(self, turn: Turn) -> None:
        """Let the channel and the policies shape the request; the speaker stays who the gate saw.

        A request that was moved to another conversation waits in that one's lane.
        """
        parts, asked = self.parts, turn.request
        turn.request = await parts.plugins.run_hook(asked, parts.target)
        if turn.request is asked:
            return
        scope = parts.plugins.channel(asked.channel).conversation_scope
        wanted = conversation_of(turn.request, turn.person, scope)
        if wanted.lane != turn.conversation.lane:
            turn.close()
            turn.place = parts.lanes.reserve(wanted.lane, limited=False)
        turn.conversation = wanted

    # 5 lane and session

    async def enter(self, turn: Turn) -> None:
        """Wait for the conversation's turn, then open its session."""
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

    async def check(self, turn: Turn) -> None:
        """Refuse what the target cannot take, while the wire can still say so. Raises ``TargetInputError``."""
        await self.parts.execution.check(self._input(turn))

    def running(self, turn: Turn) -> HostedStream:
        """Start the target's own stream."""
        return self.parts.execution.stream(self._input(turn), transforms=self.transforms(turn))

    def transforms(self, turn: Turn) -> Sequence[ChannelStreamTransformHook]:
        """Return what shapes each update on its way to the asking channel."""
        transform = self.parts.plugins.channel(turn.request.channel).stream_transform
        return () if transform is None else (transform,)

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

    # 8 commit: see turns/endings.py

    # 9 response hooks

    async def shown(self, turn: Turn, result: HostedRunResult[TargetResult]) -> HostedRunResult[TargetResult]:
        """Return what the asking wire may show."""
        request = turn.request
        if not self.parts.plugins.shapes_responses(request.channel):
            return result
        context = ChannelResponseContext(request, request.channel, request.identity, originating=True)
        return await self.parts.plugins.response_hook(replace(result), context)


def _hints() -> tuple[str | None, str | None] | None:
    keys = get_current_isolation_keys()
    return None if keys is None or keys.is_empty else (keys.user_key, keys.chat_key)
