"""One turn, start to finish. READ THIS FILE FIRST.

Two doors: ``dispatch`` runs the turn inside the wire's request and the answer goes back there; ``admit`` lets the wire
have its 200 at once and the answer is a delivery like every other. Both accept a message in the same three steps, and
``carry`` takes every turn, whoever waits for it, through the other six.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Coroutine
from contextlib import aclosing
from dataclasses import replace

from agent_framework import AgentResponseUpdate

from .delivery.codec import decode_request
from .delivery.journal import EventAlreadySeen
from .errors import Fenced, LaneFull, StoreError, TargetInputError
from .model.outcome import Accepted, Busy, Duplicate, Failed, Outcome, Reply, Stopped
from .model.request import ChannelRequest
from .model.target import ResponseTargetKind
from .model.verdict import Allowed, Denied, LinkRequired
from .sessions.scope import Conversation, is_addressed
from .turns.deferred import Deferred
from .turns.ending import FAILED_NOTICE, INTERRUPTED_NOTICE, see_to, to_the_end
from .turns.running import TOOK_TOO_LONG, stream_of
from .turns.steps import Steps
from .turns.turn import Show, Turn, TurnRefused

logger = logging.getLogger(__name__)

UNAVAILABLE = Failed("unavailable", "The agent cannot take messages right now. Please try again later.", 503)
STOPPED_NOTICE = "Stopped."


class Inbound:
    """Take messages in. Whatever a user can cause ends in an ``Outcome``, never in an exception.

    While ``accepting`` is False every message is turned away, unread, with a request to come back.
    """

    def __init__(self, steps: Steps) -> None:
        self._steps = steps
        self.deferred = Deferred(self._later)
        self.accepting = True

    # The doors

    async def dispatch(self, request: ChannelRequest) -> Outcome:
        """Run one turn inside the wire's request."""
        if request.background:
            return await self.admit(request)
        turn = await self._accept(request, journaled=request.event_id is not None)
        return await self._here(turn) if isinstance(turn, Turn) else turn

    async def admit(self, request: ChannelRequest) -> Outcome:
        """Accept one message durably and return; its turn runs in its lane afterwards."""
        can_push = request.identity is not None and self._steps.plugins.can_push(request.channel)
        if not request.background and not can_push:
            logger.error(
                "Without a push hook or an identity no message can be admitted", extra={"channel": request.channel}
            )
            return Failed("cannot_push", "This channel cannot answer later.")
        turn = await self._accept(request, journaled=True)
        if not isinstance(turn, Turn):
            return turn
        self.take_on(turn)
        return Accepted(turn.id, token=turn.token)

    async def undelivered(self, request: ChannelRequest) -> Outcome:
        """Run one turn here and deliver nothing, whatever its target: the caller will."""
        turn = await self._accept(request, journaled=False)
        if not isinstance(turn, Turn):
            return turn
        turn.delivers = False
        return await self._here(turn)

    def take_on(self, turn: Turn) -> None:
        """Carry a turn that is in the journal without anybody waiting for it, together with what belongs to it."""
        turn.show = Show.LATER
        self.deferred.start(turn, self._steps.plugins.channel(turn.request.channel).settle(turn.request))

    async def stop(self, request: ChannelRequest) -> Stopped | LinkRequired | Denied:
        """Cancel the admitted turns of the request's conversation, if its speaker may speak; return how many."""
        self._steps.require_channel(request)
        verdict = await self._steps.gate.authorize_request(request)
        if not isinstance(verdict, Allowed):
            return verdict
        stopped = await self.deferred.stop(self.conversation(request, verdict.isolation_key or None).lane)
        for turn in stopped:  # one that had not begun has not ended by itself
            await self._steps.endings.abandon(turn)
        return Stopped(len(stopped))

    async def check(self, request: ChannelRequest) -> tuple[Outcome | None, str | None]:
        """Return what stops a message at the door, or None, and then whose it is; nothing is written."""
        if not self.accepting:
            return UNAVAILABLE, None
        if not is_addressed(request, self._steps.plugins.channel(request.channel).accept_in_group):
            return Accepted(""), None  # a group talks among itself
        verdict = await self._steps.gate.authorize_request(request)
        return (None, verdict.isolation_key or None) if isinstance(verdict, Allowed) else (verdict, None)

    def conversation(self, request: ChannelRequest, person: str | None) -> Conversation:
        """Return the conversation of a speaker's message."""
        return self._steps.conversation(request, person)

    # Steps 1 to 3

    async def _accept(self, request: ChannelRequest, *, journaled: bool) -> Turn | Outcome:
        """Take a message in; whatever stops it here becomes its outcome."""
        if not self.accepting:
            return UNAVAILABLE
        work = self._admitted(request, journaled=journaled)
        try:
            return await (self._to_the_end(work) if journaled else work)
        except LaneFull:
            return Busy()
        except EventAlreadySeen:
            return Duplicate(request.event_id or "")
        except Exception as error:
            logger.exception("A message could not be accepted", extra={"channel": request.channel})
            return UNAVAILABLE if isinstance(error, (StoreError, Fenced)) else Failed()

    async def _admitted(self, request: ChannelRequest, *, journaled: bool) -> Turn | Outcome:
        """Nothing is written before the gate has allowed it."""
        steps = self._steps
        if request.channel not in steps.channels:
            steps.require_channel(request)
        if request.event_id is not None and steps.journal.seen(request.channel, request.event_id):
            return Duplicate(request.event_id)  # 1 seen before
        if request.is_group and not is_addressed(request, steps.plugins.channel(request.channel).accept_in_group):
            return Accepted("")  # a group talks among itself
        verdict = await steps.gate.authorize_request(request)  # 2 may they speak
        if not isinstance(verdict, Allowed):
            return verdict
        return await steps.admit(request, verdict, journaled=journaled)  # 3 recorded, in one transaction

    async def _to_the_end(self, work: Coroutine[object, object, Turn | Outcome]) -> Turn | Outcome:
        """Accept a message although its caller goes away meanwhile: what the journal holds must not be forgotten."""
        task = asyncio.get_running_loop().create_task(work)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            task.add_done_callback(self._unclaimed)
            raise

    def _unclaimed(self, task: asyncio.Task[Turn | Outcome]) -> None:
        if not task.cancelled() and task.exception() is None and isinstance(turn := task.result(), Turn):
            self._gone(turn)
            turn.close()

    # Steps 4 to 9

    async def carry(self, turn: Turn) -> AsyncGenerator[AgentResponseUpdate | None]:
        """Take an accepted turn to its end, which becomes ``turn.outcome``; it ends however this is left.

        Yields None once the target is about to run, then the updates that a wire reads.
        """
        steps = self._steps
        try:
            await steps.run_hooks(turn)  # 4 the request as the channel and the policies want it
            await steps.enter(turn)  # 5 one turn at a time in a conversation, in its session
            await steps.plan(turn)  # 6 where the answer will go, before its first byte
            await steps.endings.begin(turn)
            turn.live, turn.begun = None if turn.show is not Show.LATER else steps.live_reply(turn), True
            yield None
            async with aclosing(steps.execute(turn)) as updates:  # 7 run the target
                async for update in updates:
                    yield update
            await steps.endings.commit(turn)  # 8 session, deliveries and the journal's end, in one transaction
            async with aclosing(steps.show(turn)) as held_back:  # 9 what this wire may show
                async for update in held_back:
                    yield update
        except (asyncio.CancelledError, GeneratorExit):
            await self._left(turn)
            raise
        except Exception as error:
            turn.fault = error
            turn.outcome = await self._failed(turn, error)
        finally:
            turn.place.leave()

    async def _here(self, turn: Turn) -> Outcome:
        """Carry a turn that its wire waits for."""
        pieces = self.carry(turn)
        async for _ in pieces:
            if turn.streams:
                return Reply(stream=stream_of(turn, pieces))  # 7 to 9 happen while the wire reads
        return turn.outcome

    async def _later(self, turn: Turn) -> None:
        """Carry a turn that nobody waits for."""
        async with aclosing(self.carry(turn)) as pieces:
            async for _ in pieces:
                pass

    async def _failed(self, turn: Turn, error: Exception) -> Outcome:
        """End a turn that failed; whoever does not wait on a wire is told in words."""
        outcome, words = _refusal(error)
        if isinstance(error, Fenced):
            logger.warning("A turn belongs to another host by now", extra={"turn": turn.id})
        elif not isinstance(error, (TurnRefused, TargetInputError)):
            logger.error("A turn failed", extra={"channel": turn.request.channel, "turn": turn.id}, exc_info=error)
        if isinstance(error, StoreError) and turn.show is not Show.LATER and self._adopt(turn):
            return Accepted(turn.id)
        await self._steps.endings.abandon(turn, words if turn.show is Show.LATER else None)
        return outcome

    async def _left(self, turn: Turn) -> None:
        """End a turn whose reader, caller or host went away, unless a later process can take it up."""
        endings = self._steps.endings
        if turn.begun and turn.streams:
            await to_the_end(endings.abandon(turn))
        elif turn.show is not Show.LATER:
            self._gone(turn)
        elif turn.stopped:
            await endings.abandon(turn, STOPPED_NOTICE if turn.live else None)
        elif not self._steps.journal.durable:
            await to_the_end(endings.abandon(turn, INTERRUPTED_NOTICE))

    def _gone(self, turn: Turn) -> None:
        """See to a turn whose caller went away: one in the journal is answered later, or told that it was cut off."""
        if not self._adopt(turn):
            notice = None if turn.record is None else INTERRUPTED_NOTICE
            see_to(self._steps.endings.abandon(turn, notice))

    def _adopt(self, turn: Turn) -> bool:
        """Take over a turn whose wire cannot wait for it any more; say whether it will be answered.

        What is in the journal and had not started is run, where its answer can be delivered. Anything else stays.
        """
        record = turn.record
        if turn.ended or record is None or record.status != "admitted" or not self._can_be_delivered(turn):
            return False
        turn.ended = True  # from here on it is the other's
        request = decode_request(record.request)  # as it was before any hook
        place = self._steps.lanes.reserve(turn.conversation.lane, limited=False)
        self.take_on(replace(turn, request=request, place=place, session=None, fault=None, ended=False))
        return True

    def _can_be_delivered(self, turn: Turn) -> bool:
        request = turn.request
        if turn.token is not None or request.response_target.kind is not ResponseTargetKind.ORIGINATING:
            return True
        return request.identity is not None and self._steps.plugins.can_push(request.channel)


def _refusal(error: Exception) -> tuple[Outcome, str]:
    """Return what a failed turn comes to, and the words for somebody whom no wire tells."""
    if isinstance(error, TurnRefused):
        return error.outcome, str(error.outcome.to_public_dict().get("message", FAILED_NOTICE))
    if isinstance(error, TargetInputError):
        return Failed("invalid_input", str(error), 400), str(error)
    if isinstance(error, TimeoutError):
        return TOOK_TOO_LONG, TOOK_TOO_LONG.message
    return UNAVAILABLE if isinstance(error, (StoreError, Fenced)) else Failed(), FAILED_NOTICE
