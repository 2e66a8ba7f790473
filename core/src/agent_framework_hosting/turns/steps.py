"""The nine steps of a turn, one method each; ``inbound.py`` says in which order."""

from __future__ import annotations

import asyncio
import itertools
import logging
import secrets
import time
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace

from agent_framework import AgentResponseUpdate, AgentSession

from ..authorization.gate import Gate
from ..delivery.codec import describe_target, encode_identity, encode_request
from ..delivery.continuations import Continuations
from ..delivery.journal import Journal, TurnRecord
from ..delivery.plan import Reach, candidates, plan_delivery
from ..execution.stream import transformed
from ..execution.turn import Execution, TurnInput
from ..execution.updates import updates_of
from ..hookspecs import ChannelStreamTransformHook
from ..model.isolation import CURRENT_KEYS
from ..model.outcome import Accepted, Failed, Reply
from ..model.request import ChannelRequest
from ..model.result import ChannelResponseContext
from ..model.target import ResponseTargetKind
from ..model.verdict import Allowed
from ..plugins.manager import PluginManager
from ..ports import Lanes, LiveReply, Target, Write
from ..sessions.conversations import Sessions, UnknownParent
from ..sessions.people import People
from ..sessions.scope import Conversation, conversation_of
from .ending import Endings
from .running import Deadline, Preview
from .turn import HERE, Show, Turn, TurnRefused

logger = logging.getLogger(__name__)

_numbers = itertools.count(secrets.randbits(63))
_last = 0

SESSION_REQUIRED = Failed("session_required", "This request needs a conversation, and none could be named.", 400)
UNKNOWN_PARENT = Failed("unknown_parent", "The conversation to continue from is not known.", 400)


class Steps:
    """Carry one turn from an allowed request to a committed answer."""

    def __init__(
        self,
        *,
        target: Target,
        plugins: PluginManager,
        gate: Gate,
        people: People,
        sessions: Sessions,
        lanes: Lanes,
        execution: Execution,
        journal: Journal,
        continuations: Continuations,
        endings: Endings,
        timeout_seconds: float | None,
    ) -> None:
        self.plugins = plugins
        self.channels = {channel.name: channel for channel in plugins.channels}
        self._shapes_requests = frozenset(filter(plugins.shapes_requests, self.channels))
        self._shapes_responses = frozenset(filter(plugins.shapes_responses, self.channels))
        self.gate = gate
        self.lanes = lanes
        self.journal = journal
        self.continuations = continuations
        self.endings = endings
        self._target = target
        self._people = people
        self._sessions = sessions
        self._execution = execution
        self._timeout = timeout_seconds

    def require_channel(self, request: ChannelRequest) -> None:
        """Raise ``PluginError`` for a request that names a channel this host does not have."""
        self.plugins.channel(request.channel)

    def conversation(self, request: ChannelRequest, person: str | None) -> Conversation:
        """Return the conversation of a speaker's message."""
        channel = self.channels.get(request.channel) or self.plugins.channel(request.channel)
        return conversation_of(request, person, channel.conversation_scope)

    # 3 admit

    async def admit(self, request: ChannelRequest, verdict: Allowed, *, journaled: bool) -> Turn:
        """Reserve a place in the lane, then record speaker and turn in one commit.

        Raises ``LaneFull`` and ``EventAlreadySeen``.
        """
        person = verdict.isolation_key or None
        where = self.conversation(request, person)
        show = Show.PIECES if request.stream else Show.WHOLE
        turn = Turn(_new_turn_id(), request, person, where, self.lanes.reserve(where.lane), show)
        try:
            await self._record(turn, verdict, journaled=journaled)
        except BaseException:
            turn.close()
            raise
        self.journal.counters.accepted += 1
        return turn

    async def _record(self, turn: Turn, verdict: Allowed, *, journaled: bool) -> None:
        request, sighting = turn.request, None
        if turn.person is not None and request.identity is not None:
            turn.active = self._people.active(turn.person, excluding=request.identity)
            sighting = await self._people.sighting(
                turn.person,
                request.identity,
                request.conversation_id,
                is_group=request.is_group,
                claims=verdict.verified_claims if verdict.claim_source == "channel" else None,
            )
        writes: list[Write] = [] if sighting is None else [*sighting.writes]
        if journaled:
            turn.record = await self._journaled(turn, writes)
        elif writes:
            await self.journal.commit(writes)
        if sighting is not None:
            self._people.apply(sighting)

    async def _journaled(self, turn: Turn, writes: list[Write]) -> TurnRecord:
        request = turn.request
        if request.background:
            turn.continuation, minted = self.continuations.mint(turn.id)
            writes = [*writes, minted]
        record = TurnRecord(
            turn_id=turn.id,
            channel=request.channel,
            isolation_key=turn.person or "",
            request=encode_request(request),
            admitted_at=self.journal.now(),
            event_id=request.event_id,
            token=None if turn.continuation is None else turn.continuation.token,
            active=None if turn.active is None else encode_identity(turn.active),
            hints=_hints(),
        )
        return await self.journal.admit(record, writes)

    # 4 run hooks

    async def run_hooks(self, turn: Turn) -> None:
        """Let the channel and the policies shape the request; the speaker stays who the gate saw.

        A request that was moved to another conversation waits in that one's lane.
        """
        if turn.companions:  # they end with this one, answered by the same answer
            channel = self.plugins.channel(turn.request.channel)
            turn.request = channel.merge([each.request for each in (turn, *turn.companions)])
        if turn.request.channel not in self._shapes_requests:
            return
        asked = turn.request
        turn.request = await self.plugins.run_hook(asked, self._target)
        if turn.request is asked:
            return
        if turn.show is not Show.LATER:
            turn.show = Show.PIECES if turn.request.stream else Show.WHOLE
        wanted = self.conversation(turn.request, turn.person)
        if wanted.lane != turn.conversation.lane:
            turn.close()
            turn.place = self.lanes.reserve(wanted.lane, limited=False)
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
            return await self._sessions.open(where.isolation_key, where.key, where.parent)
        except UnknownParent as error:
            raise TurnRefused(UNKNOWN_PARENT) from error

    # 6 plan

    async def plan(self, turn: Turn) -> None:
        """Decide where the answer will go, and how it is shown there."""
        request, target = turn.request, turn.request.response_target
        if target.kind is ResponseTargetKind.ORIGINATING:
            turn.plan = HERE
        else:
            reach = Reach(
                origin=request.identity,
                origin_channel=request.channel,
                addresses={} if turn.person is None else self._people.addresses(turn.person),
                active=turn.active,
                knows=self.plugins.knows,
                can_push=self.plugins.can_push,
            )
            refused = [to for to in candidates(target, reach) if not await self.gate.may_receive(to)]
            turn.plan = plan_delivery(target, reach, frozenset(refused))
        turn.shows_here = turn.plan.here or not turn.delivers
        turn.streams = turn.shows_here and turn.show is Show.PIECES
        if turn.streams:
            await self._execution.check(self._input(turn))  # refused while the wire can still say so with a status

    def live_reply(self, turn: Turn) -> LiveReply | None:
        """Return what shows the answer at the origin while it grows, for a turn nobody waits for."""
        if turn.show is not Show.LATER or not turn.plan.here:
            return None
        try:
            return self.plugins.channel(turn.request.channel).live_reply(turn.request)
        except Exception:
            logger.exception("A live reply could not be made; the answer is pushed", extra={"turn": turn.id})
            return None

    # 7 execute

    async def execute(self, turn: Turn) -> AsyncGenerator[AgentResponseUpdate]:
        """Run the target to its end, whose answer becomes ``turn.result``; yield its updates where a wire reads them.

        With a response hook in play nothing is shown before the hooks have seen all of it.
        """
        turn.shaped = turn.request.channel in self._shapes_responses
        if turn.shaped or not (turn.streams or turn.live):
            async with asyncio.timeout(self._timeout):
                turn.result = await self._execution.run(self._input(turn))
            return
        running = self._execution.stream(self._input(turn), transforms=self._transforms(turn))
        async with running as stream, Preview(turn.live) as preview:
            with Deadline(stream, self._timeout) as updates:
                async for update in updates:
                    preview.feed(update.text)
                    if turn.live is None:
                        yield update
            turn.result = await stream.get_final_response()

    def _transforms(self, turn: Turn) -> Sequence[ChannelStreamTransformHook]:
        transform = self.plugins.channel(turn.request.channel).stream_transform
        return () if transform is None else (transform,)

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

    # 8 commit: see turns/ending.py

    # 9 response hooks

    async def show(self, turn: Turn) -> AsyncGenerator[AgentResponseUpdate]:
        """Make the outcome of what the asking wire may show; yield the updates that were held back for the hooks."""
        request, result = turn.request, turn.result
        if result is None or turn.show is Show.LATER or not turn.shows_here:
            turn.outcome = Accepted(turn.id, tuple(to.channel for to in turn.plan.pushes))
            return
        if turn.shaped:
            context = ChannelResponseContext(request, request.channel, request.identity, originating=True)
            result = await self.plugins.response_hook(replace(result), context)
            if turn.streams:
                for update in updates_of(result):
                    changed = await transformed(update, self._transforms(turn))
                    if changed is not None:
                        yield changed
        turn.outcome = Reply(result)


def _new_turn_id() -> str:
    """Return a unique id that sorts by time: milliseconds in hex, then a number no other process counts at.

    Later ids of this process sort above earlier ones, whatever the clock does.
    """
    global _last  # noqa: PLW0603 - one order for the process
    _last = max(_last, time.time_ns() // 1_000_000)
    return f"{_last:012x}{next(_numbers):016x}"


def _hints() -> tuple[str | None, str | None] | None:
    keys = CURRENT_KEYS.get()
    return None if keys is None or keys.is_empty else (keys.user_key, keys.chat_key)
